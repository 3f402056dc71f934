"""Comparisons of models: overall, by what there is of modalities, and by relation."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy
import pandas

from ....evaluation import COVERAGE_CLASSES, compare_ranks, read_ranks
from ..contenders import STRUCTURAL
from .runs import make_label
from .settings import TUNED, get_options, get_values

__all__ = ["MIN_TRIPLES", "Pair", "compare", "compare_tuning", "find_pairs"]

#: Of fewer triples, resamples say little about others.
MIN_TRIPLES: Final = 20


class Pair(NamedTuple):
    """Two models to compare: their runs with the seeds that both have, which are the index; the reference is last."""

    label: str
    first: pandas.DataFrame
    second: pandas.DataFrame


def find_pairs(runs: pandas.DataFrame) -> list[Pair]:
    """Find what to compare.

    :param runs: The finished runs on one dataset.
    :returns: For table 2, the best multi-modal model with RotatE; for table 3, each variant with the full one, and each
        variant of AdaMF with AdaMF; for figure 4, each number of groups with the smallest; and always, models that are
        trained with MAT with the same ones without. Only those with a seed in common.
    """
    points = {str(label): part.set_index("seed") for label, part in runs.groupby("label", sort=False)}
    pairs = []
    for labels in _find_labels(runs):
        if labels[0] != labels[1] and points.keys() >= set(labels):
            first, second = (points[label] for label in labels)
            seeds = first.index.intersection(second.index)
            (one, place), (other, other_place) = (x[["variant", "place"]].iloc[0] for x in (first, second))
            label = make_label(f"{one} vs. {other}", place) if place == other_place else " vs. ".join(labels)
            pairs.append(Pair(label, first.loc[seeds], second.loc[seeds]))
    return [pair for pair in pairs if len(pair.first)]


def _find_labels(runs: pandas.DataFrame) -> Iterator[tuple[str, str]]:
    experiment, points = runs["experiment"].iloc[0], runs.drop_duplicates("label").set_index("label")
    multimodal = runs[~runs["variant"].isin(STRUCTURAL)]
    if experiment == "table2" and len(multimodal):
        yield str(multimodal.groupby("label", sort=False)["MRR"].mean().idxmax()), "RotatE"
    if experiment == "table3":
        # the full model for all, and AdaMF in full for what is left out of it
        yield from ((label, "AdaMF-MAT") for label in points.index)
        yield from ((label, "AdaMF (S+V+T, adaptive)") for label in points.index if label.startswith("AdaMF ("))
    if experiment == "figure4":
        reference = min(points.index, key=lambda label: float(points["parameters"][label]["num_groups"]))
        yield from ((label, reference) for label in points.index)
    for label, variant, place in points[["variant", "place"]].itertuples():
        yield label, make_label(variant.removesuffix("-MAT"), place)


def compare(pair: Pair, by: str | None = None) -> pandas.DataFrame:
    """Compare two models.

    :param pair: What to compare.
    :param by: One of :data:`pykeen_adamf.evaluation.ranks.GROUPS`, to compare the MRR on each group on its own: what
        there is of modalities in the runs of the first model, or the relation. Defaults to all metrics of all triples.
    :returns: The rows of :func:`pykeen_adamf.evaluation.compare_ranks`, after a column ``pair``; groups of few triples
        are without intervals and p-values. None if the files do not have the groups.
    :raises RankFileError: if the files with ranks cannot be used
    """
    first, second = (list(map(read_ranks, runs["ranks"])) for runs in (pair.first, pair.second))
    if by is None:
        frame = compare_ranks(first, second)
    elif all(by in x.groups for x in first):
        frame = compare_ranks(first, second, groups=numpy.stack([x.groups[by] for x in first]), metrics=["MRR"])
        frame.loc[frame["num_triples"] < MIN_TRIPLES, ["low", "high", "p_value"]] = numpy.nan
        # classes in their order; relations with most triples first
        order = frame["group"].map(COVERAGE_CLASSES.index) if by == "coverage" else -frame["num_triples"]
        frame = frame.iloc[order.argsort(kind="stable")]
    else:
        return pandas.DataFrame()
    frame.insert(0, "pair", pair.label)
    return frame.assign(num_seeds=len(pair.first))


def compare_tuning(pairs: Iterable[Pair]) -> dict[tuple[str, tuple[tuple[str, ...], ...]], dict[str, None]]:
    """Find which of the compared models have other learning rates, margins or temperatures.

    :returns: The first models by the second one and what differs: the name of the option, and the values of both.
    """
    # once for all points of a line, and for all variants that differ alike
    models: dict[tuple[str, tuple[tuple[str, ...], ...]], dict[str, None]] = {}
    for pair in pairs:
        first, second = (
            get_options(runs)[TUNED].apply(lambda x: " or ".join(get_values(x)) or "none") for runs in pair[1:]
        )
        if differences := tuple(first.compare(second).itertuples(name=None)):
            models.setdefault((pair.second["variant"].iloc[0], differences), {})[pair.first["variant"].iloc[0]] = None
    return models
