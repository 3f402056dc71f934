"""An experiment from beginning to end: it is planned, carried out by an engine, and reported."""

import os
import shlex
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ...features.dropping import DroppingOrder
from ..engines import Engine, InlineEngine, command
from ..folder import BusyError, RunFolder
from ..progress import Progress
from .contenders import Overrides, choose
from .experiments import EXPERIMENTS
from .planning import Run, plan
from .report import write_report

__all__ = ["RUNS", "count_failures", "report_only", "reproduce"]

#: The directory with the folders of the runs.
RUNS: Final = "runs"

#: How long to wait for somebody who has just come to a folder, in seconds.
INTERVAL: Final = 0.05


def reproduce(
    experiment: str,
    *,
    output: str | Path,
    datasets: Sequence[str],
    models: Collection[str] | None = None,
    seeds: int = 5,
    dataset_kwargs: Mapping[str, Any] | None = None,
    configurations: str | Path | None = None,
    overrides: Overrides | None = None,
    num_test_triples: int | None = None,
    missing_by: DroppingOrder = "uniform",
    engine: Engine | None = None,
    retry: bool = False,
    dry_run: bool = False,
    report: Callable[[str], object] = print,
) -> Path:
    """Carry out an experiment of the paper, or what is missing of it, and write the report.

    :param experiment: The name of the experiment.
    :param output: The directory to write to, which several machines may share.
    :param datasets: The names of datasets.
    :param models: The names of some of the experiment's models or variants, or ``None`` for all.
    :param seeds: The number of random seeds.
    :param dataset_kwargs: The keyword-based parameters of the dataset.
    :param configurations: A directory with a configuration for each model, instead of those of this package.
    :param overrides: What is to be different from the configurations.
    :param num_test_triples: The number of test triples to rank, or ``None`` for all.
    :param missing_by: Which features figure 3 drops first: ``"uniform"`` for random ones, or ``"degree"`` for those of
        rare entities.
    :param engine: What carries the runs out. Defaults to one after the other in this process.
    :param retry: Whether to run again what has failed, or whose files are damaged; it continues from its checkpoint.
    :param dry_run: Whether to only report the commands that carry the runs out, for other engines.
    :param report: Called with what is to be printed.
    :returns: The path of the report.
    :raises OSError: if the output cannot be written
    :raises RuntimeError: if the engine cannot carry out anything
    :raises ValueError: if there is no such experiment, model or dataset, or the directory has other settings or data
    """
    choose("experiment", [experiment], EXPERIMENTS)
    directory = Path(output)
    # before the dataset is downloaded
    _check_directory(directory, experiment)
    runs = plan(
        experiment,
        datasets=datasets,
        seeds=seeds,
        models=models,
        dataset_kwargs=dataset_kwargs,
        configurations=configurations,
        overrides=overrides,
        num_test_triples=num_test_triples,
        missing_by=missing_by,
    )
    folders = [_write_plan(directory, run) for run in runs]
    if retry:
        for folder in folders:
            folder.forget_damaged()
    pending = [folder for folder in folders if not folder.has_ended]
    if dry_run:
        for folder in pending:
            report(shlex.join(["pykeen-adamf", *command(folder.path)]))
        return directory
    engine = engine or InlineEngine()
    progress = Progress(folders, engine.num_at_a_time, report)
    engine.execute([folder.path for folder in pending], progress.update)
    return write_report(directory, dataset_kwargs)


def report_only(experiment: str, output: str | Path, dataset_kwargs: Mapping[str, Any] | None = None) -> Path:
    """Write the report of what is finished, and run nothing.

    :param experiment: The name of the experiment.
    :param output: The directory.
    :param dataset_kwargs: The keyword-based parameters of the dataset, if its files are elsewhere by now.
    :returns: The path of the report.
    :raises OSError: if the output cannot be written
    :raises ValueError: if there is no such experiment, or nothing of it in the directory
    """
    choose("experiment", [experiment], EXPERIMENTS)
    directory = Path(output)
    if next(_folders(directory), None) is None:
        raise ValueError(f"{directory} has no results of {experiment}. Check the directory, or run the experiment.")
    _check_directory(directory, experiment)
    return write_report(directory, dataset_kwargs)


def count_failures(output: str | Path) -> int:
    """Return the number of runs in a directory that have failed."""
    folders = _folders(Path(output))
    return sum(folder.read_error() is not None and not folder.result.exists() for folder in folders)


def _folders(directory: Path) -> Iterator[RunFolder]:
    for path in sorted((directory / RUNS).glob("*/configuration.json")):
        yield RunFolder(path.parent)


def _check_directory(directory: Path, experiment: str) -> None:
    """Check that an experiment can be written to a directory, which is created if necessary."""
    try:
        (directory / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"Cannot write to {directory}: {error}. Choose another directory.") from error
    if not os.access(directory, os.W_OK) or not os.access(directory / RUNS, os.W_OK):
        raise OSError(f"Cannot write to {directory}. Choose another directory.")
    for folder in _folders(directory):
        other = folder.read_configuration().get("metadata", {}).get("experiment", experiment)
        if other != experiment:
            raise ValueError(
                f"{directory} has results of {other}, and cannot have those of {experiment}, too. Choose another "
                f"directory."
            )


def _write_plan(directory: Path, run: Run) -> RunFolder:
    """Write down what is to be done, unless it is as before."""
    folder = RunFolder(directory / RUNS / run.name)
    while not _try_to_plan(folder, run):
        time.sleep(INTERVAL)
    return folder


def _try_to_plan(folder: RunFolder, run: Run) -> bool:
    """Write a plan down, or check that it is what somebody works on; return whether there is something to check."""
    try:
        with folder.locked():
            folder.plan(run.configuration)
            folder.check_data(run.data)
    except BusyError:
        # what works there has begun with what is written down, or is about to write it
        if not folder.configuration.exists():
            return False
        folder.check_configuration(run.configuration)
        folder.check_data(run.data)
    return True
