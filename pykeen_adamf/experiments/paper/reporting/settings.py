"""What runs were trained on, with which options, how that differs from the paper, and between them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pandas

from ....datasets.published import BENCHMARKS

__all__ = ["TUNED", "describe_settings", "format_value", "get_options", "get_values"]

#: What the paper says of the options in :func:`pykeen_adamf.experiments.recording.describe_options`: what training
#: costs (``budget``), what is ``tuned`` for each model, and what only some models have.
STATED: Final = pandas.read_csv(Path(__file__).with_name("stated.tsv"), sep="\t", index_col="option", dtype=str)
BUDGET, TUNED = ([str(name) for name in STATED.index[STATED["kind"] == kind]] for kind in ("budget", "tuned"))


def get_options(runs: pandas.DataFrame) -> pandas.DataFrame:
    """Return the options that were in force in finished runs, a row a run; without a value where a run has none."""
    rows = [{"epochs": len(result["losses"]), **result["effective"]["options"]} for result in runs["result"]]
    return pandas.DataFrame(rows, runs.index, STATED.index, dtype=object)


def get_values(options: Iterable[Any]) -> list[str]:
    """Return the distinct values of an option as texts: numbers by size, then texts."""
    values = pandas.Series(options, dtype=object).dropna()
    return [format_value(x) for x in sorted(set(values), key=lambda x: (isinstance(x, str), x))]


def format_value(value: Any) -> str:
    """Format the value of an option: the same number has the same text."""
    if pandas.isna(value):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # 15 digits: no number that somebody would write is rounded
    return f"{value:.15g}" if isinstance(value, int | float) else str(value)


def describe_settings(runs: pandas.DataFrame) -> dict[str, Any]:
    """Describe the data and the options of the finished runs on one dataset, for the template."""
    options, records = get_options(runs), runs.to_dict(orient="records")
    facts = pandas.DataFrame(map(_get_facts, records), runs.index).join(options)
    return {
        "runs": records,
        "different": {str(name): sorted(set(map(str, x.dropna()))) for name, x in facts.items() if x.nunique() > 1},
        **{"budget": BUDGET, "tuned": TUNED},
        "benchmark": BENCHMARKS.get(runs["dataset"].iloc[0]),
        "options": list(_compare_with_paper(runs["variant"], options)),
    }


def _get_facts(run: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what all runs should have in common, beside their options."""
    data, environment = run["result"]["data"], run["result"]["environment"]
    # of what is dropped, features are different on purpose
    names = ("training", "validation", "testing", "labels", *([] if run["missing_ratio"] else ["features"]))
    return {
        **{name: json.dumps(data[name], sort_keys=True) for name in names},
        "the number of ranked test triples": data["counts"]["evaluated"],
        **{name: str(environment.get(name, "unknown")) for name in ("pykeen-adamf", "pykeen", "torch", "device")},
    }


def _compare_with_paper(
    variants: "pandas.Series[str]", options: pandas.DataFrame
) -> Iterator[tuple[str, list[tuple[str, list[str]]], str]]:
    """Return each option's name, its values with the models that have them if these differ, and what the paper has."""
    for name, kind, paper in STATED.itertuples():
        models = variants.groupby(options[name].map(format_value)).unique()
        values = get_values(options[name])
        # the points of a figure have the same name; another table shows which models have what is tuned
        tell = kind == "other" and len({tuple(models[value]) for value in values}) > 1
        if values:
            yield name, [(value, list(models[value]) if tell else []) for value in values], paper
