"""The data of runs: loading, dropping, and describing them."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import torch
from pykeen.datasets import Dataset
from pykeen.triples import CoreTriplesFactory

from ..datasets.dropping import drop_from_dataset
from ..datasets.lookup import load_dataset
from ..training.configuration import describe_triples
from ..triples import MultimodalTriplesFactory

__all__ = ["OPTIONS", "Data", "describe_data", "digest_data", "load_data", "sample"]

#: The random seed of the choice of test triples, the same for all runs, such that they can be compared one by one.
SAMPLE_SEED = 0

#: The section ``data`` of a configuration, by default: which share of the features is dropped, and which first, cf.
#: :mod:`pykeen_adamf.datasets.dropping`; and how many random test triples are ranked, ``None`` for all.
OPTIONS: Final[Mapping[str, Any]] = {"missing_ratio": 0.0, "missing_by": "uniform", "test_triples": None}


class Data(NamedTuple):
    """What a run is trained on, and which test triples are ranked; the digest is as before anything was dropped."""

    dataset: Dataset
    testing: CoreTriplesFactory
    digest: str


def load_data(configuration: Mapping[str, Any], *, progress: bool = True) -> Data:
    """Load the data of a run by its configuration; progress bars may be shown where something is encoded.

    :raises ValueError: if there is no such dataset, or files are not what they should be
    """
    options, pipeline = {**OPTIONS, **(configuration.get("data") or {})}, configuration["pipeline"]
    if unknown := sorted(options.keys() - OPTIONS.keys()):
        raise ValueError(f"The section 'data' has no option {unknown[0]!r}. Choose from {', '.join(OPTIONS)}.")
    dataset = load_dataset(pipeline["dataset"], pipeline.get("dataset_kwargs") or {}, progress=progress)
    digest = digest_data(dataset)
    if options["missing_ratio"]:
        # with the same seed, what is dropped at a ratio is also dropped at higher ones
        dataset = drop_from_dataset(dataset, options["missing_ratio"], pipeline["random_seed"], options["missing_by"])
    return Data(dataset, sample(dataset.testing, options["test_triples"]), digest)


def sample(factory: CoreTriplesFactory, num: int | None) -> CoreTriplesFactory:
    """Return a factory with that many random triples, the same ones each time, or for ``None`` with all."""
    if num is None or num >= factory.num_triples:
        return factory
    indices = torch.randperm(factory.num_triples, generator=torch.Generator().manual_seed(SAMPLE_SEED))[:num]
    return factory.clone_and_exchange_triples(factory.mapped_triples[indices])


def _digest_triples(factory: CoreTriplesFactory | None) -> str | None:
    """Return a digest of triples alone: labels and features are those of the training triples."""
    if factory is None:
        return None
    bare = CoreTriplesFactory.clone_and_exchange_triples(factory, factory.mapped_triples)
    return describe_triples(bare, inverse=False)["training triples"]


def digest_data(dataset: Dataset) -> str:
    """Return a digest of everything in a dataset: triples, labels, and features; inverse triples are no data."""
    others = [_digest_triples(factory) for factory in (dataset.testing, dataset.validation)]
    content = json.dumps([describe_triples(dataset.training, inverse=False), *others], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def describe_data(dataset: Dataset, testing: CoreTriplesFactory) -> dict[str, Any]:
    """Describe what a model was trained on, and evaluated with: some or all of the dataset's test triples.

    :returns: Digests of triples and features, the numbers of triples, and how many entities have which modalities.
    """
    training = dataset.training
    digests = describe_triples(training, inverse=False)
    features, coverage = {}, None
    if isinstance(training, MultimodalTriplesFactory):
        features = {
            name: {"digest": digests[f"{name} features"], "dim": value.dim, "num_present": value.num_present}
            for name, value in training.features.items()
        }
        coverage = dataclasses.asdict(training.coverage())
        del coverage["num_entities"]
    parts = {"training": training, "validation": dataset.validation, "testing": dataset.testing, "evaluated": testing}
    return {
        "training": digests["training triples"],
        "testing": _digest_triples(dataset.testing),
        "validation": _digest_triples(dataset.validation),
        "labels": digests.get("labels of entities and relations"),
        "features": features,
        "counts": {
            "entities": training.num_entities,
            "relations": training.real_num_relations,
            **{name: 0 if factory is None else factory.num_triples for name, factory in parts.items()},
        },
        "coverage": coverage,
        "validation_split": getattr(dataset, "validation_split", None),
    }
