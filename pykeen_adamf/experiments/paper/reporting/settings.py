"""What runs were configured with and trained on, and how that differs from the paper."""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from ....datasets.published import BENCHMARKS
from ....features.dropping import DroppingOrder
from ..published import PAPER_EMBEDDING_DIM
from .markdown import format_table
from .points import Point

__all__ = ["describe_differences", "describe_settings", "format_configurations"]

#: What is not recorded anywhere is not said to be the same.
NOT_STATED: Final = "not stated"

#: What is dropped first.
DROPPED: Final[Mapping[DroppingOrder, str]] = {
    "uniform": "random ones, by seed",
    "degree": "those of the entities in the fewest training triples first",
}


def describe_settings(points: Sequence[Point]) -> str:
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
        ("epochs", _collect(points, "training_kwargs", "num_epochs"), NOT_STATED),
        ("embedding dimension", _collect(points, "model_kwargs", "embedding_dim"), f"{PAPER_EMBEDDING_DIM}"),
        ("batch size", _collect(points, "training_kwargs", "batch_size"), "1024"),
        ("negatives", _collect(points, "negative_sampler_kwargs", "num_negs_per_pos"), "one of 32, 64, 128"),
        ("random seeds", _describe_seeds(points), NOT_STATED),
    ]
    return format_table(["", "here", "in the paper"], rows)


def describe_differences(points: Sequence[Point]) -> list[str]:
    """Say what is missing on purpose, and what runs do not have in common although they should.

    :param points: The points of one dataset that have results.
    :returns: Paragraphs.
    """
    text = []
    orders = {point.missing_by for point in points if "missing_ratio" in point.parameters}
    if orders:
        text += [
            "The missing ratio is the part of the existing features of each modality that is dropped, for training and "
            f"evaluation alike: {' or '.join(DROPPED[order] for order in sorted(orders))}. What is missing of the "
            "dataset itself comes on top."
        ]
    names = ["training", "validation", "testing", "labels", "features"]
    different = [
        name
        for name in names
        if len(
            {
                json.dumps(result["data"][name], sort_keys=True)
                for point in points
                # here, features are different on purpose
                if not (point.missing_ratio and name == "features")
                for result in point.results.values()
            }
        )
        > 1
    ]
    if different:
        text += [
            f"**The runs are not on the same data: they differ in {', '.join(different)}.** Compare only rows that "
            "have these in common; the files of the runs have digests."
        ]
    return text


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
    for point in points:
        kwargs = point.pipeline.get("dataset_kwargs", {})
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


def _collect(points: Sequence[Point], group: str, name: str) -> str:
    """Collect the values of an option of all configurations."""
    values = {_get(point.pipeline, group, name) for point in points}
    return ", ".join(sorted(values, key=lambda value: (len(value), value)))


def _get(pipeline: Mapping[str, Any], group: str, name: str) -> str:
    """Return an option of a configuration as text."""
    return str(pipeline.get(group, {}).get(name, "default"))


def _describe_seeds(points: Sequence[Point]) -> str:
    """Say how many seeds there are."""
    counts = sorted({len(point.results) for point in points})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def format_configurations(points: Sequence[Point]) -> str:
    """Format the options by which models differ; the files of the runs have all of them.

    :param points: The points of one dataset that have results.
    :returns: A table.
    """
    columns = {
        "epochs": ("training_kwargs", "num_epochs"),
        "dimension": ("model_kwargs", "embedding_dim"),
        "batch size": ("training_kwargs", "batch_size"),
        "negatives": ("negative_sampler_kwargs", "num_negs_per_pos"),
        "learning rate": ("optimizer_kwargs", "lr"),
        "margin": ("loss_kwargs", "margin"),
        "temperature": ("loss_kwargs", "adversarial_temperature"),
    }
    rows = [
        [
            point.variant,
            f"{point.pipeline.get('model')}, {point.pipeline.get('training_loop', 'sLCWA')}",
            *(_get(point.pipeline, *place) for place in columns.values()),
            f"{next(iter(point.results.values()))['num_parameters']:,}",
        ]
        for point in points
    ]
    # the points of a line are configured alike
    distinct = list(dict.fromkeys(map(tuple, rows)))
    return format_table(["", "model, training loop", *columns, "parameters"], distinct)
