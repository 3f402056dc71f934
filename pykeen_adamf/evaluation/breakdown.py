"""Classes of test triples."""

from typing import Final

import numpy

from ..typing import NumpyArray

__all__ = ["COVERAGE_CLASSES", "classify_coverage"]

#: What there is of the modalities of head and tail: all of both; not all, but some of each; or nothing of at least one.
COVERAGE_CLASSES: Final = ("all", "some", "none")


def classify_coverage(triples: NumpyArray, presence: NumpyArray) -> NumpyArray:
    """Classify triples by the modalities that their entities have.

    :param triples: shape: ``(num_triples, 3)``
        The IDs of the triples.
    :param presence: shape: ``(num_entities, num_modalities)``
        Which entities have which modalities.
    :returns: shape: ``(num_triples,)``
        One of :data:`COVERAGE_CLASSES` for each triple: ``"all"`` if both entities have all modalities, ``"none"``
        if at least one has no modality, otherwise ``"some"``.
    :raises ValueError: if there are no modalities, or a triple has an unknown entity
    """
    if presence.ndim != 2 or not presence.shape[1]:
        raise ValueError(
            f"There must be a column for each of at least one modality, but the shape is {presence.shape}."
        )
    entities = triples[:, [0, 2]]
    if len(entities) and (entities.min() < 0 or entities.max() >= len(presence)):
        raise ValueError(
            f"There are only {len(presence):,} entities, but triples have others. Are they of this dataset?"
        )
    per_entity = presence.sum(axis=1)[entities]
    result: NumpyArray = numpy.select(
        [(per_entity == 0).any(axis=1), (per_entity == presence.shape[1]).all(axis=1)], ["none", "all"], "some"
    )
    return result
