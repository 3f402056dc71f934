"""Comparisons of models: overall, by what there is of modalities, and by relation."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy
import pandas
import torch
from pykeen.datasets import Dataset

from ....datasets import DownloadError
from ....datasets.dropping import drop_from_dataset
from ....evaluation import COVERAGE_CLASSES, METRICS, Ranks, classify_coverage, compare_ranks, read_ranks
from ....triples import MultimodalTriplesFactory
from ....typing import NumpyArray
from ...data import describe_data, load_dataset
from ..contenders import STRUCTURAL
from .runs import make_label
from .settings import TUNED, get_options, get_values

__all__ = [
    "MIN_TRIPLES",
    "Pair",
    "compare",
    "compare_by_coverage",
    "compare_by_relation",
    "compare_tuning",
    "find_pairs",
    "load_for",
]

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


def compare(
    pair: Pair,
    metrics: Collection[str] = METRICS,
    find_groups: Callable[[Sequence[Ranks]], NumpyArray] | None = None,
) -> pandas.DataFrame:
    """Compare the runs with the seeds that both have.

    :param pair: What to compare.
    :param metrics: The names of the metrics.
    :param find_groups: Finds the groups of test triples from the ranks by the first model. Defaults to all in one.
    :returns: The rows of :func:`pykeen_adamf.evaluation.compare_ranks`, after a column ``pair``; groups of few triples
        are without intervals and p-values.
    :raises RankFileError: if the files with ranks cannot be used
    """
    first, second = ([read_ranks(path) for path in runs.loc[pair.seeds, "ranks"]] for runs in (pair.first, pair.second))
    groups = None if find_groups is None else find_groups(first)
    frame = compare_ranks(first, second, groups=groups, metrics=metrics)
    if groups is not None:
        frame.loc[frame["num_triples"] < MIN_TRIPLES, ["low", "high", "p_value"]] = numpy.nan
    frame.insert(0, "pair", pair.label)
    return frame.assign(num_seeds=len(pair.seeds))


def compare_by_coverage(pair: Pair, dataset: Dataset) -> pandas.DataFrame:
    """Compare the MRR on the classes of :func:`pykeen_adamf.evaluation.classify_coverage`, as a column ``group``.

    :param pair: What to compare.
    :param dataset: The dataset with modalities, before anything is dropped.
    :returns: The comparison.
    :raises ValueError: if the features are not those of the runs
    """
    runs = pair.first.loc[pair.seeds].reset_index().to_dict(orient="records")
    presence = [_get_presence(dataset, run) for run in runs]

    def classify(ranks: Sequence[Ranks]) -> NumpyArray:
        return numpy.stack([classify_coverage(x.triples, y) for x, y in zip(ranks, presence, strict=True)])

    return compare(pair, ["MRR"], classify).sort_values("group", key=lambda group: group.map(COVERAGE_CLASSES.index))


def compare_by_relation(pair: Pair, dataset: Dataset) -> pandas.DataFrame:
    """Compare the MRR on the test triples of each relation, those with most triples first, with labels as ``group``."""
    frame = compare(pair, ["MRR"], lambda ranks: ranks[0].triples[:, 1])
    labels = {i: label for label, i in dataset.relation_to_id.items()}
    frame = frame.sort_values(["num_triples", "group"], ascending=[False, True])
    return frame.assign(group=frame["group"].map(labels))


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


def load_for(runs: pandas.DataFrame, dataset_kwargs: Mapping[str, Any] | None = None) -> Dataset:
    """Load the dataset of runs, as it is before anything is dropped.

    The machines that share an experiment may have its files in different places.

    :param runs: The finished runs on one dataset.
    :param dataset_kwargs: The dataset's keyword-based parameters to try first. After these, the ones that the runs were
        configured with are tried, until one makes the dataset of the runs.
    :returns: The dataset.
    :raises DownloadError: if it cannot be downloaded with the last of these
    :raises OSError: if its files cannot be read, likewise
    :raises ValueError: if they are not as they should be, or its triples, labels or features are not those of the runs
    """
    configurations = [*runs["configuration"], *(result["configuration"] for result in runs["result"])]
    candidates = [*filter(None, [dataset_kwargs]), *(x["pipeline"].get("dataset_kwargs") or {} for x in configurations)]
    problem: Exception | None = None
    for candidate in {json.dumps(x, sort_keys=True): x for x in candidates}.values():
        try:
            dataset = load_dataset(configurations[0]["pipeline"]["dataset"], candidate)
            _check(dataset, runs)
        except (DownloadError, OSError, ValueError) as error:  # noqa: PERF203 - the next one may be right
            problem = error
        else:
            return dataset
    assert problem is not None
    raise problem


def _check(dataset: Dataset, runs: pandas.DataFrame) -> None:
    """Check that a dataset is the one of runs."""
    here = describe_data(dataset, dataset.testing)
    for run in runs.to_dict(orient="records"):
        # what is dropped is found again in `_get_presence`
        for name in ("training", "testing", "labels", *([] if run["missing_ratio"] else ["features"])):
            if run["result"]["data"][name] != here[name]:
                raise ValueError(f"The {name} of {run['dataset']} here are not those of the runs.")


def _get_presence(dataset: Dataset, run: Mapping[Any, Any]) -> NumpyArray:
    """Return which entities had which modalities in a run, shape: ``(num_entities, num_modalities)``."""
    if run["missing_ratio"]:
        dataset = drop_from_dataset(dataset, run["missing_ratio"], run["seed"], run["missing_by"])
    assert isinstance(dataset.training, MultimodalTriplesFactory)
    here, recorded = dataset.training.features, run["result"]["data"]["features"]
    found = {name: (x.dim, x.num_present) for name, x in here.items()}
    if found != {name: (x["dim"], x["num_present"]) for name, x in recorded.items()}:
        raise ValueError(f"The features of {run['dataset']} here are not those of the runs.")
    presence: NumpyArray = torch.stack([x.presence for x in here.values()], dim=-1).numpy()
    return presence
