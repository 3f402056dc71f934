"""Comparisons of models: overall, by what there is of modalities, and by relation."""

from collections.abc import Sequence
from typing import Final

import numpy
import pandas
from pykeen.datasets import Dataset

from ....evaluation import COVERAGE_CLASSES, METRICS, RankFileError, Ranks, classify_coverage, compare_ranks, read_ranks
from ....evaluation.bootstrap import DEFAULT_RESAMPLES
from ....typing import NumpyArray
from .blocks import Block, Table
from .entities import get_presence, get_relation_labels
from .numbers import format_difference, format_p_value
from .pairs import Pair

__all__ = ["compare", "compare_by_coverage", "compare_by_relation", "format_comparisons", "format_groups"]

#: Of fewer triples, resamples say little about others.
MIN_TRIPLES: Final = 20

#: What the intervals mean.
EXPLANATION: Final = (
    "The first minus the second in percentage points, with the 95 % percentile interval of a paired bootstrap over "
    f"test triples ({DEFAULT_RESAMPLES:,} resamples, each triple with the ranks of its head and its tail, after the "
    "average over the random seeds that both have), in bold type if it is without zero. The intervals are about other "
    "test triples, not about other random seeds, for which see the standard deviations above. They and the two-sided "
    "p-values (of the MRR) are not corrected for the number of comparisons. Groups of fewer than "
    f"{MIN_TRIPLES} triples have neither."
)


def _read(pair: Pair) -> tuple[list[Ranks], list[Ranks]]:
    """Read the ranks by both."""
    first, second = ([read_ranks(point.rank_paths[seed]) for seed in pair.seeds] for point in pair)
    return first, second


def compare(pairs: Sequence[Pair]) -> tuple[pandas.DataFrame, list[Pair], list[str]]:
    """Compare on all test triples.

    :param pairs: What to compare.
    :returns: The rows of :func:`pykeen_adamf.experiments.statistics.compare_ranks`, after a column ``pair``; the pairs
        that are in it; and why others are not, i.e., which files cannot be used.
    """
    frames, compared, problems = [], [], []
    for pair in pairs:
        frame = _compare_if_readable(pair)
        if isinstance(frame, RankFileError):
            problems.append(f"{pair.label}: {frame}")
        else:
            frames.append(frame)
            compared.append(pair)
    return _concatenate(frames), compared, problems


def _compare_if_readable(pair: Pair) -> pandas.DataFrame | RankFileError:
    """Compare two models, or return what is wrong with their files."""
    try:
        return _insert(pair, compare_ranks(*_read(pair), metrics=METRICS))
    except RankFileError as error:
        return error


def compare_by_coverage(pairs: Sequence[Pair], dataset: Dataset) -> pandas.DataFrame:
    """Compare on the classes of :func:`pykeen_adamf.experiments.statistics.classify_coverage`.

    :param pairs: What to compare.
    :param dataset: The dataset, before anything is dropped.
    :returns: The same for the MRR, with a column ``group``; empty if there are no modalities.
    :raises DatasetMismatchError: if the features are not those of the runs
    """
    frames = []
    for pair in pairs:
        first, second = _read(pair)
        classes = []
        for seed, ranks in zip(pair.seeds, first, strict=True):
            presence = get_presence(dataset, pair.first, seed)
            if presence is not None:
                classes.append(classify_coverage(ranks.triples, presence))
        if classes:
            groups = numpy.stack(classes)
            frame = compare_ranks(first, second, groups=groups, metrics=["MRR"])
            place = frame["group"].map(COVERAGE_CLASSES.index)
            frames.append(_insert(pair, _hide(frame.loc[place.argsort(kind="stable")])))
    return _concatenate(frames)


def compare_by_relation(pairs: Sequence[Pair], dataset: Dataset) -> pandas.DataFrame:
    """Compare on the test triples of each relation.

    :param pairs: What to compare.
    :param dataset: The dataset.
    :returns: The same for the MRR, with the labels of relations in a column ``group``, those with most triples first.
    """
    labels = get_relation_labels(dataset)
    frames = []
    for pair in pairs:
        first, second = _read(pair)
        relation: NumpyArray = first[0].triples[:, 1]
        frame = compare_ranks(first, second, groups=relation, metrics=["MRR"])
        frame = frame.sort_values(["num_triples", "group"], ascending=[False, True])
        frames.append(_insert(pair, _hide(frame.assign(group=frame["group"].map(labels)))))
    return _concatenate(frames)


def _hide(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Hide the intervals and p-values of small groups."""
    columns = ["low", "high", "p_value"]
    return frame.assign(**{name: frame[name].where(frame["num_triples"] >= MIN_TRIPLES) for name in columns})


def _insert(pair: Pair, frame: pandas.DataFrame) -> pandas.DataFrame:
    """Say what is compared, and with how many seeds."""
    frame.insert(0, "pair", pair.label)
    return frame.assign(num_seeds=len(pair.seeds))


def _concatenate(frames: Sequence[pandas.DataFrame]) -> pandas.DataFrame:
    return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()


def format_comparisons(frame: pandas.DataFrame) -> list[Block]:
    """Format comparisons on all triples.

    :param frame: The result of :func:`compare`.
    :returns: A table, and what it means.
    """
    rows = []
    for label, part in frame.groupby("pair", sort=False):
        cells = [format_difference(*values) for values in part[["difference", "low", "high"]].to_numpy().tolist()]
        p_value = float(part.loc[part["metric"] == "MRR", "p_value"].item())
        rows.append([label, part["num_seeds"].iloc[0], *cells, format_p_value(p_value)])
    return [EXPLANATION, Table(["", "seeds", *METRICS, "p (MRR)"], rows)]


def format_groups(frame: pandas.DataFrame, name: str, limit: int | None = None) -> Table:
    """Format comparisons on groups of triples.

    :param frame: The result of :func:`compare_by_coverage` or :func:`compare_by_relation`.
    :param name: What the groups are.
    :param limit: How many groups of each pair to show.
    :returns: A table.
    """
    shown = frame if limit is None else frame.groupby("pair", sort=False).head(limit)
    rows = [
        [
            row["pair"],
            row["group"],
            f"{row['num_triples']:,}",
            f"{100 * row['first']:.2f}",
            f"{100 * row['second']:.2f}",
            format_difference(row["difference"], row["low"], row["high"]),
            format_p_value(row["p_value"]),
        ]
        for row in shown.to_dict(orient="records")
    ]
    header = ["", name, "test triples", "MRR of the first", "MRR of the second", "difference", "p"]
    return Table(header, rows)
