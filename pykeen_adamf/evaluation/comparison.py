"""Paired comparisons of two models on the same test triples."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy
import pandas

from ..typing import NumpyArray
from .bootstrap import DEFAULT_RESAMPLES, bootstrap_means
from .ranks import RankFileError, Ranks

__all__ = ["METRICS", "compare_ranks", "rank_metrics"]

#: The metrics that are compared.
METRICS: Final = ("MRR", "Hits@1", "Hits@3", "Hits@10")


def rank_metrics(ranks: Ranks, metrics: Iterable[str] = METRICS) -> NumpyArray:
    """Calculate metrics of each triple, as averages of both sides.

    Their averages over triples are PyKEEN's filtered, realistic metrics of both sides.

    :param ranks: The ranks.
    :param metrics: The names of the metrics: ``MRR``, or ``Hits@k`` for any k.
    :returns: shape: ``(num_triples, num_metrics)``
        The metrics of each triple.
    :raises ValueError: if a metric is unknown
    """
    both = numpy.stack([ranks.head_rank, ranks.tail_rank])
    columns = []
    for metric in metrics:
        name, _, k = metric.partition("@")
        if metric == "MRR":
            values = 1 / both
        elif name == "Hits" and k.isdecimal():
            values = (both <= int(k)).astype(float)
        else:
            raise ValueError(f"{metric!r} is no metric of ranks. Choose MRR, or Hits@k, e.g., Hits@10.")
        columns.append(values.mean(axis=0))
    return numpy.stack(columns, axis=1)


def compare_ranks(
    first: Sequence[Ranks],
    second: Sequence[Ranks],
    *,
    groups: NumpyArray | None = None,
    metrics: Sequence[str] = METRICS,
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
    :param num_resamples: >0
        The number of resamples.
    :param confidence: The level of confidence.
    :param seed: The random seed.
    :returns: One row for each group, in the order of their names, and metric, with the columns ``group`` (if there are
        any), ``metric``, ``num_triples``, ``first``, ``second``, their ``difference``, ``low`` and ``high`` as bounds
        of its confidence interval, and ``p_value``, two-sided.
    :raises RankFileError: if a model has no ranks, or they are of other triples
    :raises ValueError: if there is not one group for each triple, or a parameter is out of range
    """
    values = [_calculate(ranks, first, metrics) for ranks in (first, second)]
    num_triples = values[0].shape[1]
    if groups is not None:
        _check_groups(groups, num_triples, {len(first), len(second)})
    frames = []
    for name in [None] if groups is None else numpy.unique(groups).tolist():
        members = numpy.ones((1, num_triples), dtype=bool) if groups is None else numpy.atleast_2d(groups == name)
        chosen = members.any(axis=0)
        one, other = (_average(x, members)[chosen] for x in values)
        interval = bootstrap_means(one - other, num_resamples=num_resamples, confidence=confidence, seed=seed)
        frame = pandas.DataFrame(
            {
                "metric": list(metrics),
                "num_triples": int(chosen.sum()),
                "first": one.mean(axis=0),
                "second": other.mean(axis=0),
                "difference": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "p_value": interval.p_value,
            }
        )
        if groups is not None:
            frame.insert(0, "group", name)
        frames.append(frame)
    return pandas.concat(frames, ignore_index=True)


def _check_groups(groups: NumpyArray, num_triples: int, nums_seeds: set[int]) -> None:
    """Check that there is a group for each triple, or for each triple and seed."""
    shapes = [(num_triples,), *((num, num_triples) for num in nums_seeds if len(nums_seeds) == 1)]
    if groups.shape not in shapes:
        raise ValueError(
            f"There must be one group for each of {num_triples:,} triples, or for each of the seeds of both models and "
            f"each triple, but the shape is {groups.shape}, with {sorted(nums_seeds)} seeds."
        )


def _calculate(ranks: Sequence[Ranks], reference: Sequence[Ranks], metrics: Sequence[str]) -> NumpyArray:
    """Calculate metrics, shape: ``(num_seeds, num_triples, num_metrics)``."""
    if not ranks or not reference:
        raise RankFileError("There are no ranks of one of the models to compare. Finish its runs first.")
    for other in ranks:
        if not numpy.array_equal(other.triples, reference[0].triples):
            raise RankFileError("The ranks are of different triples. Compare models on the same ones.")
    return numpy.stack([rank_metrics(x, metrics) for x in ranks])


def _average(values: NumpyArray, members: NumpyArray) -> NumpyArray:
    """Average over the random seeds with which each triple is a member; zero where there are none."""
    weights = numpy.broadcast_to(members, values.shape[:2]).astype(float)
    totals: NumpyArray = numpy.einsum("sn,snm->nm", weights, values)
    totals /= numpy.maximum(weights.sum(axis=0), 1)[:, None]
    return totals
