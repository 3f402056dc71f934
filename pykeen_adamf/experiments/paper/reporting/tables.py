"""The tables of results: what there is, what it is, and what it took."""

from collections.abc import Mapping
from typing import Any

import pandas

from ....evaluation import METRICS
from ..published import CITED, find_published
from .rendering import format_mean

__all__ = ["average_weights", "format_machines", "format_results", "format_weights"]


def format_results(runs: pandas.DataFrame) -> tuple[pandas.DataFrame, list[str]]:
    """Format the results on a dataset, beside the published figures if there are any.

    :param runs: The runs on the dataset.
    :returns: A table, and the models whose published figures are not the paper's own.
    """
    rows, cited = [], []
    for label, part in runs.groupby("label", sort=False):
        experiment, variant, dataset = part[["experiment", "variant", "dataset"]].iloc[0]
        finished, published = part["result"].notna().sum(), find_published(experiment, variant, dataset)
        rows.append(
            {
                "": label,
                "seeds": f"{finished}" if finished == len(part) else f"{finished} of {len(part)}",
                **{metric: format_mean(part[metric].mean(), part[metric].std()) for metric in METRICS},
                **{f"published {metric}": f"{published[metric]:.2f}" for metric in METRICS if published},
            }
        )
        if published and published["source"] == CITED:
            cited.append(variant)
    return pandas.DataFrame(rows).fillna("-"), cited


def format_machines(runs: pandas.DataFrame) -> list[pandas.DataFrame]:
    """Format what runs took, and on which machines and versions: all that differs from one execution to the next.

    :param runs: The finished runs.
    :returns: Two tables.
    """
    numbers, machines = pandas.factorize(runs["result"].map(lambda x: _describe_machine(x["environment"])))
    seconds = {kind: runs["result"].map(lambda x, kind=kind: x["seconds"][kind]) for kind in ("training", "evaluation")}
    points = runs[["dataset", "label"]].assign(**seconds, machine=numbers + 1).groupby(["dataset", "label"], sort=False)
    table = points.agg(
        training=("training", "mean"),
        evaluation=("evaluation", "mean"),
        machine=("machine", lambda x: ", ".join(map(str, sorted(set(x))))),
    ).reset_index()
    for kind in seconds:
        table[kind] = table[kind].map("{:.1f}".format)
    table.columns = pandas.Index(["dataset", "", "training [s]", "evaluation [s]", "machine"])
    return [table, pandas.DataFrame({"machine": range(1, len(machines) + 1), "": machines})]


def _describe_machine(environment: Mapping[str, Any]) -> str:
    """Describe a machine, and what is installed there."""
    names = ("cpu", "machine", "device", "cuda")
    first = [str(environment[name]) for name in names if environment.get(name)]
    return "; ".join([*first, *(f"{x} {y}" for x, y in environment.items() if y is not None and x not in names)])


# --- weights of modalities


def average_weights(runs: pandas.DataFrame) -> pandas.DataFrame:
    """Average the weights of modalities by model and relation.

    :param runs: The finished runs on one dataset.
    :returns: A row for each model, relation and modality, relations with most triples first, with the columns
        ``model``, ``relation``, ``num_triples``, ``modality``, ``weight`` (the mean over random seeds),
        ``standard_deviation`` (NaN with one seed), and ``num_seeds``. Empty if no model weights modalities.
    """
    parts = [
        pandas.DataFrame(result["modality_weights"]).assign(model=label)
        for label, result in zip(runs["label"], runs["result"], strict=True)
        if result["modality_weights"]
    ]
    columns = ["model", "relation", "num_triples", "modality", "weight", "standard_deviation", "num_seeds"]
    if not parts:
        return pandas.DataFrame(columns=columns)
    frame = (
        pandas.concat(parts, ignore_index=True)
        .groupby(["model", "relation", "modality"], sort=False)
        .agg(
            num_triples=("num_triples", "max"),
            weight=("weight", "mean"),
            standard_deviation=("weight", "std"),
            num_seeds=("weight", "count"),
        )
    )
    # models and modalities stay in their order
    frame = frame.reset_index().sort_values(["num_triples", "relation"], ascending=[False, True], kind="stable")
    places = {label: i for i, label in enumerate(runs["label"].unique())}
    return frame.sort_values("model", key=lambda x: x.map(places), kind="stable", ignore_index=True)[columns]


def format_weights(frame: pandas.DataFrame, limit: int) -> pandas.DataFrame:
    """Format weights of modalities in percent.

    :param frame: The result of :func:`average_weights`.
    :param limit: How many relations of each model to show.
    :returns: A table.
    """
    rows = []
    for model, part in frame.groupby("model", sort=False):
        for relation, weights in list(part.groupby("relation", sort=False))[:limit]:
            cells = {
                row["modality"]: format_mean(100 * row["weight"], 100 * row["standard_deviation"])
                for row in weights.to_dict(orient="records")
            }
            rows.append({"": model, "relation": relation, "test triples": f"{weights['num_triples'].max():,}", **cells})
    return pandas.DataFrame(rows).fillna("-")
