"""The features of one modality: a matrix, and who has a row in it."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Literal

import numpy
import torch
from typing_extensions import Self

from ..chunking import row_chunks, rows_per_chunk
from ..digests import digest_rows
from ..limits import explain_not_unicode
from ..suggestions import suggest
from ..typing import BoolTensor, FloatTensor, LongTensor, NumpyArray

__all__ = ["FeatureError", "ModalityFeatures", "take_rows"]


#: The data types that everything can be calculated with.
DTYPES: Final = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class FeatureError(ValueError):
    """Raised for features which cannot be used as they are; the message names the source, the entity and the fix."""


def _shorten(labels: Collection[str], limit: int = 3) -> str:
    """Show the first few labels."""
    shown = ", ".join(repr(label) for _, label in zip(range(limit), labels, strict=False))
    return f"{shown}, ... ({len(labels)} in total)" if len(labels) > limit else shown


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ModalityFeatures:
    """A feature matrix keyed by entity label, with a mask of the entities that have this modality.

    An entity without a row, or with a row of only NaN, is *missing* the modality. The values of missing rows are never
    read, and :attr:`matrix` holds zeros there.

    Use :meth:`from_matrix` to create instances: it validates and normalizes its input.
    """

    #: shape: ``(num_entities, dim)``, the features, of any floating point data type
    matrix: FloatTensor
    #: the entity labels, in row order
    labels: Sequence[str]
    #: shape: ``(num_entities,)``, whether the entity has this modality
    presence: BoolTensor
    #: where the features come from, for messages
    source: str = "features"
    #: the absolute path of the file that they were read from, if any
    path: str | None = None

    @classmethod
    def from_matrix(
        cls,
        matrix: FloatTensor | NumpyArray,
        labels: Iterable[str],
        presence: BoolTensor | NumpyArray | Sequence[bool] | None = None,
        source: str = "features",
    ) -> Self:
        """Create validated features.

        :param matrix: shape: ``(num_rows, dim)``, or ``(num_rows,)`` for one number each, the features. Integers and
            truth values become single precision.
        :param labels: The entity labels, in row order.
        :param presence: shape: ``(num_rows,)``, which entities have this modality. If ``None``, all whose row is not
            entirely NaN.
        :param source: Where the features come from, e.g., the name of the file. Used in messages.
        :returns: The features.
        :raises FeatureError: if the matrix is not a finite matrix of real numbers with one row for each
            label, if labels are duplicated, or if a row claimed present has values which are not finite
        """
        matrix = _as_float_matrix(matrix, source)
        labels = tuple(labels)
        _check_labels(labels, matrix.shape[0], source)
        present = _normalize_presence(matrix, labels, presence, source)
        if not bool(present.all()) and bool((matrix[~present] != 0).any()):
            # a copy: the caller's matrix is not ours to change
            matrix = torch.where(present.unsqueeze(dim=-1), matrix, torch.zeros_like(matrix[:1]))
        return cls(matrix=matrix, labels=labels, presence=present, source=source)

    @classmethod
    def missing(cls, labels: Iterable[str], dim: int, source: str = "features") -> Self:
        """Create features of a modality which no entity has; they take no memory.

        :param labels: The entity labels.
        :param dim: The feature dimension, which decides the size of whatever replaces the missing rows.
        :param source: Where the features would have come from.
        :returns: Features without any present row.
        """
        labels = tuple(labels)
        return cls(
            matrix=torch.zeros(1, dim).expand(len(labels), dim),
            labels=labels,
            presence=torch.zeros(len(labels), dtype=torch.bool),
            source=source,
        )

    @property
    def num_entities(self) -> int:
        """Return the number of rows, whether present or not."""
        return len(self.labels)

    @property
    def dim(self) -> int:
        """Return the feature dimension."""
        return self.matrix.shape[1]

    @property
    def num_present(self) -> int:
        """Return the number of entities that have this modality."""
        return int(self.presence.sum())

    def digest(self) -> str:
        """Return the digest of the features and of who has them, whatever kind of file they are stored in."""
        return digest_rows(self.presence.unsqueeze(dim=-1), self.matrix)

    def align(self, labels: Iterable[str], unknown: Literal["raise", "ignore"] = "raise") -> Self:
        """Re-order the rows to follow the given labels.

        :param labels: The labels, in the order of the new rows. Those without a row are missing the modality.
        :param unknown: What to do with rows whose label is not among the given ones.
        :returns: Features with exactly one row for each given label.
        :raises FeatureError: if there are rows with other labels, and those should raise
        """
        labels = tuple(labels)
        if labels == self.labels:
            return self
        others = set(self.labels).difference(labels) if unknown == "raise" else set()
        if others:
            raise FeatureError(
                f"{self.source} has rows for {_shorten(sorted(others))}, which are no entities of this graph. Check "
                f"that the labels are spelled as in the triples; pass unknown_labels='ignore' to leave such rows out."
                f"{suggest(min(others), labels)}"
            )
        if not self.labels:
            return self.missing(labels, dim=self.dim, source=self.source)
        row_of = {label: row for row, label in enumerate(self.labels)}
        rows = torch.as_tensor([row_of.get(label, -1) for label in labels], dtype=torch.long)
        # of whatever row, if there is none
        presence = (rows >= 0) & self.presence[rows]
        return dataclasses.replace(
            self, matrix=take_rows(self.matrix, rows, presence), labels=labels, presence=presence
        )

    def rename(self, labels: Iterable[str]) -> Self:
        """Give the rows new labels, in row order.

        :param labels: The new labels, one for each row.
        :returns: Features with the same rows.
        :raises FeatureError: if their number is not the number of rows, or they are not distinct
        """
        labels = tuple(labels)
        _check_labels(labels, self.num_entities, self.source)
        return dataclasses.replace(self, labels=labels)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ModalityFeatures)
            and tuple(self.labels) == tuple(other.labels)
            and self.matrix.shape == other.matrix.shape
            and bool(torch.equal(self.presence, other.presence))
            and (self.matrix is other.matrix or bool(torch.equal(self.matrix, other.matrix)))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(num_present={self.num_present}, num_entities={self.num_entities}, "
            f"dim={self.dim}, dtype={self.matrix.dtype}, source={self.source!r})"
        )


def take_rows(matrix: FloatTensor, rows: LongTensor, presence: BoolTensor) -> FloatTensor:
    """Return a copy of rows, with zeros where they are not present; it takes no memory if none is."""
    if not presence.any():
        return matrix.new_zeros(1, matrix.shape[1]).expand(len(rows), -1)
    taken = matrix[rows]
    taken[~presence] = 0
    return taken


def _check_labels(labels: Sequence[str], num_rows: int, source: str) -> None:
    """Check that there is exactly one label for each row."""
    if len(labels) != num_rows:
        raise FeatureError(
            f"{source} has {num_rows:,} rows, but there are {len(labels):,} entities. There must be exactly one row "
            f"for each entity, in the entities' order; or use a file which stores the labels beside the rows."
        )
    if len(set(labels)) != len(labels):
        duplicates = [label for label, count in Counter(labels).items() if count > 1]
        raise FeatureError(
            f"{source} has more than one row for {_shorten(duplicates)}. Keep one row for each entity, e.g., the "
            f"mean of its rows."
        )
    if problem := explain_not_unicode(labels, source):
        raise FeatureError(problem)


def _as_float_matrix(matrix: FloatTensor | NumpyArray, source: str) -> FloatTensor:
    """Convert to a floating point tensor with two dimensions; one number for each entity is a row of its own."""
    wrong_type = "{} has the data type {}, which are no real numbers. Convert it, e.g., to float32."
    if isinstance(matrix, numpy.ndarray):
        if matrix.dtype == object:
            raise FeatureError(f"{source} is an array of Python objects. Store it as a floating point array.")
        if matrix.dtype.kind in "biu":
            matrix = matrix.astype(numpy.float32)
        if matrix.dtype.kind != "f" or matrix.dtype.itemsize > 8:
            raise FeatureError(wrong_type.format(source, matrix.dtype))
        # torch knows neither foreign byte orders, nor negative strides, nor read-only memory
        native = matrix.dtype.newbyteorder("=")
        usable = matrix.dtype == native and matrix.flags.writeable and min(matrix.strides, default=0) >= 0
        matrix = torch.from_numpy(matrix if usable else numpy.array(matrix, dtype=native, order="C"))
    if not isinstance(matrix, torch.Tensor):
        raise FeatureError(f"{source} is a {type(matrix).__name__}. Use a floating point matrix instead.")
    if matrix.layout != torch.strided or matrix.is_nested:
        raise FeatureError(f"{source} is a sparse or nested tensor. Convert it with to_dense() or to_padded_tensor().")
    if matrix.is_meta:
        raise FeatureError(f"{source} is a tensor without numbers (of the device 'meta'). Save one with numbers.")
    if matrix.is_complex() or matrix.is_quantized or (matrix.is_floating_point() and matrix.dtype not in DTYPES):
        raise FeatureError(wrong_type.format(source, matrix.dtype))
    if not matrix.is_floating_point():
        matrix = matrix.float()
    if matrix.ndim == 1:
        matrix = matrix.unsqueeze(dim=-1)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise FeatureError(
            f"{source} has the shape {tuple(matrix.shape)}, but a matrix with one row for each entity is needed. "
            f"Reshape it to (num_entities, dim)."
        )
    return matrix.detach().cpu()


def _normalize_presence(
    matrix: FloatTensor, labels: Sequence[str], presence: BoolTensor | NumpyArray | Sequence[bool] | None, source: str
) -> BoolTensor:
    """Validate a presence mask against the values, or derive it."""
    finite = _check_rows(matrix, _all_finite)
    if presence is None:
        present = finite if bool(finite.all()) else ~_check_rows(matrix, _all_nan)
    else:
        present = _as_mask(presence, num_rows=matrix.shape[0], source=source)
    bad = present & ~finite
    if bool(bad.any()):
        raise FeatureError(
            f"{source} has NaN or infinite values for {_shorten([labels[i] for i in bad.nonzero().view(-1).tolist()])},"
            f" although these entities are to have the modality. Fill in the values; or, if the entity lacks the "
            f"modality, set its whole row to NaN or its presence to False."
        )
    return present


def _check_rows(matrix: FloatTensor, check: Callable[[FloatTensor], BoolTensor]) -> BoolTensor:
    """Return for which rows a check holds, without anything else of the size of a large matrix."""
    size = rows_per_chunk(matrix.shape[1], matrix.device)
    result = torch.empty(len(matrix), dtype=torch.bool)
    for start, stop in row_chunks(len(matrix), size):
        result[start:stop] = check(matrix[start:stop])
    return result


def _all_finite(rows: FloatTensor) -> BoolTensor:
    """Return which rows have finite values only."""
    # one pass, since a sum is finite only if all numbers are; others may have become too large
    finite = torch.isfinite(rows.sum(dim=-1))
    if not bool(finite.all()):
        finite[~finite] = torch.isfinite(rows[~finite]).all(dim=-1)
    return finite


def _all_nan(rows: FloatTensor) -> BoolTensor:
    """Return which rows are NaN."""
    return torch.isnan(rows).all(dim=-1)


def _as_mask(presence: BoolTensor | NumpyArray | Sequence[bool], num_rows: int, source: str) -> BoolTensor:
    """Convert to a boolean tensor with one value for each row."""
    if isinstance(presence, list | tuple) and all(isinstance(x, bool | numpy.bool) for x in presence):
        presence = numpy.array(presence, dtype=bool)
    if isinstance(presence, numpy.ndarray) and presence.dtype == bool:
        presence = torch.from_numpy(presence.copy())
    if not isinstance(presence, torch.Tensor) or presence.dtype != torch.bool or presence.shape != (num_rows,):
        kind = getattr(presence, "dtype", type(presence).__name__)
        raise FeatureError(
            f"The presence mask of {source} is of {kind} with the shape {tuple(getattr(presence, 'shape', ()))}, but "
            f"must be boolean with one value for each of the {num_rows:,} rows."
        )
    presence = presence.detach().cpu()
    if bool((presence.view(torch.uint8) > 1).any()):
        raise FeatureError(f"The presence mask of {source} has values other than 0 and 1. Store it again.")
    return presence
