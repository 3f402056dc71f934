"""What was asked of an experiment's directory: ``experiment.json``, which grows with what is asked later."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ..results import write_json
from .claims import claimed
from .planning import Run

__all__ = ["FILE_NAME", "check_directory", "read_experiment", "record_experiment"]

FILE_NAME: Final = "experiment.json"
FORMAT: Final = 1


def read_experiment(directory: Path) -> dict[str, Any] | None:
    """Read what was asked of a directory.

    :param directory: The directory of the experiment.
    :returns: The content of its file, or ``None`` if there is none.
    :raises ValueError: if the file is none of ours
    """
    path = directory / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is not an experiment's file: {error}. Choose another directory.") from error
    names = {"format", "experiment", "runs"}
    if not isinstance(content, dict) or not names.issubset(content) or content["format"] != FORMAT:
        raise ValueError(f"{path} is not an experiment's file that this version can read. Choose another directory.")
    return content


def check_directory(directory: Path, experiment: str) -> None:
    """Check that an experiment can be written to a directory, which is created if necessary.

    :param directory: The directory.
    :param experiment: The name of the experiment.
    :raises OSError: if it cannot be written to
    :raises ValueError: if it is another experiment's
    """
    try:
        (directory / "runs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"Cannot write to {directory}: {error}. Choose another directory.") from error
    if not os.access(directory, os.W_OK) or not os.access(directory / "runs", os.W_OK):
        raise OSError(f"Cannot write to {directory}. Choose another directory.")
    present = read_experiment(directory)
    if present is not None and present["experiment"] != experiment:
        raise ValueError(
            f"{directory} has results of {present['experiment']}, and cannot have those of {experiment}, too. Choose "
            f"another directory."
        )


def record_experiment(directory: Path, experiment: str, runs: Sequence[Run]) -> None:
    """Add runs to what was asked of a directory.

    :param directory: The directory.
    :param experiment: The name of the experiment.
    :param runs: The runs.
    :raises OSError: if it cannot be written to
    :raises ValueError: if it is another experiment's, or has the same runs with other settings or data
    """
    check_directory(directory, experiment)
    # another process may be adding others, or the same ones with other settings
    with claimed(directory / "experiment.lock"):
        _add(directory, experiment, runs)


def _add(directory: Path, experiment: str, runs: Sequence[Run]) -> None:
    """Add runs, while nobody else does."""
    check_directory(directory, experiment)
    present = read_experiment(directory) or {"format": FORMAT, "experiment": experiment, "runs": []}
    ids = {_get_key(entry): entry["id"] for entry in present["runs"]}
    added = [_describe(run) for run in runs]
    for run, entry in zip(runs, added, strict=True):
        if ids.get(_get_key(entry), run.id) != run.id:
            raise ValueError(
                f"{directory} has {run.describe()}, with other settings or other data, and a report of both would "
                f"compare what cannot be compared. Choose another directory, or ask for the same settings as before, "
                f"e.g., the same number of epochs."
            )
    new = [entry for entry in added if _get_key(entry) not in ids]
    if new or not (directory / FILE_NAME).exists():
        write_json(directory / FILE_NAME, {**present, "runs": [*present["runs"], *new]})


def _describe(run: Run) -> dict[str, Any]:
    """Describe a run."""
    return {
        "id": run.id,
        "variant": run.variant,
        "dataset": run.dataset,
        "seed": run.seed,
        "parameters": dict(run.parameters),
        "num_test_triples": run.num_test_triples,
        "configuration": run.configuration,
        "data": run.data,
    }


def _get_key(entry: dict[str, Any]) -> tuple[str, str, str, int]:
    """Return what a run is in the experiment, cf. :attr:`Run.key`."""
    parameters = json.dumps(entry["parameters"], sort_keys=True)
    return entry["dataset"], entry["variant"], parameters, entry["seed"]
