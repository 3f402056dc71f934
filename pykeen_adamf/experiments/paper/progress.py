"""How far a grid is, and how long it will still take."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from .planning import Run
from .running import RunFiles, read_result

__all__ = ["Progress", "format_duration"]


def format_duration(seconds: float) -> str:
    """Return a duration in words, rounded to what matters."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """Reports runs as soon as they are finished, whoever runs them."""

    def __init__(self, directory: Path, runs: Sequence[Run], num_workers: int, report: Callable[[str], object]) -> None:
        """Initialize the progress, and report what is finished already.

        :param directory: The directory of the experiment.
        :param runs: The runs.
        :param num_workers: How many of them run at a time.
        :param report: Called with each line.
        """
        self.directory = directory
        self.runs = runs
        self.num_workers = num_workers
        self.report = report
        self.pending = {run.id: run for run in runs}
        self._seconds: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        num_failed = sum(": failed: " in line for line in self._collect())
        failures = f" ({num_failed} of them failed; --retry runs those again)" if num_failed else ""
        runs_text = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
        report(f"{runs_text}, of which {len(runs) - len(self.pending)} are finished{failures}")

    def _collect(self) -> list[str]:
        """Return a line for each run that was finished since the last call."""
        lines = []
        for run in list(self.pending.values()):
            result = read_result(RunFiles(self.directory, run.id).result)
            if result is not None:
                del self.pending[run.id]
                lines.append(f"{run.describe()}: {self._summarize(run, result)}")
        return lines

    def _summarize(self, run: Run, result: dict[str, Any]) -> str:
        if result["error"] is not None:
            return f"failed: {result['error']}"
        seconds = sum(result["seconds"].values())
        self._seconds[run.key[:3]].append(seconds)
        return f"MRR {result['metrics']['both']['realistic']['MRR']:.3f}, {format_duration(seconds)}"

    def estimate(self) -> float | None:
        """Estimate the time left from runs that differ by their seeds only, or from all if there is none yet.

        :returns: The number of seconds, or ``None`` if nothing is finished.
        """
        if not self._seconds:
            return None
        means = {key: fmean(values) for key, values in self._seconds.items()}
        average = fmean(means.values())
        return sum(means.get(run.key[:3], average) for run in self.pending.values()) / self.num_workers

    def update(self) -> None:
        """Report what was finished since the last call."""
        lines = self._collect()
        num_finished = len(self.runs) - len(self.pending) - len(lines)
        left = self.estimate()
        for i, line in enumerate(lines, start=1):
            # the estimate is of the time after the last of them
            is_last = i == len(lines) and self.pending and left is not None
            estimate = f"; about {format_duration(left or 0.0)} left" if is_last else ""
            self.report(f"[{num_finished + i}/{len(self.runs)}] {line}{estimate}")
