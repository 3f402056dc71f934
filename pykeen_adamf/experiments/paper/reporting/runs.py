"""The runs of an experiment as a data frame."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas

from ....evaluation import METRICS
from ...folder import RunFolder
from ..experiments import EXPERIMENTS, get_dropping_order

__all__ = ["make_label", "read_runs"]

#: The files of a run that the page links to.
LINKED: Final = ("result.json", "curve.csv", "configuration.json", "effective.json", "log.txt", "error.json")

#: How parameters are called in a label; the variant says those that are not here.
PLACES: Final = {"missing_ratio": "missing ratio", "missing_by": "dropped by", "num_groups": "L ="}


def read_runs(directory: Path) -> pandas.DataFrame:
    """Read the runs of an experiment, with those that were made by hand.

    :param directory: The directory of the experiment, with the folders of runs in ``runs/``.
    :returns: A row for each run, sorted by dataset, by the order of the paper, and by random seed. Runs that only
        differ by their seed are one row of a table or one point of a figure, and have the same ``label``: that of
        their ``variant`` and their ``place`` on the axes of a figure. The other columns are ``folder`` and its
        ``files``, ``experiment``, ``dataset``, ``seed``, ``status`` (finished, failed or missing), ``error``, the path
        of the ``ranks``; as dictionaries, the ``configuration`` that was asked for, its ``parameters``, and the
        ``result`` of a finished run; ``missing_ratio`` and ``missing_by``; and the metrics of both sides in percent.
    :raises ValueError: if there is none, or a file of one is not readable
    """
    paths = sorted((directory / "runs").glob("*/configuration.json"))
    if not paths:
        raise ValueError(f"{directory} has no runs. Run the experiment there first.")
    runs = pandas.DataFrame([_read_run(RunFolder(path.parent)) for path in paths])
    known = runs["experiment"].dropna()
    runs["experiment"] = known.iloc[0] if len(known) else "runs"
    variants = EXPERIMENTS.get(str(runs["experiment"].iloc[0]), ())
    order = {make_label(x.name, _get_place(x.parameters)): i for i, x in enumerate(variants)}
    # what the paper does not have comes last; what comes first in the directory, first
    runs["order"] = [order.get(label, len(order)) for label in runs["label"]]
    columns = ["dataset", "order", "label", "seed"]
    return runs.sort_values(columns, key=_get_sort_key, ignore_index=True).drop(columns="order")


def _get_sort_key(column: pandas.Series) -> pandas.Series:
    """Return numbers to sort by: for texts, which of them comes first."""
    return column if column.name in {"order", "seed"} else pandas.Series(column.factorize()[0], column.index)


def _read_run(folder: RunFolder) -> dict[str, Any]:
    configuration, result, error = folder.read_configuration(), folder.read_result(), folder.read_error()
    if result is not None:
        _check(folder.result, result)
    metadata, pipeline = configuration.get("metadata") or {}, configuration["pipeline"]
    parameters = metadata.get("parameters") or {}
    variant = metadata.get("variant") or metadata.get("title") or folder.path.name
    place = _get_place(parameters)
    metrics = result["metrics"]["both"]["realistic"] if result is not None else {}
    return {
        "folder": folder.path.name,
        "files": [name for name in LINKED if (folder.path / name).exists()],
        "experiment": metadata.get("experiment"),
        "dataset": pipeline.get("dataset") or metadata.get("dataset") or "own graph",
        "variant": variant,
        "place": place,
        "label": make_label(variant, place),
        "parameters": parameters,
        "missing_ratio": float(parameters.get("missing_ratio", 0.0)),
        "missing_by": get_dropping_order(parameters),
        "seed": pipeline.get("random_seed", 0),
        "status": "finished" if result is not None else "missing" if error is None else "failed",
        "configuration": configuration,
        "result": result,
        "error": error,
        "ranks": folder.ranks,
        **{metric: 100 * float(metrics.get(metric, "nan")) for metric in METRICS},
    }


def _get_place(parameters: Mapping[str, Any]) -> str:
    """Return where on the axes of a figure a run is, if there is one."""
    return ", ".join(f"{PLACES.get(x, x)} {value}" for x, value in parameters.items() if x not in {"mat", "model"})


def _check(path: Path, result: Mapping[str, Any]) -> None:
    """Check that a result has what a report needs."""
    names = ("configuration", "data", "environment", "metrics", "seconds")
    wrong = [name for name in names if not isinstance(result.get(name), Mapping)]
    wrong += [name for name in ("modality_weights", "num_parameters") if name not in result]
    if wrong:
        raise ValueError(f"{path} is not the result of a run: it has no {wrong[0]}. Remove it, and run it again.")


def make_label(variant: str, place: str) -> str:
    """Return what tells runs of a variant at a place from others of the same dataset."""
    return f"{variant}, {place}" if place else variant
