"""The runs of an experiment, by what is averaged over random seeds."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from ....features.dropping import DroppingOrder
from ..experiments import EXPERIMENTS, get_dropping_order
from ..record import FILE_NAME, read_experiment
from ..running import RunFiles, read_result

__all__ = ["Experiment", "Point", "read_points"]


@dataclasses.dataclass(frozen=True, eq=False)
class Point:
    """A row of a table or a point of a figure: the runs that only differ by their random seed."""

    dataset: str
    variant: str
    parameters: Mapping[str, Any]

    #: what the runs are configured with, cf. :func:`pykeen.pipeline.pipeline_from_config`; the first seed's
    pipeline: Mapping[str, Any]

    #: the contents of the files of finished runs by seed
    results: Mapping[int, Mapping[str, Any]]

    #: the messages of failed runs by seed
    failures: Mapping[int, str]

    #: the seeds of runs that are asked for, but neither finished nor failed
    missing: Sequence[int]

    #: the paths of the ranks of finished runs by seed
    rank_paths: Mapping[int, Path]

    @property
    def num_runs(self) -> int:
        """Return the number of runs that are asked for."""
        return len(self.results) + len(self.failures) + len(self.missing)

    @property
    def configurations(self) -> list[Mapping[str, Any]]:
        """Return what the finished runs were configured with, each with its ``pipeline`` and its ``metadata``."""
        return [result["configuration"] for result in self.results.values()]

    @property
    def missing_ratio(self) -> float:
        """Return which share of the existing features is dropped."""
        return float(self.parameters.get("missing_ratio", 0.0))

    @property
    def missing_by(self) -> DroppingOrder:
        """Return which of them are dropped first."""
        return get_dropping_order(self.parameters)

    @property
    def place(self) -> str:
        """Return where on the axis of a figure the point is, if there is one."""
        names = {"missing_ratio": "missing ratio", "missing_by": "dropped by", "num_groups": "L ="}
        # the variant says the others
        parts = [f"{names.get(x, x)} {value}" for x, value in self.parameters.items() if x not in {"mat", "model"}]
        return ", ".join(parts)

    @property
    def label(self) -> str:
        """Return what tells the point from others of the same dataset."""
        return f"{self.variant}, {self.place}" if self.place else self.variant

    def get(self, metric: str) -> list[float]:
        """Return a metric of both sides in percent, by seed."""
        return [100 * float(result["metrics"]["both"]["realistic"][metric]) for result in self.results.values()]

    def summarize(self, metric: str) -> tuple[float, float | None]:
        """Return the mean of a metric in percent, and its standard deviation if there are several seeds."""
        values = self.get(metric)
        return float(numpy.mean(values)), float(numpy.std(values, ddof=1)) if len(values) > 1 else None


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What was asked for, and what of it there is."""

    name: str

    #: in the order of the paper
    points: Sequence[Point]

    @property
    def datasets(self) -> list[str]:
        """Return the names of the datasets."""
        return list(dict.fromkeys(point.dataset for point in self.points))

    @property
    def progress(self) -> list[tuple[str, str, list[int], list[int], list[int]]]:
        """Return the seeds that are finished, have failed, and are missing, for each point."""
        return [
            (point.dataset, point.label, list(point.results), list(point.failures), list(point.missing))
            for point in self.points
        ]

    def on(self, dataset: str) -> list[Point]:
        """Return the points of a dataset that have results."""
        return [point for point in self.points if point.dataset == dataset and point.results]


def read_points(directory: Path) -> Experiment:
    """Read the runs of an experiment.

    :param directory: The directory of the experiment.
    :returns: The runs.
    :raises ValueError: if there is no experiment, or a file in it is not readable
    """
    content = read_experiment(directory)
    if content is None:
        raise ValueError(f"{directory} has no {FILE_NAME}. Run the experiment there first.")
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for entry in content["runs"]:
        key = entry["dataset"], entry["variant"], json.dumps(entry["parameters"], sort_keys=True)
        groups.setdefault(key, []).append(entry)
    order = [
        (variant.name, json.dumps(dict(variant.parameters), sort_keys=True))
        for variant in EXPERIMENTS.get(content["experiment"], ())
    ]
    datasets = list(dict.fromkeys(entry["dataset"] for entry in content["runs"]))

    def place(key: tuple[str, str, str]) -> tuple[int, int]:
        return datasets.index(key[0]), order.index(key[1:]) if key[1:] in order else len(order)

    return Experiment(content["experiment"], [_read_point(directory, groups[key]) for key in sorted(groups, key=place)])


def _read_point(directory: Path, entries: Sequence[Mapping[str, Any]]) -> Point:
    """Read the runs of one point."""
    results: dict[int, Mapping[str, Any]] = {}
    failures, missing, rank_paths = {}, [], {}
    for entry in sorted(entries, key=lambda entry: int(entry["seed"])):
        files, seed = RunFiles(directory, entry["id"]), int(entry["seed"])
        result = read_result(files.result)
        if result is None:
            missing.append(seed)
            continue
        _check(files.result, result)
        if result["error"] is not None:
            failures[seed] = str(result["error"])
        else:
            results[seed], rank_paths[seed] = result, files.ranks
    first = entries[0]
    return Point(
        dataset=first["dataset"],
        variant=first["variant"],
        parameters=first["parameters"],
        pipeline=first["configuration"]["pipeline"],
        results=results,
        failures=failures,
        missing=missing,
        rank_paths=rank_paths,
    )


def _check(path: Path, result: Mapping[str, Any]) -> None:
    """Check that a result has what a report needs."""
    wrong = [] if "error" in result else ["error"]
    if not wrong and result["error"] is None:
        names = ("configuration", "data", "environment", "metrics", "seconds")
        wrong = [name for name in names if not isinstance(result.get(name), Mapping)]
        wrong += [name for name in ("modality_weights", "num_parameters") if name not in result]
    if wrong:
        raise ValueError(f"{path} is not the result of a run: it has no {wrong[0]}. Remove it, and run it again.")
