"""The tables of results: what there is, what it is, and what it took."""

from collections.abc import Mapping
from typing import Any

import pandas

from ....evaluation import METRICS
from ..published import CITED, find_published
from .rendering import format_mean

__all__ = ["average_weights", "format_machines", "format_results", "format_weights"]


def format_results(runs: pandas.DataFrame) -> dict[str, Any]:
    """Format the results on a dataset, beside the published figures if there are any.

    :returns: The table (``results``), and the models whose published figures are not the paper's own (``cited``).
    """
    rows, cited = [], []
    for label, part in runs.groupby("label", sort=False):
        finished = part["result"].notna().sum()
        published = find_published(*part[["experiment", "variant", "dataset"]].iloc[0])
        rows.append(
            {
                "": label,
                "seeds": f"{finished}" if finished == len(part) else f"{finished} of {len(part)}",
                **{metric: format_mean(part[metric].mean(), part[metric].std()) for metric in METRICS},
                **{f"published {metric}": f"{published[metric]:.2f}" for metric in METRICS if published},
            }
        )
        if published and published["source"] == CITED:
            cited.append(part["variant"].iloc[0])
    return {"results": pandas.DataFrame(rows).fillna("-"), "cited": cited}


def format_machines(runs: pandas.DataFrame) -> list[pandas.DataFrame]:
    """Format in two tables what finished runs took, and where: all that differs from one execution to the next."""
    descriptions = [_describe_machine(result["environment"]) for result in runs["result"]]
    numbers, machines = pandas.factorize(pandas.Index(descriptions, dtype=object))
    seconds = pandas.DataFrame(list(runs["result"].map(lambda x: x["seconds"])), runs.index, ["training", "evaluation"])
    points = runs[["dataset", "label"]].join(seconds).assign(machine=numbers + 1)
    average: dict[str, Any] = {"training": "mean", "evaluation": "mean"}
    average["machine"] = lambda x: ", ".join(map(str, sorted(set(x))))
    table = points.groupby(["dataset", "label"], sort=False).agg(average).reset_index()
    table[["training", "evaluation"]] = table[["training", "evaluation"]].map("{:.1f}".format)
    table.columns = pandas.Index(["dataset", "", "training [s]", "evaluation [s]", "machine"])
    return [table, pandas.DataFrame({"machine": range(1, len(machines) + 1), "": machines})]


def _describe_machine(environment: Mapping[str, Any]) -> str:
    names = ("cpu", "machine", "device", "cuda")
    first = [str(environment[name]) for name in names if environment.get(name)]
    return "; ".join([*first, *(f"{x} {y}" for x, y in environment.items() if y is not None and x not in names)])


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
    frame = frame.reset_index().assign(place=lambda x: x["model"].factorize()[0])
    order = ["place", "num_triples", "relation"]
    return frame.sort_values(order, ascending=[True, False, True], kind="stable", ignore_index=True)[columns]


def format_weights(frame: pandas.DataFrame, limit: int) -> pandas.DataFrame:
    """Format the result of :func:`average_weights` in percent, up to a number of relations of each model."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for x in frame.to_dict(orient="records"):
        start = {"": x["model"], "relation": x["relation"], "test triples": f"{x['num_triples']:,}"}
        row = rows.setdefault((x["model"], x["relation"]), start)
        row[x["modality"]] = format_mean(100 * x["weight"], 100 * x["standard_deviation"])
    return pandas.DataFrame(rows.values()).groupby("", sort=False).head(limit).fillna("-")
