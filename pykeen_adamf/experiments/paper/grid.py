"""An experiment from beginning to end: it is planned, carried out by an engine, and reported."""

import os
import shlex
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from ..engines import Engine, InlineEngine, command
from ..folder import BusyError, RunFolder
from .contenders import choose
from .experiments import EXPERIMENTS, Run, plan
from .report import write_report
from .reporting.runs import RUNS, list_folders

__all__ = ["Progress", "format_duration", "raise_failures", "report_only", "reproduce"]


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
    runs = {directory / RUNS / run.name: run for run in plan(experiment, **options)}
    for path, run in runs.items():
        _write_plan(RunFolder(path), run)
        if retry:
            RunFolder(path).forget_damaged()
    pending = [path for path in runs if not RunFolder(path).has_ended]
    if dry_run:
        for path in pending:
            report(shlex.join(["pykeen-adamf", *command(path)]))
        return directory
    engine = engine or InlineEngine()
    engine.execute(pending, Progress(runs, engine, report).update)
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
    if not list_folders(directory):
        raise ValueError(f"{directory} has no results of {experiment}. Check the directory, or run the experiment.")
    _check_directory(directory, experiment)
    return write_report(directory)


def raise_failures(output: str | Path, fix: str) -> None:
    """Raise a ``RuntimeError`` if runs in a directory have failed; the message ends with what to do."""
    num = sum(folder.has_ended and not folder.result.exists() for folder in list_folders(Path(output)))
    if num:
        what = "1 run has" if num == 1 else f"{num} runs have"
        raise RuntimeError(f"{what} failed, see the end of the report. {fix}")


def _check_directory(directory: Path, experiment: str) -> None:
    choose("experiment", [experiment], EXPERIMENTS)
    try:
        (directory / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"Cannot write to {directory}: {error}. Choose another directory.") from error
    if not os.access(directory, os.W_OK) or not os.access(directory / RUNS, os.W_OK):
        raise OSError(f"Cannot write to {directory}. Choose another directory.")
    for folder in list_folders(directory):
        other = folder.read_configuration().get("metadata", {}).get("experiment", experiment)
        if other != experiment:
            raise ValueError(f"{directory} has results of {other}, not of {experiment}. Choose another directory.")


def _write_plan(folder: RunFolder, run: Run) -> None:
    """Write down what is to be done, or check that it is what somebody works on."""
    # who works there has begun with what is written down; or else, is about to write it
    try:
        with folder.locked(timeout=0 if folder.configuration.exists() else 10):
            folder.plan(run.configuration)
    except BusyError:
        if not folder.configuration.exists():
            raise
    folder.check_configuration(run.configuration)
    folder.check_data(run.data)


class Progress:
    """Reports runs as soon as they have ended."""

    def __init__(self, runs: Mapping[Path, Run], engine: Engine, report: Callable[[str], object]) -> None:
        """Initialize the progress, and report what has ended already.

        :param runs: All runs, by their folders.
        :param engine: What carries them out.
        :param report: Called with each line.
        """
        self.engine, self.report, self.num_runs = engine, report, len(runs)
        self.pending = dict(runs)
        # of runs that differ by their seeds only
        self._seconds: dict[str, list[float]] = defaultdict(list)
        lines = [self._summarize(path) for path in runs if RunFolder(path).has_ended]
        num_failed = sum(": failed: " in line for line in lines)
        failures = f" ({num_failed} of them failed; --retry runs those again)" if num_failed else ""
        report(f"{self.num_runs} run{'s' * (self.num_runs != 1)}, of which {len(lines)} are finished{failures}")

    def estimate(self) -> float | None:
        """Return the seconds left, by runs that differ by their seeds only, or by all; ``None`` if none is finished."""
        if not self._seconds:
            return None
        means = {point: fmean(values) for point, values in self._seconds.items()}
        average = fmean(means.values())
        return sum(means.get(run.point, average) for run in self.pending.values()) / self.engine.num_at_a_time

    def update(self, path: Path) -> None:
        """Report a run that has ended, by its folder."""
        line, left = self._summarize(path), self.estimate()
        estimate = f"; about {format_duration(left)} left" if self.pending and left is not None else ""
        self.report(f"[{self.num_runs - len(self.pending)}/{self.num_runs}] {line}{estimate}")

    def _summarize(self, path: Path) -> str:
        run, folder = self.pending.pop(path), RunFolder(path)
        result, name = folder.read_result(), f"{run.point}, seed {run.configuration['pipeline']['random_seed']}"
        if result is None:
            return f"{name}: failed: {folder.read_error()}"
        seconds = sum(result["seconds"].values())
        self._seconds[run.point].append(seconds)
        return f"{name}: MRR {result['metrics']['both']['realistic']['MRR']:.3f}, {format_duration(seconds)}"


def format_duration(seconds: float) -> str:
    """Return a duration in words, rounded to what matters."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
