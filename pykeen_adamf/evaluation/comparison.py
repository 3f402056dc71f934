"""Paired comparisons of two models on the same test triples, and on groups of them."""

from collections.abc import Collection, Sequence
from typing import Final

import numpy
import pandas

from ..typing import NumpyArray
from .bootstrap import DEFAULT_RESAMPLES, bootstrap_means
from .ranks import METRICS, RankFileError, Ranks, rank_metrics

__all__ = ["COVERAGE_CLASSES", "classify_coverage", "compare_ranks"]

#: What there is of the modalities of head and tail: all of both; not all, but some of each; or nothing of at least one.
COVERAGE_CLASSES: Final = ("all", "some", "none")


def compare_ranks(
    first: Sequence[Ranks],
    second: Sequence[Ranks],
    *,
    groups: NumpyArray | None = None,
    metrics: Collection[str] = METRICS,
    num_resamples: int = DEFAULT_RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> pandas.DataFrame:
    """Compare two models on the same test triples, with a paired bootstrap.

    What is resampled are triples, with the ranks of both their head and their tail, after the average over random seeds
    of each model. Hence, the intervals are about other test triples of the same kind, with the trained models as they
    are, and not about further random seeds.

    :param first: The ranks by the first model, by random seed.
    :param second: The ranks by the second model, by random seed; their number may differ.
    :param groups: shape: ``(num_triples,)`` or ``(num_seeds, num_triples)``
        If given, compare on each group of triples on its own, in the order of ``first[0].triples``. If a triple is in
        different groups with different random seeds, it counts in each of them, with the seeds for which it is there;
        this needs the same seeds of both models.
    :param metrics: The metrics, cf. :func:`rank_metrics`.
    :param num_resamples: >0, the number of resamples.
    :param confidence: The level of confidence.
    :param seed: The random seed.
    :returns: One row for each group, in the order of their names, and metric, with the columns ``group`` (if there are
        any), ``metric``, ``num_triples``, ``first``, ``second``, their ``difference``, ``low`` and ``high`` as bounds
        of its confidence interval, and ``p_value``, two-sided.
    :raises RankFileError: if a model has no ranks, or they are of other triples
    :raises ValueError: if there is not one group for each triple, or a parameter is out of range
    """
    if not first or not second:
        raise RankFileError("There are no ranks of one of the models to compare. Finish its runs first.")
    if any(not numpy.array_equal(x.triples, first[0].triples) for x in (*first, *second)):
        raise RankFileError("The ranks are of different triples. Compare models on the same ones.")
    num = first[0].num_triples
    if groups is not None and groups.shape != (num,) and not groups.shape == (len(first), num) == (len(second), num):
        raise ValueError(
            f"There must be one group for each of {num:,} triples, or for each of the seeds of both models and each "
            f"triple, but the shape is {groups.shape}, with {sorted({len(first), len(second)})} seeds."
        )
    # of each model, shape: (num_seeds, num_triples, num_metrics)
    values = [numpy.stack([rank_metrics(x, metrics) for x in ranks]) for ranks in (first, second)]
    found = numpy.zeros(num) if groups is None else groups
    frames = []
    for name in numpy.unique(found).tolist():
        members = numpy.atleast_2d(found == name)
        chosen = members.any(axis=0)
        # over the random seeds with which a triple is a member
        one, other = (x[:, chosen].mean(axis=0, where=members[:, chosen, None]) for x in values)
        interval = bootstrap_means(one - other, num_resamples=num_resamples, confidence=confidence, seed=seed)
        columns = {"first": one.mean(axis=0), "second": other.mean(axis=0), "difference": interval.mean}
        columns |= {"low": interval.low, "high": interval.high, "p_value": interval.p_value}
        frames.append(
            pandas.DataFrame({"group": name, "metric": list(metrics), "num_triples": int(chosen.sum()), **columns})
        )
    frame = pandas.concat(frames, ignore_index=True)
    return frame.drop(columns="group") if groups is None else frame


def classify_coverage(triples: NumpyArray, presence: NumpyArray) -> NumpyArray:
    """Classify triples by the modalities that their entities have.

    :param triples: shape: ``(num_triples, 3)``, the IDs of the triples.
    :param presence: shape: ``(num_entities, num_modalities)``, which entities have which modalities.
    :returns: shape: ``(num_triples,)``, one of :data:`COVERAGE_CLASSES` for each triple: ``"all"`` if both entities
        have all modalities, ``"none"`` if at least one has no modality, otherwise ``"some"``.
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
    count = presence.sum(axis=1)[entities]
    nothing, everything = (count == 0).any(axis=1), (count == presence.shape[1]).all(axis=1)
    return numpy.select([nothing, everything], ["none", "all"], "some")
