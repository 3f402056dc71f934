"""Methods on EmojiKG whose settings were searched for, and how benchmarks run them: each run in a folder of its own."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import click
import torch

from pykeen_adamf.experiments.run import run
from pykeen_adamf.garbage_collection import cheap_garbage_collection

__all__ = ["METHODS", "carry_out", "read_configuration", "run_all"]

#: What was searched for, cf. ``searches/``.
METHODS: Final = ("RotatE", "AdaMF", "AdaMF-MAT")


def read_configuration(name: str, epochs: int | None = None) -> dict[str, Any]:
    """Return the configuration of a method, as chosen on validation triples, perhaps with another number of epochs."""
    path = files("pykeen_adamf.experiments.paper").joinpath("configurations", "EmojiKG", f"{name}.json")
    configuration: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if epochs is not None:
        configuration["pipeline"]["training_kwargs"]["num_epochs"] = epochs
    return configuration


def carry_out(configuration: Mapping[str, Any], folder: Path, **kwargs: Any) -> dict[str, Any]:
    """Carry out a run in one thread: batches on a small graph are too small to gain anything from more."""
    torch.set_num_threads(1)
    with cheap_garbage_collection():
        return run(configuration, folder, device="cpu", progress=False, report=click.echo, **kwargs)


def run_all(
    configurations: Mapping[str, Mapping[str, Any]],
    directory: Path,
    workers: int,
    function: Callable[..., dict[str, Any]] = carry_out,
) -> dict[str, dict[str, Any]]:
    """Run several configurations, each in a folder by its name, and return the contents of their ``result.json``."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        paths = [directory / name for name in configurations]
        return dict(zip(configurations, executor.map(function, configurations.values(), paths), strict=True))
