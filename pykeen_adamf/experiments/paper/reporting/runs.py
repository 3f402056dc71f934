"""The runs of an experiment as a data frame."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas

from ....evaluation import METRICS
from ...folder import RunFolder
from ..experiments import EXPERIMENTS

__all__ = ["RUNS", "list_folders", "make_label", "read_runs"]

#: The directory with the folders of the runs.
RUNS: Final = "runs"

#: The files of a run that the page links to.
LINKED: Final = ("result.json", "curve.csv", "configuration.json", "effective.json", "log.txt", "error.json")

#: How parameters are called in a label; the variant says those that are not here.
PLACES: Final = {"missing_ratio": "missing ratio", "missing_by": "dropped by", "num_groups": "L ="}


def list_folders(directory: Path) -> list[RunFolder]:
    """Return the folders of the runs in the directory of an experiment."""
    return [RunFolder(path.parent) for path in sorted((directory / RUNS).glob("*/configuration.json"))]


def read_runs(directory: Path) -> pandas.DataFrame:
    """Read the runs of an experiment, with those that were made by hand.

    :param directory: The directory of the experiment, with the folders of runs in ``runs/``.
    :returns: A row for each run, sorted by dataset, by the order of the paper, and by random seed. Runs that only
        differ by their seed are one row of a table or one point of a figure, and have the same ``label``: that of
        their ``variant`` and their ``place`` on the axes of a figure. The other columns are ``folder`` and its
        ``files``, ``experiment``, ``dataset``, ``seed``, ``status`` (finished, failed or missing), ``error``, the path
        of the ``ranks``; ``stem``, what the names of files about the dataset begin with; as dictionaries, the
        ``configuration`` that was asked for, its ``parameters``, and the ``result`` of a finished run;
        ``missing_ratio`` and ``missing_by``; and the metrics of both sides in percent.
    :raises ValueError: if a file of one is not readable
    """
    runs = pandas.DataFrame(map(_read_run, list_folders(directory)))
    runs["experiment"] = next(iter(runs["experiment"].dropna()), "runs")
    runs["stem"] = runs["experiment"] + "-" + runs["dataset"]
    variants = EXPERIMENTS.get(str(runs["experiment"].iloc[0]), ())
    places = {make_label(x.name, _get_place(x.parameters)): i for i, x in enumerate(variants)}
    # what the paper does not have comes last; what comes first in the directory, first
    runs["order"] = [places.get(label, len(places)) for label in runs["label"]]
    runs["first"], runs["point"] = (runs[name].factorize()[0] for name in ("dataset", "label"))
    order = ["first", "order", "point", "seed"]
    return runs.sort_values(order, ignore_index=True).drop(columns=order[:3])


def _read_run(folder: RunFolder) -> dict[str, Any]:
    configuration, result, error = folder.read_configuration(), folder.read_result(), folder.read_error()
    if result is not None:
        names = ("configuration", "data", "environment", "metrics", "seconds")
        wrong = [name for name in names if not isinstance(result.get(name), Mapping)]
        wrong += [name for name in ("modality_weights", "num_parameters") if name not in result]
        if wrong:
            raise ValueError(
                f"{folder.result} is not the result of a run: it has no {wrong[0]}. Remove it, and run it again."
            )
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
        "missing_by": parameters.get("missing_by", "uniform"),
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


def make_label(variant: str, place: str) -> str:
    """Return what tells runs of a variant at a place from others of the same dataset."""
    return f"{variant}, {place}" if place else variant
