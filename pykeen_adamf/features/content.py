"""What archives of several entries hold: a matrix beside its labels, or one vector for each entity."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy
import torch

from ..limits import SizeLimit
from .modality import FeatureError

__all__ = ["KEY_FEATURES", "KEY_LABELS", "KEY_PRESENCE", "Content", "from_mapping", "needed_keys"]

#: Names under which archives store the matrix, the labels and the presence mask.
KEY_FEATURES: Final = "features"
KEY_LABELS: Final = "labels"
KEY_PRESENCE: Final = "presence"

#: What a reader returns: the matrix, the labels (if the file has them), and the presence mask (if the file has one).
Content = tuple[Any, Sequence[str] | None, Any]


def needed_keys(keys: Sequence[str], ndim: int | None) -> Sequence[str]:
    """Return which entries of a file are read.

    :param keys: The names of all entries.
    :param ndim: The number of dimensions of the entry that is named like the matrix, if there is one.
    """
    if ndim is None or ndim == 1:
        return keys
    return [key for key in (KEY_FEATURES, KEY_LABELS, KEY_PRESENCE) if key in keys]


def from_mapping(data: Mapping[Any, Any], limit: SizeLimit) -> Content:
    """Interpret a mapping: a matrix beside its labels, a single matrix, or one vector for each entity.

    :param data: The entries by name.
    :param limit: The limit of what vectors may take together.
    :raises FeatureError: if it is none of these
    :raises FileError: if it is too large
    """
    path = limit.path
    for key in data:
        _check_label(key, path)
    # unless these are vectors of several entities, one of which is named like the matrix
    if KEY_FEATURES in data and not (len(data) > 1 and all(map(_is_vector, data.values()))):
        labels = data.get(KEY_LABELS)
        return data[KEY_FEATURES], None if labels is None else _as_labels(labels, path), data.get(KEY_PRESENCE)
    first = next(iter(data.values()), None)
    if len(data) == 1 and getattr(first, "ndim", None) == 2:
        return first, None, None
    vectors = {str(label): vector for label, value in data.items() if (vector := _as_vector(value)) is not None}
    if not vectors or len(vectors) < len(data) or len({len(vector) for vector in vectors.values()}) != 1:
        raise FeatureError(
            f"{path} has neither an entry {KEY_FEATURES!r}, nor a single matrix, nor one vector of the same length for "
            f"each entity; its entries are {sorted(map(str, data))[:5]}."
        )
    limit.check_content(sum(vector.nbytes for vector in vectors.values()))
    return torch.stack(list(vectors.values())), list(vectors), None


def _is_vector(value: Any) -> bool:
    """Return whether this is a vector of numbers; labels are none, in whatever order they are stored."""
    if isinstance(value, numpy.ndarray):
        return value.dtype.kind == "f" and value.ndim == 1
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim == 1


def _as_vector(value: Any) -> torch.Tensor | None:
    """Convert an array, or a list of numbers, of any shape, or return None for anything else."""
    if isinstance(value, list | tuple) and not all(type(x) in {float, int} for x in value):
        # lists in lists may be much more than they take in the file, which names each of them once
        return None
    if not isinstance(value, torch.Tensor | numpy.ndarray | list | tuple):
        return None
    if isinstance(value, torch.Tensor) and value.is_meta:
        # PyTorch imports its compiler to put these together with others
        return None
    return torch.as_tensor(value).reshape(-1)


def _as_labels(labels: Any, path: object) -> list[str]:
    """Convert labels of texts, bytes or whole numbers."""
    if isinstance(labels, numpy.ndarray) and labels.ndim == 1:
        labels = labels.tolist()
    if not isinstance(labels, list | tuple):
        raise FeatureError(f"The labels of {path} are a {type(labels).__name__}. Store a list of texts.")
    return [_check_label(label, path) for label in labels]


def _check_label(label: Any, path: object) -> str:
    """Return a label as a text."""
    if isinstance(label, bytes):
        return label.decode()
    if isinstance(label, bool | float) or not isinstance(label, str | int):
        raise FeatureError(f"{path} has a label that is a {type(label).__name__}. Labels must be texts: convert them.")
    return str(label)
