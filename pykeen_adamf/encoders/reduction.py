"""Fewer dimensions."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy

from ..chunking import row_chunks
from ..typing import NumpyArray
from .problems import EncodingError
from .weights import versions_of

__all__ = ["check_dim", "reduce_rows"]

#: How many numbers of the rows are read at once.
CHUNK: Final = 1 << 20


def reduce_rows(
    source: Path, target: Path, presence: Sequence[bool], source_dim: int, dim: int, dtype: str
) -> dict[str, str]:
    """Reduce the rows in a file, in single precision, to their principal components, and return how.

    The components are computed in double precision, of the covariance of the dimensions, or of the inner products of
    the present rows, whichever is smaller. In memory are one or two copies of this matrix and the components; the rows
    are read from the disk, some at a time. scikit-learn needs all of them at once, or else approximates.

    :raises EncodingError: if there are not enough rows, or the data type cannot hold the components
    """
    is_present = numpy.asarray(presence, dtype=bool)
    indices = numpy.flatnonzero(is_present)
    check_dim(dim, num_rows=len(indices), source_dim=source_dim, what="entities with a vector")
    rows = numpy.memmap(source, dtype=numpy.float32, mode="r", shape=(len(presence), source_dim))
    mean = numpy.zeros(source_dim)
    for start, stop in row_chunks(len(indices), _chunk_size(source_dim)):
        mean += rows[indices[start:stop]].sum(axis=0, dtype=numpy.float64) / len(indices)
    directions, explained = _find_components(rows, indices, mean, dim)
    with target.open("wb") as file:
        for start, stop in row_chunks(len(rows), _chunk_size(source_dim)):
            with numpy.errstate(over="ignore"):
                reduced = ((rows[start:stop] - mean) @ directions).astype(dtype)
            reduced[~is_present[start:stop]] = 0
            if not numpy.isfinite(reduced).all():
                raise EncodingError(f"The principal components exceed what {dtype} can hold. Use float32.")
            file.write(reduced.tobytes())
    return {
        "pca_dim": str(dim),
        "pca_source_dim": str(source_dim),
        "pca_rows": str(len(indices)),
        "pca_solver": f"eigenvectors of the {'covariance' if len(indices) >= source_dim else 'inner products'}",
        "pca_explained_variance": f"{explained:.6f}",
        "pca_versions": versions_of("scipy", "numpy"),
    }


def _find_components(rows: NumpyArray, indices: NumpyArray, mean: NumpyArray, dim: int) -> tuple[NumpyArray, float]:
    """Return the principal components of some rows, as columns, and which part of the variance they explain."""
    # takes a while
    from scipy.linalg import eigh

    is_wide = len(indices) < len(mean)
    size, length = sorted((len(indices), len(mean)))

    def chunks() -> Iterator[NumpyArray]:
        """Iterate over some centered rows at a time, or over the columns of a wide matrix."""
        for start, stop in row_chunks(length, _chunk_size(size)):
            # in double precision: subtracting the mean after any multiplication would lose digits
            yield (rows[indices, start:stop] - mean[start:stop]).T if is_wide else rows[indices[start:stop]] - mean

    total = numpy.zeros((size, size))
    for chunk in chunks():
        total += chunk.T @ chunk
    variance = numpy.trace(total)
    # transposed, since only what is contiguous by columns is overwritten rather than copied
    values, vectors = eigh(
        total.T, subset_by_index=[size - dim, size - 1], overwrite_a=True, check_finite=False, driver="evr"
    )
    values, directions = numpy.maximum(values[::-1], 0), vectors[:, ::-1]
    if is_wide:
        # there is no direction where nothing varies, e.g., if there are as many components as rows
        is_usable = values > values[0] * size * numpy.finfo(numpy.float64).eps
        weights = directions * (is_usable / numpy.sqrt(numpy.where(is_usable, values, 1)))
        directions = numpy.concatenate([chunk @ weights for chunk in chunks()])
    # the largest absolute value of each direction is positive, as in scikit-learn
    largest = directions[numpy.abs(directions).argmax(axis=0), numpy.arange(dim)]
    return directions * numpy.where(largest < 0, -1, 1), float(values.sum() / variance) if variance > 0 else 1.0


def _chunk_size(width: int) -> int:
    """Return how many rows to read at once."""
    return max(CHUNK // width, 1)


def check_dim(dim: int, num_rows: int, source_dim: int, what: str = "entities") -> None:
    """Raise an :class:`EncodingError` unless rows of a dimension have so many principal components."""
    if not 1 <= dim <= min(num_rows, source_dim):
        raise EncodingError(
            f"Cannot reduce to dim={dim}: there are {num_rows:,} {what} and {source_dim:,} dimensions, and there can "
            f"be no more principal components than the smaller number. Choose a smaller dim, or leave it out."
        )
