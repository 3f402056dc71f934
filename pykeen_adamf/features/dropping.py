"""Modalities that are dropped for experiments with missing ones: which rows, and the features without them."""

import dataclasses
import hashlib
from typing import Final, Literal, TypeAlias, get_args

import torch

from ..typing import BoolTensor, LongTensor
from .modality import ModalityFeatures, take_rows

__all__ = ["DROPPING_ORDERS", "DroppingOrder", "check_dropping", "choose_rows", "derive_seed", "drop_rows"]

#: Which entities lose a modality first: any, or those in the fewest triples.
DroppingOrder: TypeAlias = Literal["uniform", "degree"]

DROPPING_ORDERS: Final[tuple[DroppingOrder, ...]] = get_args(DroppingOrder)


def check_dropping(ratio: float, by: str) -> None:
    """Raise a ``ValueError`` unless the ratio is between 0 and 1, and the order one of :data:`DROPPING_ORDERS`."""
    if not 0 <= ratio <= 1:
        raise ValueError(f"The ratio of rows to drop must be between 0 and 1, but is {ratio}.")
    if by not in DROPPING_ORDERS:
        raise ValueError(f"Rows can be dropped by {' or '.join(map(repr, DROPPING_ORDERS))}, but not by {by!r}.")


def derive_seed(seed: int, name: str) -> int:
    """Derive a modality's own random seed, such that each modality is missing for other entities.

    It depends on nothing but the random seed of the experiment and the modality's name.
    """
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
