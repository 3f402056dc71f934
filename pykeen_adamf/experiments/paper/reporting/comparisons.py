"""Comparisons of models: overall, by what there is of modalities, and by relation."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

import numpy
import pandas

from ....evaluation import COVERAGE_CLASSES, METRICS, compare_ranks, read_ranks
from ..contenders import STRUCTURAL
from .runs import make_label
from .settings import TUNED, get_options, get_values

__all__ = ["MIN_TRIPLES", "Pair", "compare", "compare_tuning", "find_pairs"]

#: The references of table 3: the full model for all, and AdaMF in full for what is left out of it.
FULL_MODEL: Final = "AdaMF-MAT"
FULL_ADAMF: Final = "AdaMF (S+V+T, adaptive)"

#: Of fewer triples, resamples say little about others.
MIN_TRIPLES: Final = 20


class Pair(NamedTuple):
    """Two models to compare: the runs of both, the reference last, with seeds as index."""

    label: str
    first: pandas.DataFrame
    second: pandas.DataFrame

    @property
    def seeds(self) -> list[int]:
        """Return the seeds with which there are results of both."""
        return [seed for seed in self.first.index if seed in self.second.index]


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
            (one, place), (other, other_place) = (x[["variant", "place"]].iloc[0] for x in (first, second))
            label = make_label(f"{one} vs. {other}", place) if place == other_place else " vs. ".join(labels)
            pairs.append(Pair(label, first, second))
    return [pair for pair in pairs if pair.seeds]


def _find_labels(runs: pandas.DataFrame) -> Iterator[tuple[str, str]]:
    """Return the labels of what to compare, if there is both, and it is not the same."""
    experiment, points = runs["experiment"].iloc[0], runs.drop_duplicates("label").set_index("label")
    multimodal = runs[~runs["variant"].isin(STRUCTURAL)]
    if experiment == "table2" and len(multimodal):
        yield str(multimodal.groupby("label", sort=False)["MRR"].mean().idxmax()), "RotatE"
    if experiment == "table3":
        yield from ((label, FULL_MODEL) for label in points.index)
        yield from ((label, FULL_ADAMF) for label in points.index if label.startswith("AdaMF ("))
    if experiment == "figure4":
        reference = min(points.index, key=lambda label: float(points["parameters"][label]["num_groups"]))
        yield from ((label, reference) for label in points.index)
    for label, variant, place in points[["variant", "place"]].itertuples():
        yield label, make_label(variant.removesuffix("-MAT"), place)


def compare(pair: Pair, metrics: Collection[str] = METRICS, by: str | None = None) -> pandas.DataFrame:
    """Compare the runs with the seeds that both have.

    :param pair: What to compare.
    :param metrics: The names of the metrics.
    :param by: One of :data:`pykeen_adamf.evaluation.ranks.GROUPS`, to compare on each group on its own: what there is
        of modalities in the runs of the first model, or the relation. Defaults to all test triples in one.
    :returns: The rows of :func:`pykeen_adamf.evaluation.compare_ranks`, after a column ``pair``; groups of few triples
        are without intervals and p-values. None if the files do not have the groups.
    :raises RankFileError: if the files with ranks cannot be used
    """
    first, second = ([read_ranks(path) for path in runs.loc[pair.seeds, "ranks"]] for runs in (pair.first, pair.second))
    if by is None:
        frame = compare_ranks(first, second, metrics=metrics)
    elif all(by in x.groups for x in first):
        frame = compare_ranks(first, second, groups=numpy.stack([x.groups[by] for x in first]), metrics=metrics)
        frame.loc[frame["num_triples"] < MIN_TRIPLES, ["low", "high", "p_value"]] = numpy.nan
        # classes in their order; relations with most triples first
        places = {name: place for place, name in enumerate(COVERAGE_CLASSES)}
        order = frame["group"].map(places) if by == "coverage" else -frame["num_triples"]
        frame = frame.iloc[order.argsort(kind="stable")]
    else:
        return pandas.DataFrame()
    frame.insert(0, "pair", pair.label)
    return frame.assign(num_seeds=len(pair.seeds))


def compare_tuning(pairs: Sequence[Pair]) -> dict[tuple[str, tuple[tuple[str, ...], ...]], list[str]]:
    """Find which of the compared models have other learning rates, margins or temperatures.

    :param pairs: What is compared.
    :returns: The first models by the second one and what differs: the name of the option, and the values of both.
    """
    # once for all points of a line, and for all variants that differ alike
    models: dict[tuple[str, tuple[tuple[str, ...], ...]], dict[str, None]] = {}
    for pair in pairs:
        both = [pair.first, pair.second]
        options = [get_options(runs) for runs in both]
        rows = [(name, *(" or ".join(get_values(x[name])) or "none" for x in options)) for name in TUNED]
        differences = tuple(row for row in rows if row[1] != row[2])
        if differences:
            first, second = (str(runs["variant"].iloc[0]) for runs in both)
            models.setdefault((second, differences), {})[first] = None
    return {key: list(names) for key, names in models.items()}
