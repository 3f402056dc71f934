"""The runs of an experiment, by what is averaged over random seeds."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from ....features.dropping import DroppingOrder
from ...folder import RunFolder
from ..experiments import EXPERIMENTS, get_dropping_order

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
    """Read the runs of an experiment, with those that were made by hand.

    :param directory: The directory of the experiment, with the folders of runs in ``runs/``.
    :returns: The runs.
    :raises ValueError: if there is none, or a file of one is not readable
    """
    groups: dict[tuple[str, str, str], list[RunFolder]] = {}
    experiment = None
    for path in sorted((directory / "runs").glob("*/configuration.json")):
        folder = RunFolder(path.parent)
        configuration = folder.read_configuration()
        metadata = configuration.get("metadata") or {}
        experiment = experiment or metadata.get("experiment")
        dataset = configuration["pipeline"].get("dataset") or metadata.get("dataset") or "own graph"
        variant = metadata.get("variant") or metadata.get("title") or folder.path.name
        parameters = json.dumps(metadata.get("parameters") or {}, sort_keys=True)
        groups.setdefault((dataset, variant, parameters), []).append(folder)
    if not groups:
        raise ValueError(f"{directory} has no runs. Run the experiment there first.")
    order = [
        (variant.name, json.dumps(dict(variant.parameters), sort_keys=True))
        for variant in EXPERIMENTS.get(experiment or "", ())
    ]
    datasets = list(dict.fromkeys(dataset for dataset, *_ in groups))

    def place(key: tuple[str, str, str]) -> tuple[int, int]:
        return datasets.index(key[0]), order.index(key[1:]) if key[1:] in order else len(order)

    return Experiment(experiment or "runs", [_read_point(key, groups[key]) for key in sorted(groups, key=place)])


def _read_point(key: tuple[str, str, str], folders: Sequence[RunFolder]) -> Point:
    """Read the runs of one point."""
    results: dict[int, Mapping[str, Any]] = {}
    failures, missing, rank_paths = {}, [], {}
    configurations = {
        x["pipeline"].get("random_seed", 0): (x, folder) for folder in folders for x in [folder.read_configuration()]
    }
    for seed, (_, folder) in sorted(configurations.items()):
        result, error = folder.read_result(), folder.read_error()
        if result is not None:
            _check(folder.result, result)
            results[seed], rank_paths[seed] = result, folder.ranks
        elif error is not None:
            failures[seed] = error
        else:
            missing.append(seed)
    dataset, variant, _ = key
    first = configurations[min(configurations)][0]
    return Point(
        dataset=dataset,
        variant=variant,
        # in the order in which they are told
        parameters=(first.get("metadata") or {}).get("parameters") or {},
        pipeline=first["pipeline"],
        results=results,
        failures=failures,
        missing=missing,
        rank_paths=rank_paths,
    )


def _check(path: Path, result: Mapping[str, Any]) -> None:
    """Check that a result has what a report needs."""
    names = ("configuration", "data", "environment", "metrics", "seconds")
    wrong = [name for name in names if not isinstance(result.get(name), Mapping)]
    wrong += [name for name in ("modality_weights", "num_parameters") if name not in result]
    if wrong:
        raise ValueError(f"{path} is not the result of a run: it has no {wrong[0]}. Remove it, and run it again.")
