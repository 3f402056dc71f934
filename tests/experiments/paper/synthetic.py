"""Directories of experiments, as runs leave them, with made-up numbers; and what is in a report."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy
from pykeen.pipeline import pipeline as pykeens_pipeline
from pykeen.training.callbacks import TrainingCallback

from pykeen_adamf.cli.options import take_overrides
from pykeen_adamf.evaluation import METRICS, Ranks, rank_metrics
from pykeen_adamf.evaluation.measuring import group_triples
from pykeen_adamf.experiments.data import describe_data, load_data
from pykeen_adamf.experiments.folder import RunFolder
from pykeen_adamf.experiments.paper.experiments import Run, plan
from pykeen_adamf.experiments.paper.report import write_report
from pykeen_adamf.experiments.recording import describe_environment, describe_options
from pykeen_adamf.experiments.run import make_resumable

from ...cases import make_factory
from .cases import get_seed, get_variant

#: Changes the content of a run's file.
Change = Callable[[Run, dict[str, Any]], None]


def write_experiment(
    directory: Path,
    experiment: str = "table2",
    dataset: str = "EmojiKG",
    seeds: int = 2,
    models: Collection[str] | None = ("RotatE", "IKRL", "AdaMF", "IKRL-MAT", "AdaMF-MAT"),
    better: Collection[str] = ("AdaMF-MAT",),
    failed: Collection[tuple[str, int]] = (),
    missing: Collection[tuple[str, int]] = (),
    change: Change | None = None,
    has_groups: bool = True,
    **kwargs: Any,
) -> list[Run]:
    """Write the folders of an experiment's runs, in which some models have better ranks."""
    runs = plan(experiment, datasets=[dataset], seeds=seeds, models=models, **kwargs)
    for run in runs:
        folder = get_folder(directory, run)
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.plan(run.configuration)
        if (get_variant(run), get_seed(run)) in failed:
            folder.fail("NonFiniteLossError: the loss is | not finite")
        elif (get_variant(run), get_seed(run)) not in missing:
            result, ranks = make_result(run, is_better=get_variant(run) in better)
            if change is not None:
                change(run, result)
            arrays = {name: getattr(ranks, name) for name in ("triples", "head_rank", "tail_rank")}
            folder.finish(result, {**arrays, **(ranks.groups if has_groups else {})})
    return runs


def get_folder(directory: Path, run: Run) -> RunFolder:
    """Return the folder of a run of an experiment."""
    return RunFolder(directory / "runs" / run.name)


def make_result(run: Run, is_better: bool) -> tuple[dict[str, Any], Ranks]:
    """Make the content of a run's file, and ranks that fit to it."""
    data = load_data(run.configuration)
    seed, variant = get_seed(run), get_variant(run)
    # the same triples are hard for all
    hardness = numpy.random.default_rng(0).integers(2, 40, size=(2, data.testing.num_triples))
    noise = numpy.random.default_rng(seed).integers(0, 3, size=hardness.shape)
    head, tail = numpy.maximum(1, hardness // (3 if is_better else 1) - noise).astype(float)
    groups = group_triples(data.testing, data.dataset.training)
    ranks = Ranks.from_arrays(data.testing.mapped_triples.numpy(), head, tail, **groups)
    metrics = dict(zip(METRICS, rank_metrics(ranks).mean(axis=0).tolist(), strict=True))
    pipeline = run.configuration["pipeline"]
    content = {
        "configuration": run.configuration,
        "seed": seed,
        "data_digest": data.digest,
        "data": describe_data(data.dataset, data.testing),
        "environment": describe_environment("cpu"),
        "effective": {"options": get_options(pipeline)},
        "metrics": {"both": {"realistic": metrics}},
        "losses": [1.0] * pipeline["training_kwargs"]["num_epochs"],
        "num_parameters": 1_234,
        "seconds": {"training": 1.0, "evaluation": 0.5},
        "modality_weights": make_weights(seed) if variant.startswith("AdaMF") else None,
    }
    return content, ranks


def make_weights(seed: int) -> list[dict[str, Any]]:
    """Make weights of modalities."""
    return [
        {"relation": relation, "modality": modality, "weight": (1 + row + seed) / 9, "num_triples": num}
        for relation, num in (("has_keyword", 312), ("in_subgroup", 162))
        for row, modality in enumerate(("structural", "visual", "textual"))
    ]


# --- options in force


def get_options(pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the objects that PyKEEN makes of a configuration, whatever the dataset."""
    others = {"dataset", "random_seed"}
    options: dict[str, Any] = _get_options(json.dumps({key: x for key, x in pipeline.items() if key not in others}))
    return dict(options)


@cache
def _get_options(text: str) -> dict[str, Any]:
    kwargs = json.loads(text)
    inverse = (kwargs.pop("dataset_kwargs", None) or {}).get("create_inverse_triples", False)
    factory = make_factory(create_inverse_triples=inverse)
    kwargs["training_loop"] = make_resumable(kwargs.get("training_loop"))
    kwargs["training_kwargs"] = {**kwargs.get("training_kwargs", {}), "callbacks": Describing()}
    try:
        pykeens_pipeline(training=factory, testing=factory, random_seed=0, device="cpu", use_tqdm=False, **kwargs)
    except TrainingBeginsError as error:
        options: dict[str, Any] = error.args[0]
        return options
    raise AssertionError


class TrainingBeginsError(Exception):
    """Raised instead of training, with the options."""


class Describing(TrainingCallback):
    """Describes the options, as soon as there is everything that has some."""

    def register_training_loop(self, training_loop: Any) -> None:
        """Describe, and do not train."""
        factory, batch_size = (training_loop.arguments[name] for name in ("triples_factory", "batch_size"))
        raise TrainingBeginsError(describe_options(training_loop, factory, batch_size))


# --- reports


def tiny(**kwargs: Any) -> dict[str, dict[str, Any]]:
    """Return what makes runs take no time."""
    return take_overrides({"epochs": 1, "embedding_dim": 4, **kwargs})


def report(directory: Path) -> str:
    """Return the text of a report."""
    return write_report(directory).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """Return the text below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}$\n(.*?)(?=^#|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found.group(1)


def table(text: str, number: int = 0) -> list[list[str]]:
    """Return one of the tables as a list of rows, the header first."""
    tables = re.findall(r"(?:^\|.*\|\n)+", text + "\n", flags=re.MULTILINE)
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in tables[number].splitlines()]
    assert len({len(row) for row in rows}) == 1
    return rows[:1] + rows[2:]
