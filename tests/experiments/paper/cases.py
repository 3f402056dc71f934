"""A small benchmark, and runs on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

from pykeen_adamf.cli.options import take_overrides
from pykeen_adamf.experiments.folder import RunFolder
from pykeen_adamf.experiments.paper.experiments import Run, plan
from pykeen_adamf.experiments.run import run as run_in_folder

from ...datasets.cases import ENTITIES, write_benchmark

#: Models that are trained in a moment.
MODELS = ["RotatE", "AdaMF"]

#: The same as options of the command, but for the epochs.
SMALL = ("--embedding-dim", "4", "--batch-size", "16", "--negatives", "4", "--device", "cpu")


def override(**options: Any) -> dict[str, dict[str, Any]]:
    """Return what makes a run small enough to take a moment, with other options than these."""
    return take_overrides({"epochs": 2, "embedding_dim": 4, "batch_size": 16, "negatives": 4, **options})


OVERRIDES = override()


def write_dataset(directory: Path, modalities: tuple[str, ...] = ("visual", "textual"), seed: int = 0) -> Path:
    """Write a benchmark with features of all entities."""
    write_benchmark(directory)
    rng = numpy.random.default_rng(seed)
    for name in modalities:
        numpy.save(directory / f"{name}.npy", rng.standard_normal((len(ENTITIES), 6)).astype("float32"))
    return directory


def plan_runs(directory: Path, experiment: str = "table2", **kwargs: Any) -> list[Run]:
    """Plan runs on a benchmark in a directory."""
    kwargs = (
        dict(datasets=["DB15K"], seeds=1, overrides=OVERRIDES, dataset_kwargs=dict(directory=str(directory))) | kwargs
    )
    return plan(experiment, **kwargs)


def get_variant(run: Run) -> str:
    """Return the name of the variant of a run."""
    variant: str = run.configuration["metadata"]["variant"]
    return variant


def get_seed(run: Run) -> int:
    """Return the random seed of a run."""
    seed: int = run.configuration["pipeline"]["random_seed"]
    return seed


def execute(run: Run, path: Path) -> tuple[dict[str, Any], dict[str, numpy.ndarray]]:
    """Carry out a run in a folder, and return its result and its ranks."""
    result = run_in_folder(run.configuration, path, device="cpu", progress=False)
    with numpy.load(RunFolder(path).ranks) as ranks:
        return result, dict(ranks)


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a run without what differs each time."""
    return {key: value for key, value in result.items() if key != "seconds"}


def result_files(output: Path) -> Iterator[Path]:
    """Return the files with results."""
    yield from sorted((output / "runs").glob("*/result.json"))


def list_files(output: Path) -> dict[str, tuple[int, int]]:
    """Return all files of runs, and what changes if anybody writes them again."""
    paths = [path for path in (output / "runs").glob("*/*") if path.name != ".lock"]
    return {str(path.relative_to(output)): (path.stat().st_mtime_ns, path.stat().st_ino) for path in paths}


def read_tables(output: Path) -> str:
    """Return the report without times and machines."""
    return (output / "report.md").read_text(encoding="utf-8").partition("## Times and machines")[0]


class Nobody:
    """An engine that does nothing, such that there is only the plan."""

    def __init__(self, num_at_a_time=1):
        self.num_at_a_time = num_at_a_time

    def execute(self, folders, report):
        """Do nothing."""
