"""What the ranks alone do not say: labels of relations, and which entities have which modalities."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pykeen.datasets import Dataset

from ....datasets import DownloadError
from ....datasets.dropping import drop_from_dataset
from ....triples import MultimodalTriplesFactory
from ....typing import NumpyArray
from ...data import describe_data, load_dataset
from .points import Point

__all__ = ["DatasetMismatchError", "get_presence", "get_relation_labels", "load_for"]


class DatasetMismatchError(ValueError):
    """Raised if a dataset is not, or no longer, the one that models were trained on."""


def load_for(points: Sequence[Point], dataset_kwargs: Mapping[str, Any] | None = None) -> Dataset:
    """Load the dataset of runs, as it is before anything is dropped.

    The machines that share an experiment may have its files in different places.

    :param points: The runs on one dataset.
    :param dataset_kwargs: The dataset's keyword-based parameters to try first. After these, the ones that the runs were
        configured with are tried, until one makes the dataset of the runs.
    :returns: The dataset.
    :raises DatasetMismatchError: if its triples, labels or features are not those of the runs, with the last of these
    :raises DownloadError: if it cannot be downloaded, likewise
    :raises OSError: if its files cannot be read
    :raises ValueError: if its files are not as they should be
    """
    candidates = [dataset_kwargs] if dataset_kwargs else []
    for point in points:
        pipelines = [point.pipeline, *(configuration["pipeline"] for configuration in point.configurations)]
        candidates += [pipeline.get("dataset_kwargs") or {} for pipeline in pipelines]
    distinct = {json.dumps(candidate, sort_keys=True): candidate for candidate in candidates}
    problems = []
    for candidate in distinct.values():
        found = _load_if_same(points, candidate)
        if not isinstance(found, Exception):
            return found
        problems.append(found)
    raise problems[-1]


def _load_if_same(points: Sequence[Point], dataset_kwargs: Mapping[str, Any]) -> Dataset | Exception:
    """Load the dataset of runs, or return why it cannot be loaded with these parameters."""
    try:
        dataset = load_dataset(points[0].pipeline["dataset"], dataset_kwargs)
        _check(dataset, points)
    except (DownloadError, OSError, ValueError) as error:
        return error
    return dataset


def _check(dataset: Dataset, points: Sequence[Point]) -> None:
    """Check that a dataset is the one of runs."""
    here = describe_data(dataset, dataset.testing)
    for point in points:
        # what is dropped is found again in `get_presence`
        names = ["training", "testing", "labels", *([] if point.missing_ratio else ["features"])]
        for result in point.results.values():
            different = [name for name in names if result["data"][name] != here[name]]
            if different:
                raise DatasetMismatchError(f"The {different[0]} of {point.dataset} here are not those of the runs.")


def get_relation_labels(dataset: Dataset) -> Mapping[int, str]:
    """Return the labels of relations by ID."""
    return {i: label for label, i in dataset.relation_to_id.items()}


def get_presence(dataset: Dataset, point: Point, seed: int) -> NumpyArray | None:
    """Return which entities had which modalities in a run.

    :param dataset: The result of :func:`load_for`.
    :param point: The runs.
    :param seed: The random seed of one of them.
    :returns: shape: ``(num_entities, num_modalities)``
        Whether there were features, or ``None`` if there are no modalities.
    :raises DatasetMismatchError: if the features are not those of the run
    """
    if point.missing_ratio:
        dataset = drop_from_dataset(dataset, point.missing_ratio, seed, point.missing_by)
    training = dataset.training
    if not isinstance(training, MultimodalTriplesFactory) or not training.features:
        return None
    found = {name: (features.dim, features.num_present) for name, features in training.features.items()}
    recorded: Mapping[str, Any] = point.results[seed]["data"]["features"]
    if found != {name: (features["dim"], features["num_present"]) for name, features in recorded.items()}:
        raise DatasetMismatchError(f"The features of {point.dataset} here are not those of the runs.")
    columns = [features.presence for features in training.features.values()]
    presence: NumpyArray = torch.stack(columns, dim=-1).numpy()
    return presence
