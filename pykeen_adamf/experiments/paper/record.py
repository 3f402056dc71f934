"""What was asked of an experiment's directory: ``experiment.json``, which grows with what is asked later."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..results import write_json
from .claims import claimed
from .planning import Run
from .running import RunFiles, read_result

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
    entries = {_get_key(entry): entry for entry in present["runs"]}
    added = [_describe(run) for run in runs]
    replaced = []
    for run, entry in zip(runs, added, strict=True):
        other = entries.get(_get_key(entry), entry)
        if other["id"] == run.id:
            continue
        if _is_bound(directory, other):
            raise ValueError(
                f"{directory} has {run.describe()}, with {_describe_difference(other, entry)}, and a report of both "
                f"would compare what cannot be compared. Choose another directory, or ask for the same as before."
            )
        replaced.append(other)
    for other in replaced:
        # without a result, or a failed one: a mistake may be corrected
        RunFiles(directory, other["id"]).result.unlink(missing_ok=True)
    changed = {_get_key(entry): entry for entry in added}
    if entries | changed != entries or not (directory / FILE_NAME).exists():
        write_json(directory / FILE_NAME, {**present, "runs": list((entries | changed).values())})


def _is_bound(directory: Path, entry: Mapping[str, Any]) -> bool:
    """Return whether there is something of a run that must not be lost: a result, or somebody who works on it."""
    files = RunFiles(directory, entry["id"])
    result = read_result(files.result)
    return files.lock.exists() if result is None else result["error"] is None


def _describe_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Describe what is different between two runs that are the same in the experiment."""
    there, here = (_flatten(entry["configuration"]["pipeline"]) for entry in (old, new))
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    # where the files are does not matter
    names = [name for name in names if not name.startswith("dataset_kwargs")]
    parts = [f"{name}: {there.get(name, 'none')} there, {here.get(name, 'none')} here" for name in names]
    if old["num_test_triples"] != new["num_test_triples"]:
        parts.append(
            f"ranked test triples: {old['num_test_triples'] or 'all'} there, {new['num_test_triples'] or 'all'} here"
        )
    settings = f"other settings ({'; '.join(parts)})" if parts else ""
    data = "other data" if old["data"] != new["data"] else ""
    return " and ".join(filter(None, [settings, data]))


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by the names of all levels, joined by dots."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        result |= _flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return result


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
