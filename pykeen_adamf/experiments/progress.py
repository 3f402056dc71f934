"""How far runs are, and how long they will still take."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from .engines import Engine
from .folder import RunFolder

__all__ = ["Progress", "format_duration"]


def format_duration(seconds: float) -> str:
    """Return a duration in words, rounded to what matters."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """Reports runs as soon as they have ended."""

    def __init__(self, folders: Sequence[RunFolder], engine: Engine, report: Callable[[str], object]) -> None:
        """Initialize the progress, and report what has ended already.

        :param folders: The folders of all runs.
        :param engine: What carries them out.
        :param report: Called with each line.
        """
        self.engine, self.report, self.num_runs = engine, report, len(folders)
        self.pending = {folder.path: folder for folder in folders}
        # of runs that differ by their seeds only
        self._seconds: dict[str, list[float]] = defaultdict(list)
        lines = [self._summarize(folder) for folder in folders if folder.has_ended]
        num_failed = sum(": failed: " in line for line in lines)
        failures = f" ({num_failed} of them failed; --retry runs those again)" if num_failed else ""
        runs = "1 run" if self.num_runs == 1 else f"{self.num_runs} runs"
        report(f"{runs}, of which {len(lines)} are finished{failures}")

    def estimate(self) -> float | None:
        """Return the seconds left, by runs that differ by their seeds only, or by all; ``None`` if none is finished."""
        if not self._seconds:
            return None
        means = {point: fmean(values) for point, values in self._seconds.items()}
        average = fmean(means.values())
        left = (means.get(_describe(folder), average) for folder in self.pending.values())
        return sum(left) / self.engine.num_at_a_time

    def update(self, path: Path) -> None:
        """Report a run that has ended, by its folder."""
        line, left = self._summarize(self.pending[path]), self.estimate()
        estimate = f"; about {format_duration(left)} left" if self.pending and left is not None else ""
        self.report(f"[{self.num_runs - len(self.pending)}/{self.num_runs}] {line}{estimate}")

    def _summarize(self, folder: RunFolder) -> str:
        del self.pending[folder.path]
        point, result = _describe(folder), folder.read_result()
        name = f"{point}, seed {folder.read_configuration()['pipeline']['random_seed']}"
        if result is None:
            return f"{name}: failed: {folder.read_error()}"
        seconds = sum(result["seconds"].values())
        self._seconds[point].append(seconds)
        return f"{name}: MRR {result['metrics']['both']['realistic']['MRR']:.3f}, {format_duration(seconds)}"


def _describe(folder: RunFolder) -> str:
    """Return what a run has in common with those that differ by their seeds only, in one line."""
    configuration = folder.read_configuration()
    metadata, pipeline = configuration.get("metadata") or {}, configuration["pipeline"]
    name = metadata.get("variant") or metadata.get("title") or pipeline.get("model") or pipeline["interaction"]
    points = [f"{key} {x}" for key, x in metadata.get("parameters", {}).items() if key not in {"mat", "model"}]
    return ", ".join([name, *points, pipeline["dataset"]])
