"""The data of runs: loading, dropping, and describing them."""

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from pykeen.datasets import Dataset, dataset_resolver, get_dataset
from pykeen.triples import CoreTriplesFactory

from ..datasets.dropping import drop_from_dataset
from ..features.dropping import DroppingOrder
from ..suggestions import suggest
from ..training.configuration import describe_triples
from ..triples import MultimodalTriplesFactory

__all__ = [
    "Data",
    "DataOptions",
    "describe_data",
    "digest_data",
    "get_modalities",
    "load_data",
    "load_dataset",
    "name_dataset",
    "sample",
]

#: The random seed of the choice of test triples, the same for all runs, such that they can be compared one by one.
SAMPLE_SEED = 0


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """The section ``data`` of a configuration: what is done to the dataset."""

    #: which share of the features is dropped, and which first, cf. :mod:`pykeen_adamf.datasets.dropping`
    missing_ratio: float = 0.0
    missing_by: DroppingOrder = "uniform"

    #: how many random test triples are ranked; ``None`` for all
    test_triples: int | None = None


class Data(NamedTuple):
    """What a run is trained on, and which test triples are ranked; the digest is as before anything was dropped."""

    dataset: Dataset
    testing: CoreTriplesFactory
    digest: str


def load_data(configuration: Mapping[str, Any]) -> Data:
    """Load the data of a run by its configuration.

    :raises ValueError: if there is no such dataset, or files are not what they should be
    """
    options, pipeline = DataOptions(**configuration.get("data") or {}), configuration["pipeline"]
    dataset = load_dataset(pipeline["dataset"], pipeline.get("dataset_kwargs") or {})
    digest = digest_data(dataset)
    if options.missing_ratio:
        # with the same seed, what is dropped at a ratio is also dropped at higher ones
        dataset = drop_from_dataset(dataset, options.missing_ratio, pipeline["random_seed"], options.missing_by)
    return Data(dataset, sample(dataset.testing, options.test_triples), digest)


def name_dataset(name: str) -> str:
    """Return the name of a benchmark, or of a dataset's class, for any spelling that PyKEEN knows.

    :raises ValueError: if there is no such dataset
    """
    try:
        cls = dataset_resolver.lookup(name)
    except (KeyError, ValueError) as error:
        hint = suggest(dataset_resolver.normalize(name), dataset_resolver.lookup_dict)
        raise ValueError(f"There is no dataset {name!r}.{hint} `pykeen ls datasets` lists them all.") from error
    return getattr(cls, "benchmark_name", cls.__name__)


def load_dataset(name: str, dataset_kwargs: Mapping[str, Any]) -> Dataset:
    """Load a dataset by its name and keyword-based parameters.

    :raises ValueError: if there is no such dataset, or it has no such parameters
    """
    cls = dataset_resolver.lookup(name_dataset(name))
    known = inspect.signature(cls).parameters
    unknown = sorted(set(dataset_kwargs).difference(known))
    if unknown:
        hint = suggest(unknown[0], known)
        raise ValueError(f"{name} has no parameter {unknown[0]!r}: leave it out, or choose another dataset.{hint}")
    return get_dataset(dataset=name, dataset_kwargs=dataset_kwargs)


def get_modalities(dataset: Dataset) -> list[str]:
    """Return the names of a dataset's modalities, without the structural one."""
    training = dataset.training
    return list(training.features) if isinstance(training, MultimodalTriplesFactory) else []


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
    return describe_triples(bare)["training triples"]


def digest_data(dataset: Dataset) -> str:
    """Return a digest of everything in a dataset: triples, labels, and features."""
    others = [_digest_triples(factory) for factory in (dataset.testing, dataset.validation)]
    content = json.dumps([describe_triples(dataset.training), *others], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def describe_data(dataset: Dataset, testing: CoreTriplesFactory) -> dict[str, Any]:
    """Describe what a model was trained on, and evaluated with: some or all of the dataset's test triples.

    :returns: Digests of triples and features, the numbers of triples, and how many entities have which modalities.
    """
    training = dataset.training
    digests = describe_triples(training)
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
