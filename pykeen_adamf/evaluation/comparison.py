"""Paired comparisons of two models on the same test triples, and on groups of them, with a bootstrap."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import numpy
import pandas

from ..typing import NumpyArray
from .ranks import METRICS, RankFileError, Ranks, rank_metrics

__all__ = ["COVERAGE_CLASSES", "DEFAULT_RESAMPLES", "Interval", "bootstrap_means", "classify_coverage", "compare_ranks"]

#: What there is of the modalities of head and tail: all of both; not all, but some of each; or nothing of at least one.
COVERAGE_CLASSES: Final = ("all", "some", "none")

#: The number of resamples, if nothing else is said.
DEFAULT_RESAMPLES: Final = 10_000

#: The numbers that are drawn at once.
MAX_DRAWS: Final = 2**22


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


class Interval(NamedTuple):
    """Means, their percentile intervals, and two-sided p-values of zero, all of shape ``(num_columns,)``."""

    mean: NumpyArray
    low: NumpyArray
    high: NumpyArray
    p_value: NumpyArray


def bootstrap_means(
    values: NumpyArray, *, num_resamples: int = DEFAULT_RESAMPLES, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Estimate how certain means are, by resampling rows with replacement.

    The interval is the percentile interval. The p-value is twice the smaller part of the resamples that have a mean of
    at most, or at least, zero, each counted with the actual sample, such that it is never zero.

    :param values: shape: ``(num_rows, num_columns)``; rows are independent, and what belongs together is in one.
    :param num_resamples: >0, the number of resamples, the same ones for all columns.
    :param confidence: The level of confidence, between 0 and 1.
    :param seed: The random seed, for a generator of its own.
    :returns: Means, intervals, and p-values, for each column.
    :raises ValueError: if there are no rows, or a parameter is out of range
    """
    if values.ndim != 2 or not len(values):
        raise ValueError(f"There must be a row for each of at least one sample, but the shape is {values.shape}.")
    if num_resamples < 1:
        raise ValueError(f"The number of resamples must be positive, but is {num_resamples}.")
    if not 0 < confidence < 1:
        raise ValueError(f"The level of confidence must be between 0 and 1, but is {confidence}.")
    # scipy.stats.bootstrap draws the same resamples, but takes 3.5 times as long for 20,000 rows of four columns, since
    # it copies the rows of each, and refuses a single row
    rng, num = numpy.random.default_rng(seed), len(values)
    size = max(1, MAX_DRAWS // num)
    parts = []
    for start in range(0, num_resamples, size):
        rows = min(size, num_resamples - start)
        drawn = rng.integers(num, size=(rows, num)) + num * numpy.arange(rows)[:, None]
        # how often each row is drawn, rather than a copy of it each time
        counts = numpy.bincount(drawn.ravel(), minlength=rows * num).reshape(rows, num)
        parts.append(counts @ values / num)
    means = numpy.concatenate(parts)
    tail = (1 - confidence) / 2
    low, high = numpy.quantile(means, [tail, 1 - tail], axis=0)
    less, more = ((part.sum(axis=0) + 1) / (num_resamples + 1) for part in (means <= 0, means >= 0))
    return Interval(values.mean(axis=0), low, high, p_value=numpy.minimum(1.0, 2 * numpy.minimum(less, more)))
