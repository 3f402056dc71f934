"""Features in tables: data frames, and files of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy
import pandas
from pandas.api.types import is_numeric_dtype, is_object_dtype, is_string_dtype

from ..limits import SizeLimit
from ..tables import is_number, read_table
from ..typing import NumpyArray
from .modality import FeatureError

__all__ = ["read_frame", "split_frame"]

#: What the column with the labels of entities may be called, in any case; others are recognized by what is in them.
LABEL_COLUMNS: Final = ("entity", "label", "labels", "id", "name", "")

#: How many values are parsed at once.
MAX_PARSED: Final = 2**18


def read_frame(
    path: Path, labels: Sequence[str] | None, limit: SizeLimit
) -> tuple[NumpyArray, Sequence[str] | None, None]:
    """Read a table with an entity in each row: its label first, and then its numbers, with or without a header.

    :returns: The matrix, the labels of its rows, and no presence mask.
    :raises FeatureError: if the table cannot be read, or has something else than numbers
    """
    try:
        frame = read_table(path, lambda fields: len(fields) > 1 and _has_numbers(fields), limit)
    except ValueError as error:
        raise FeatureError(str(error)) from error
    if path.suffix.lower() != ".parquet":
        frame = _parse(frame, path)
    return (*split_frame(frame, str(path)), None)


def _has_numbers(fields: Sequence[str]) -> bool:
    """Return whether all fields but the first are numbers, or else none of them is, as in a header."""
    return len({is_number(field) for field in fields[1:] if field.strip()}) < 2


def _parse(frame: pandas.DataFrame, path: Path) -> pandas.DataFrame:
    """Turn texts into a header, if there is one, a column of labels, and columns of numbers."""
    first = [str(x) for x in frame.iloc[0]]
    if not any(is_number(x) for x in first[1:]):
        frame = frame.iloc[1:].set_axis(first, axis=1)
    if frame.shape[1] < 2 or not len(frame):
        raise FeatureError(f"{path} is damaged, or no table of features: each row must have a label, and then numbers.")
    labels, matrix = frame.iloc[:, 0], numpy.empty((len(frame), frame.shape[1] - 1), dtype=numpy.float32)
    # by rows rather than by columns, each of which takes pandas a time of its own
    size = max(1, MAX_PARSED // matrix.shape[1])
    for start in range(0, len(frame), size):
        texts = pandas.Series(frame.iloc[start : start + size, 1:].to_numpy(dtype=object).ravel()).str.strip()
        numbers = pandas.to_numeric(texts.replace("", "nan"), errors="coerce")
        wrong = numbers.isna() & ~texts.str.lower().isin(["", "nan", "na", "null", "none"])
        if wrong.any():
            row = start + int(wrong.argmax()) // matrix.shape[1]
            raise FeatureError(
                f"{path} has {texts[wrong].iloc[0]!r} for {labels.iloc[row]!r}, which is no number. Features are "
                f"numbers: encode texts and images by 'pykeen-adamf encode', and attributes of other kinds by its "
                f"encoder 'numeric'."
            )
        matrix[start : start + size] = numbers.to_numpy(dtype=numpy.float32).reshape(-1, matrix.shape[1])
    return pandas.DataFrame(matrix).set_axis(labels, axis=0)


def split_frame(frame: pandas.DataFrame, source: str) -> tuple[NumpyArray, list[str] | None]:
    """Return the numbers of a data frame and the labels of its rows.

    The labels are the index; or, if this only counts rows, the first column, if it has texts or is called like one of
    labels (*entity, label, id, name*). Otherwise there are none. A single other column may have the vectors.

    :returns: shape: ``(num_rows, dim)``, the matrix, with NaN for what is missing, and the labels of its rows, if any
    :raises FeatureError: if the other columns have no numbers, or a row has some of them only
    """
    is_counted = isinstance(frame.index, pandas.RangeIndex) and frame.index.start == 0 and frame.index.step == 1
    labels = None if is_counted else frame.index
    if is_counted and frame.shape[1] > 1:
        first = frame.iloc[:, 0]
        if is_string_dtype(first) or str(frame.columns[0]).strip().lower() in LABEL_COLUMNS:
            labels, frame = pandas.Index(first), frame.iloc[:, 1:]
    if labels is not None and labels.hasnans:
        raise FeatureError(f"{source} has a row without a label, the {int(labels.isna().argmax()) + 1}th. Remove it.")
    matrix = _as_matrix(frame, source)
    missing = numpy.isnan(matrix)
    partial = numpy.flatnonzero(missing.any(axis=1) & ~missing.all(axis=1))
    if len(partial):
        row = partial[0] if labels is None else repr(str(labels[partial[0]]))
        raise FeatureError(
            f"{source} has only some of the values of {row}, and of {len(partial) - 1:,} others. Fill in the values, "
            f"or encode the table by the encoder 'numeric', which knows holes."
        )
    return matrix, None if labels is None else [str(label) for label in labels]


def _as_matrix(frame: pandas.DataFrame, source: str) -> NumpyArray:
    """Return the numbers of a data frame in as much precision as they need."""
    if frame.shape[1] == 1 and is_object_dtype(frame.iloc[:, 0]):
        vectors = [numpy.asarray(x, dtype=float).reshape(-1) for x in _require_vectors(frame.iloc[:, 0], source)]
        return numpy.stack(vectors).astype(numpy.float32)
    for name, column in frame.items():
        if not is_numeric_dtype(column.dtype):
            example = next(iter(column.dropna()), None)
            raise FeatureError(
                f"The column {name!r} of {source} has no numbers, but, e.g., {example!r}. Leave it out, or encode the "
                f"table by the encoder 'numeric', which knows categories and dates."
            )
    wide = any(dtype.itemsize > 4 and dtype.kind == "f" for dtype in frame.dtypes)
    result: NumpyArray = frame.to_numpy(dtype=numpy.float64 if wide else numpy.float32, na_value=numpy.nan)
    return result


def _require_vectors(column: Any, source: str) -> list[Any]:
    """Return the vectors in a column, or raise an error if they are none of equal length."""
    vectors = list(column)
    lengths = {len(x) if isinstance(x, list | tuple | numpy.ndarray) else -1 for x in vectors}
    if len(lengths) != 1 or -1 in lengths:
        raise FeatureError(f"{source} must have numbers, or one column with a vector of equal length in each row.")
    return vectors
