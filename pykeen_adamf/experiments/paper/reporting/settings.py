"""What runs were trained on and with which budget, and how that differs from the paper, and between them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from ....datasets.published import BENCHMARKS
from ....features.dropping import DroppingOrder
from .blocks import Table
from .options import BUDGET, NOT_STATED, TUNED, collect, describe_options, get_values
from .points import Point

__all__ = ["describe_differences", "describe_settings"]

#: What is dropped first.
DROPPED: Final[Mapping[DroppingOrder, str]] = {
    "uniform": "random ones, by seed",
    "degree": "those of the entities in the fewest training triples first",
}


def describe_settings(points: Sequence[Point]) -> Table:
    """Describe the data and the budget of the runs on one dataset beside those of the paper.

    :param points: The points of the dataset that have results.
    :returns: A table.
    """
    dataset = points[0].dataset
    data = _first_data(points)
    benchmark = BENCHMARKS.get(dataset)
    counts = data["counts"]
    rows = [
        *_describe_features(data, dataset, _collect_files(points)),
        ("entities without any modality", _count_none(data, counts), NOT_STATED),
        (
            "triples for training, validation, test",
            f"{counts['training']:,}, {counts['validation']:,}, {counts['testing']:,}",
            "the published split" if benchmark else "another dataset",
        ),
        ("validation triples", _describe_validation(data), "the published ones" if benchmark else "another dataset"),
        ("ranked test triples", _count_ranked(points), "all"),
        *((name, values, paper) for name, paper in (BUDGET | TUNED).items() if (values := collect(name, points))),
        *describe_options(points),
        ("random seeds", _describe_seeds(points), NOT_STATED),
    ]
    return Table(["", "here", "in the paper"], rows)


def describe_differences(points: Sequence[Point]) -> list[str]:
    """Say what is missing on purpose, and what runs do not have in common although they should.

    :param points: The points of one dataset that have results.
    :returns: Paragraphs.
    """
    return [*_describe_dropping(points), *_compare_data(points), *_compare_budgets(points), *_compare_machines(points)]


def _describe_dropping(points: Sequence[Point]) -> list[str]:
    """Say what is dropped."""
    # without anything dropped, there is no order
    orders = {point.missing_by for point in points if point.missing_ratio}
    if not any("missing_ratio" in point.parameters for point in points):
        return []
    by = f": {' or '.join(DROPPED[order] for order in sorted(orders))}" if orders else ""
    return [
        "The missing ratio is the part of the existing features of each modality that is dropped, for training and "
        f"evaluation alike{by}. What is missing of the dataset itself comes on top."
    ]


def _compare_data(points: Sequence[Point]) -> list[str]:
    """Say whether runs are on different data."""
    different = []
    for name in ("training", "validation", "testing", "labels", "features"):
        # of what is dropped, features are different on purpose
        compared = [point for point in points if not (point.missing_ratio and name == "features")]
        if len({json.dumps(result["data"][name], sort_keys=True) for result in _get_results(compared)}) > 1:
            different.append(name)
    if len({result["data"]["counts"]["evaluated"] for result in _get_results(points)}) > 1:
        different.append("the number of ranked test triples")
    if not different:
        return []
    return [
        f"**The runs are not on the same data: they differ in {_enumerate(different)}.** Compare only rows that "
        "have these in common; the files of the runs have digests."
    ]


def _compare_budgets(points: Sequence[Point]) -> list[str]:
    """Say whether runs have different budgets."""
    names = [name for name in BUDGET if len(get_values(name, points)) > 1]
    if not names:
        return []
    names = ["number of negatives" if name == "negatives" else name for name in names]
    return [
        f"**The runs do not have the same budget: they differ in {_enumerate(names)}.** Compare only rows that have "
        "these in common."
    ]


def _compare_machines(points: Sequence[Point]) -> list[str]:
    """Say whether runs were made with different versions, or on different devices."""
    environments = [result["environment"] for result in _get_results(points)]
    values = {
        name: sorted({str(environment.get(name, "unknown")) for environment in environments})
        for name in ("pykeen-adamf", "pykeen", "torch", "device")
    }
    different = {name: f"{' and '.join(found)}" for name, found in values.items() if len(found) > 1}
    devices = different.pop("device", None)
    text = []
    if different:
        versions = _enumerate([f"{name} ({found})" for name, found in different.items()])
        text += [f"**The runs were made with different versions of {versions}.** What differs may be due to these."]
    if devices is not None:
        text += [
            f"**The runs were made on different devices: {devices}.** On another device, the same seed makes other "
            "random numbers; times cannot be compared at all."
        ]
    return text


def _get_results(points: Iterable[Point]) -> list[Mapping[str, Any]]:
    """Return the results of all finished runs."""
    return [result for point in points for result in point.results.values()]


def _enumerate(names: Sequence[str]) -> str:
    """Return a list as text."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count_ranked(points: Sequence[Point]) -> str:
    """Say how many test triples are ranked."""
    counts = {result["data"]["counts"]["evaluated"] for point in points for result in point.results.values()}
    return " or ".join(f"{count:,}" for count in sorted(counts))


def _first_data(points: Sequence[Point]) -> Mapping[str, Any]:
    """Return the description of the data with as few missing as there are."""
    data: Mapping[str, Any] = next(iter(min(points, key=lambda point: point.missing_ratio).results.values()))["data"]
    return data


def _collect_files(points: Sequence[Point]) -> dict[str, str]:
    """Collect the names of the files with features, as far as any were given."""
    files: dict[str, set[str]] = {}
    for configuration in (x for point in points for x in point.configurations):
        kwargs = configuration["pipeline"].get("dataset_kwargs") or {}
        for name, path in (kwargs.get("features") or {}).items():
            # the directories differ from machine to machine
            files.setdefault(name, set()).add(PurePath(path).name if path else "none")
    return {name: " or ".join(sorted(paths)) for name, paths in files.items()}


def _describe_features(data: Mapping[str, Any], dataset: str, files: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Describe each modality."""
    benchmark = BENCHMARKS.get(dataset)
    num_entities = data["counts"]["entities"]
    rows = []
    for name, features in data["features"].items():
        published = benchmark.features.get(name) if benchmark else None
        here = (
            f"{features['dim']} dimensions, {features['num_present']:,} of {num_entities:,} entities, "
            f"digest {features['digest'][:12]}"
        )
        if name in files:
            here = f"file {files[name]}, {here}"
        if not features["num_present"]:
            here = "missing for every entity"
        elif published and published.dim == features["dim"]:
            here += " (the published dimension; whether these are the published features is not recorded)"
        elif published:
            here += " (not the published features)"
        paper = f"{published.dim} dimensions" if published else "no such features"
        rows.append((f"{name} features", here, paper))
    for name, published in benchmark.features.items() if benchmark else ():
        if name not in data["features"]:
            rows.append((f"{name} features", "none", f"{published.dim} dimensions"))
    return rows


def _count_none(data: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """Say how many entities have no modality."""
    coverage = data["coverage"]
    return f"{coverage['num_none'] if coverage else counts['entities']:,} of {counts['entities']:,}"


def _describe_validation(data: Mapping[str, Any]) -> str:
    """Describe where the validation triples are from."""
    splits = {"published": "the published ones", "holdout": "carved out of the training triples"}
    return splits.get(data["validation_split"], "those of the dataset")


def _describe_seeds(points: Sequence[Point]) -> str:
    """Say how many seeds there are."""
    counts = sorted({len(point.results) for point in points})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
