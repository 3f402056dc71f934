"""An experiment from beginning to end: it is planned, carried out by an engine, and reported."""

import os
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ..engines import Engine, InlineEngine, command
from ..folder import BusyError, RunFolder
from ..progress import Progress
from .contenders import choose
from .experiments import EXPERIMENTS, Run, plan
from .report import write_report

__all__ = ["RUNS", "raise_failures", "report_only", "reproduce"]

#: The directory with the folders of the runs.
RUNS: Final = "runs"

#: How long to wait for somebody who has just come to a folder, in seconds.
INTERVAL: Final = 0.05


def reproduce(
    experiment: str,
    *,
    output: str | Path,
    engine: Engine | None = None,
    retry: bool = False,
    dry_run: bool = False,
    report: Callable[[str], object] = print,
    **options: Any,
) -> Path:
    """Carry out an experiment of the paper, or what is missing of it, and write the report.

    :param experiment: The name of the experiment.
    :param output: The directory to write to, which several machines may share.
    :param engine: What carries the runs out. Defaults to one after the other in this process.
    :param retry: Whether to run again what has failed, or whose files are damaged; it continues from its checkpoint.
    :param dry_run: Whether to only report the commands that carry the runs out, for other engines.
    :param report: Called with what is to be printed.
    :param options: Datasets, models, seeds, and what else :func:`.experiments.plan` takes.
    :returns: The path of the report.
    :raises OSError: if the output cannot be written
    :raises RuntimeError: if the engine cannot carry out anything
    :raises ValueError: if there is no such experiment, model or dataset, or the directory has other settings or data
    """
    directory = Path(output)
    # before the dataset is downloaded
    _check_directory(directory, experiment)
    runs = plan(experiment, **options)
    folders = [_write_plan(directory, run) for run in runs]
    if retry:
        for folder in folders:
            folder.forget_damaged()
    pending = [folder.path for folder in folders if not folder.has_ended]
    if dry_run:
        for path in pending:
            report(shlex.join(["pykeen-adamf", *command(path)]))
        return directory
    engine = engine or InlineEngine()
    engine.execute(pending, Progress(folders, engine, report).update)
    return write_report(directory)


def report_only(experiment: str, output: str | Path) -> Path:
    """Write the report of what is finished, and run nothing.

    :param experiment: The name of the experiment.
    :param output: The directory.
    :returns: The path of the report.
    :raises OSError: if the output cannot be written
    :raises ValueError: if there is no such experiment, or nothing of it in the directory
    """
    directory = Path(output)
    choose("experiment", [experiment], EXPERIMENTS)
    if not _list_folders(directory):
        raise ValueError(f"{directory} has no results of {experiment}. Check the directory, or run the experiment.")
    _check_directory(directory, experiment)
    return write_report(directory)


def raise_failures(output: str | Path, fix: str) -> None:
    """Raise a ``RuntimeError`` if runs in a directory have failed; the message ends with what to do."""
    folders = _list_folders(Path(output))
    num = sum(folder.read_error() is not None and not folder.result.exists() for folder in folders)
    if num:
        what = "1 run has" if num == 1 else f"{num} runs have"
        raise RuntimeError(f"{what} failed, see the end of the report. {fix}")


def _list_folders(directory: Path) -> list[RunFolder]:
    return [RunFolder(path.parent) for path in sorted((directory / RUNS).glob("*/configuration.json"))]


def _check_directory(directory: Path, experiment: str) -> None:
    """Check that an experiment can be written to a directory, which is created if necessary."""
    choose("experiment", [experiment], EXPERIMENTS)
    try:
        (directory / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"Cannot write to {directory}: {error}. Choose another directory.") from error
    if not os.access(directory, os.W_OK) or not os.access(directory / RUNS, os.W_OK):
        raise OSError(f"Cannot write to {directory}. Choose another directory.")
    for folder in _list_folders(directory):
        other = folder.read_configuration().get("metadata", {}).get("experiment", experiment)
        if other != experiment:
            raise ValueError(
                f"{directory} has results of {other}, and cannot have those of {experiment}, too. Choose another "
                f"directory."
            )


def _write_plan(directory: Path, run: Run) -> RunFolder:
    """Write down what is to be done, or check that it is what somebody works on."""
    folder = RunFolder(directory / RUNS / run.name)
    while True:
        with suppress(BusyError), folder.locked():
            folder.plan(run.configuration)
            folder.check_data(run.data)
            return folder
        # what works there has begun with what is written down, or is about to write it
        if folder.configuration.exists():
            folder.check_configuration(run.configuration)
            folder.check_data(run.data)
            return folder
        time.sleep(INTERVAL)
