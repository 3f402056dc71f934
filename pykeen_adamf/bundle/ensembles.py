"""Files of ensembles, which name the runs or bundles of the parts, and have their weights."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from .. import __version__
from ..atomic import written_atomically
from ..plain_files import read_json
from ..typing import NumpyArray
from .layout import CONFIGURATION_NAME, ENSEMBLE_NAME, BundleError, find_bundle, naming

__all__ = ["EnsembleFile", "read_ensemble", "write_ensemble"]

#: What tells it from other JSON files.
FORMAT: Final = "pykeen-adamf ensemble"


class EnsembleFile(NamedTuple):
    """What a file of an ensemble says."""

    #: the folders of runs, or bundles, of the parts
    parts: list[Path]
    #: shape: ``(num_relations, num_parts)``, by the IDs of relations
    weights: list[list[float]]


def write_ensemble(directory: str | Path, parts: Sequence[Path], weights: NumpyArray) -> Path:
    """Write the file of an ensemble.

    :param directory: The directory, which is created if necessary. An ensemble which is there is replaced.
    :param parts: The folders of runs, or bundles, of the parts. They stay where they are, relative to the directory.
    :param weights: shape: ``(num_relations, num_parts)``, their weights.
    :returns: The directory.
    :raises OSError: if it cannot be written
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    content = {
        "format": FORMAT,
        "format_version": 1,
        "versions": {"pykeen-adamf": __version__},
        "parts": [
            {"path": os.path.relpath(path.resolve(), directory.resolve()), "weights_sha256": _read_digest(path)}
            for path in parts
        ],
        "weights": weights.tolist(),
    }
    with written_atomically(directory / ENSEMBLE_NAME) as path:
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return directory


def read_ensemble(directory: Path) -> EnsembleFile:
    """Read the file of an ensemble.

    :param directory: The directory of the ensemble.
    :raises BundleError: if it is damaged, or a part is missing, or another one than it was
    """
    path = directory / ENSEMBLE_NAME
    with naming(path):
        content = read_json(path)
        if not isinstance(content, dict) or (content.get("format"), content.get("format_version")) != (FORMAT, 1):
            raise BundleError(f"{path} describes no ensemble that this version of pykeen-adamf, {__version__}, reads.")
        parts = [(directory / x["path"], x["weights_sha256"]) for x in content["parts"]]
        weights = [[float(x) for x in row] for row in content["weights"]]
        if not parts or not weights or any(len(row) != len(parts) for row in weights):
            raise BundleError(f"{path} is damaged: its weights are not those of its {len(parts)} parts.")
        if any(x < 0 for row in weights for x in row) or not all(map(any, weights)):
            raise BundleError(f"{path} is damaged: weights must not be negative, nor all zero.")
    for part, digest in parts:
        if _read_digest(part) != digest:
            raise BundleError(
                f"The model in {part} has changed since the ensemble {directory} was made. Make the ensemble anew."
            )
    return EnsembleFile([part for part, _ in parts], weights)


def _read_digest(part: Path) -> Any:
    """Return the digest of a part's weights; whether they are those is checked when they are loaded."""
    path = find_bundle(part) / CONFIGURATION_NAME
    if not path.is_file():
        raise BundleError(f"{part}, a part of an ensemble, has no {CONFIGURATION_NAME}. Was it moved, or never saved?")
    with naming(path):
        return read_json(path)["weights_sha256"]
