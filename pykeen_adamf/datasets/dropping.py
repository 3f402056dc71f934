"""Datasets in which modalities are missing on purpose (cf. figure 3 of the AdaMF-MAT paper)."""

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from pykeen.datasets.base import Dataset
from pykeen.triples import CoreTriplesFactory

from ..features import ModalityFeatures
from ..features.modality import take_rows
from ..triples import MultimodalTriplesFactory
from ..typing import BoolTensor, LongTensor
from .derived import EagerMultimodalDataset

__all__ = ["DROPPING_ORDERS", "DroppingOrder", "count_triples", "drop_from_dataset", "drop_from_factory"]

#: Which entities lose a modality first: any, or those in the fewest triples.
DroppingOrder: TypeAlias = Literal["uniform", "degree"]

DROPPING_ORDERS: Final[tuple[DroppingOrder, ...]] = get_args(DroppingOrder)


def drop_from_dataset(
    dataset: Dataset, ratio: float, seed: int, by: DroppingOrder = "uniform", modalities: Iterable[str] | None = None
) -> EagerMultimodalDataset:
    """Drop a part of what there is of modalities, for training and evaluation alike.

    >>> from pykeen_adamf.datasets import EmojiKG
    >>> dataset = EmojiKG()
    >>> dataset.training.features["visual"].num_present
    1613
    >>> drop_from_dataset(dataset, ratio=0.25, seed=0).training.features["visual"].num_present
    1210

    Parameters and errors are those of :func:`drop_from_factory`; ``by="degree"`` counts *training* triples.

    :param dataset: The dataset; it is not changed.
    :returns: A dataset with the same triples, and the remaining features.
    :raises ValueError: also if the features of the dataset's factories differ
    """
    # before anything is downloaded
    check_dropping(ratio, by)
    modalities = None if modalities is None else list(modalities)
    training = _check_features(dataset.training, "The training factory")
    dropped = drop_from_factory(training, ratio, seed, by, modalities)
    others: dict[str, MultimodalTriplesFactory] = {}
    for name, factory in (("testing", dataset.testing), ("validation", dataset.validation)):
        if factory is not None:
            factory = _check_features(factory, f"The {name} factory")
            if factory.features != training.features:
                raise ValueError(f"The features of the training and the {name} factory differ. Use the same for both.")
            others[name] = MultimodalTriplesFactory.from_triples_factory(factory, features=dropped.features)
    metadata = dict(dataset.metadata or {})
    dropping: dict[str, Any] = {
        "base": metadata.pop("name", None) or dataset.get_normalized_name(),
        "ratio": ratio,
        "seed": seed,
        "by": by,
        "modalities": list(training.features) if modalities is None else modalities,
    }
    metadata["dropping"] = dropping
    return EagerMultimodalDataset(training=dropped, **others, metadata=metadata)


def drop_from_factory(
    factory: CoreTriplesFactory,
    ratio: float,
    seed: int,
    by: DroppingOrder = "uniform",
    modalities: Iterable[str] | None = None,
) -> MultimodalTriplesFactory:
    """Drop a part of what there is of modalities.

    With the same seed, whatever is missing at a ratio is missing at any larger one, too.

    :param factory: The factory; it is not changed.
    :param ratio: Which part of the present rows of each modality to drop, between 0 and 1.
    :param seed: The random seed.
    :param by: Which rows are dropped first: ``"uniform"`` for random ones, chosen for each modality on its own; or
        ``"degree"`` for those of entities in the fewest triples of the factory, with random ones among equals.
    :param modalities: The names of the modalities to drop from. Defaults to all.
    :returns: A factory with the same triples, and the remaining features.
    :raises ValueError: if the ratio is not between 0 and 1, the order or a modality is unknown, or there are no
        features
    """
    check_dropping(ratio, by)
    factory = _check_features(factory, "The factory")
    degrees = count_triples(factory) if by == "degree" else None
    features = dict(factory.features)
    selected = list(features if modalities is None else modalities)
    if unknown := [name for name in selected if name not in features]:
        raise ValueError(f"There are no modalities {unknown} to drop from. Choose from {list(features)}.")
    for name in selected:
        rows = choose_rows(factory.features[name].presence, ratio, derive_seed(seed, name), degrees)
        features[name] = drop_rows(factory.features[name], rows)
    return MultimodalTriplesFactory.from_triples_factory(factory, features=features)


def count_triples(factory: CoreTriplesFactory) -> LongTensor:
    """Count the triples of each entity, be it head or tail or both, shape: ``(num_entities,)``."""
    head, _, tail = factory.mapped_triples.unbind(dim=-1)
    others = tail[tail != head]
    return torch.bincount(torch.cat([head, others]), minlength=factory.num_entities)


def check_dropping(ratio: float, by: str) -> None:
    """Raise a ``ValueError`` unless the ratio is between 0 and 1, and the order one of :data:`DROPPING_ORDERS`."""
    if not 0 <= ratio <= 1:
        raise ValueError(f"The ratio of rows to drop must be between 0 and 1, but is {ratio}.")
    if by not in DROPPING_ORDERS:
        raise ValueError(f"Rows can be dropped by {' or '.join(map(repr, DROPPING_ORDERS))}, but not by {by!r}.")


def derive_seed(seed: int, name: str) -> int:
    """Derive the random seed of a modality from nothing but that of the experiment and its name."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    # torch takes signed integers of 64 bits
    return int.from_bytes(digest[:8], "big") >> 1


def choose_rows(presence: BoolTensor, ratio: float, seed: int, degrees: LongTensor | None = None) -> LongTensor:
    """Choose which of the present rows to drop.

    With the same seed, the rows of a smaller ratio are among those of a larger one.

    :param presence: shape: ``(num_entities,)``, which entities have the modality.
    :param ratio: Which part of the present rows to drop, between 0 and 1; their number is rounded as by :func:`round`.
    :param seed: The random seed.
    :param degrees: shape: ``(num_entities,)``, if given, rows of entities with a smaller degree are dropped first, and
        the seed only decides between equal ones.
    :returns: shape: ``(num_dropped,)``, the rows to drop, in that order.
    :raises ValueError: if the ratio is not between 0 and 1, or there is not one degree for each entity
    """
    check_dropping(ratio, DROPPING_ORDERS[0])
    order = torch.randperm(len(presence), generator=torch.Generator().manual_seed(seed))
    if degrees is not None:
        if degrees.shape != presence.shape:
            raise ValueError(
                f"There must be one degree for each of the {len(presence):,} entities, but the degrees have the shape "
                f"{tuple(degrees.shape)}."
            )
        order = order[degrees[order].argsort(stable=True)]
    order = order[presence[order]]
    return order[: round(ratio * len(order))]


def drop_rows(features: ModalityFeatures, rows: LongTensor) -> ModalityFeatures:
    """Let entities miss a modality.

    :param features: The features; they are not changed.
    :param rows: shape: ``(num_dropped,)``, the rows to drop.
    :returns: Features with the same labels, in which these rows are missing. They are no longer those of a file.
    """
    if not len(rows):
        return features
    presence = features.presence.clone()
    presence[rows] = False
    matrix = take_rows(features.matrix, torch.arange(features.num_entities), presence)
    return dataclasses.replace(features, matrix=matrix, presence=presence, path=None)


def _check_features(factory: CoreTriplesFactory, what: str) -> MultimodalTriplesFactory:
    """Check that there is something to drop from."""
    if not isinstance(factory, MultimodalTriplesFactory) or not factory.features:
        raise ValueError(
            f"{what} has no features to drop. Add some with MultimodalTriplesFactory.from_triples_factory."
        )
    return factory
