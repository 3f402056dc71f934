"""What runs were trained on, with which options, how that differs from the paper, and between them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
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
    options, results = get_options(runs), list(runs["result"])
    facts = pandas.DataFrame(map(_get_facts, runs.to_dict(orient="records")), runs.index).join(options)
    return {
        "different": {str(name): sorted(set(map(str, x.dropna()))) for name, x in facts.items() if x.nunique() > 1},
        "budget": BUDGET,
        "has_ratios": any("missing_ratio" in parameters for parameters in runs["parameters"]),
        # without anything dropped, there is no order
        "dropped_by": sorted(set(runs.loc[runs["missing_ratio"] > 0, "missing_by"])),
        # of what is dropped, with as few missing as there are
        "data": results[int(runs["missing_ratio"].to_numpy().argmin())]["data"],
        "benchmark": BENCHMARKS.get(runs["dataset"].iloc[0]),
        "files": _find_files(results),
        "ranked": sorted({result["data"]["counts"]["evaluated"] for result in results}),
        "options": list(_compare_with_paper(runs["variant"], options)),
        "num_seeds": sorted(set(runs.groupby("label").size())),
        "configurations": _tabulate_configurations(runs, options),
        "sources": _find_sources(runs),
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


def _find_files(results: Iterable[Any]) -> dict[str, list[str]]:
    """Return the names of the files with features by modality, as far as any were given."""
    files: dict[str, set[str]] = {}
    for result in results:
        kwargs = result["configuration"]["pipeline"].get("dataset_kwargs") or {}
        given = kwargs.get("features")
        for name, path in given.items() if isinstance(given, Mapping) else ():
            # what is encoded is named by the images or texts; the directories differ from machine to machine
            source = path.get("source") if isinstance(path, Mapping) else path
            files.setdefault(name, set()).add(PurePath(source).name if source else "none")
    return {name: sorted(paths) for name, paths in files.items()}


def _compare_with_paper(
    variants: "pandas.Series[str]", options: pandas.DataFrame
) -> Iterator[tuple[str, list[tuple[str, list[str]]], str]]:
    """Return each option's name, its values with the models that have them if these differ, and what the paper has."""
    for name, kind, paper in STATED.itertuples():
        texts = options[name].map(format_value)
        values = {value: list(variants[texts == value].unique()) for value in get_values(options[name])}
        # the points of a figure have the same name; another table shows which models have what is tuned
        tell = kind == "other" and len(set(map(tuple, values.values()))) > 1
        if values:
            yield name, [(value, names if tell else []) for value, names in values.items()], paper


def _tabulate_configurations(runs: pandas.DataFrame, options: pandas.DataFrame) -> pandas.DataFrame:
    """Tabulate the options by which models differ, and where they are from; the files of the runs have all of them."""
    configurations = [result["configuration"] for result in runs["result"]]
    pipelines = [x["pipeline"] for x in configurations]
    models = [f"{x.get('model') or x['interaction']}, {x.get('training_loop') or 'sLCWA'}" for x in pipelines]
    columns = {
        "": runs["variant"],
        "model, training loop": models,
        "configuration": [(x.get("metadata") or {}).get("source") or "not recorded" for x in configurations],
        **{name.removeprefix("embedding "): options[name].map(format_value) for name in (*BUDGET, *TUNED)},
        "parameters": [f"{result['num_parameters']:,}" for result in runs["result"]],
    }
    # the seeds of a point, and the points of a line, are configured alike
    return pandas.DataFrame(columns).drop_duplicates()


def _find_sources(runs: pandas.DataFrame) -> dict[str, list[str]]:
    """Return the models by how their configurations were chosen, in the words of these."""
    models: dict[str, dict[str, None]] = {}
    for variant, result in zip(runs["variant"], runs["result"], strict=True):
        metadata, pipeline = result["configuration"].get("metadata") or {}, result["configuration"]["pipeline"]
        text = " ".join(str(metadata.get("comments") or "how its configuration was chosen is not recorded").split())
        changes = []
        for place, old in (metadata.get("overrides") or {}).items():
            group, _, name = place.partition(".")
            changes.append(f"{name} is {format_value(pipeline[group][name])} instead of {format_value(old)}")
        if changes:
            text = f"{text.removesuffix('.')}. **But not with this:** {', and '.join(changes)}"
        models.setdefault(f"{text.removesuffix('.')}.", {})[variant] = None
    return {text: list(names) for text, names in models.items()}
