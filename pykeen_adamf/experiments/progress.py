"""How far runs are, and how long they will still take."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from .folder import RunFolder

__all__ = ["Progress", "describe_run", "format_duration"]


def format_duration(seconds: float) -> str:
    """Return a duration in words, rounded to what matters."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe_run(configuration: Mapping[str, Any]) -> str:
    """Return what a run is, in one line."""
    metadata, pipeline = configuration.get("metadata") or {}, configuration["pipeline"]
    points = [f"{name} {x}" for name, x in metadata.get("parameters", {}).items() if name not in {"mat", "model"}]
    name = metadata.get("variant") or metadata.get("title") or pipeline.get("model") or pipeline["interaction"]
    return ", ".join([name, *points, pipeline["dataset"], f"seed {pipeline['random_seed']}"])


class Progress:
    """Reports runs as soon as they have ended."""

    def __init__(self, folders: Sequence[RunFolder], num_at_a_time: int, report: Callable[[str], object]) -> None:
        """Initialize the progress, and report what has ended already.

        :param folders: The folders of all runs.
        :param num_at_a_time: How many of them run at a time.
        :param report: Called with each line.
        """
        self.report = report
        self.num_at_a_time = num_at_a_time
        self.num_runs = len(folders)
        self.pending = {folder.path: folder for folder in folders}
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
        means = {key: fmean(values) for key, values in self._seconds.items()}
        average = fmean(means.values())
        return sum(means.get(_get_point(x), average) for x in self.pending.values()) / self.num_at_a_time

    def update(self, path: Path) -> None:
        """Report a run that has ended.

        :param path: Its folder.
        """
        line, left = self._summarize(self.pending[path]), self.estimate()
        estimate = f"; about {format_duration(left)} left" if self.pending and left is not None else ""
        self.report(f"[{self.num_runs - len(self.pending)}/{self.num_runs}] {line}{estimate}")

    def _summarize(self, folder: RunFolder) -> str:
        del self.pending[folder.path]
        name, result = describe_run(folder.read_configuration()), folder.read_result()
        if result is None:
            return f"{name}: failed: {folder.read_error()}"
        seconds = sum(result["seconds"].values())
        self._seconds[_get_point(folder)].append(seconds)
        return f"{name}: MRR {result['metrics']['both']['realistic']['MRR']:.3f}, {format_duration(seconds)}"


def _get_point(folder: RunFolder) -> str:
    """Return what runs have in common that differ by their seeds only."""
    configuration = folder.read_configuration()
    metadata = {name: configuration["metadata"].get(name) for name in ("variant", "parameters")}
    return json.dumps([configuration["pipeline"]["dataset"], metadata], sort_keys=True)
