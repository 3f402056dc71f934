"""Fewer dimensions."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy

from ..typing import NumpyArray
from .problems import EncodingError
from .weights import versions_of

__all__ = ["reduce_rows"]

#: How many numbers of the rows are read at once.
CHUNK: Final = 1 << 20


class Components(NamedTuple):
    """Principal components."""

    #: shape: ``(source_dim,)``, the mean of the rows
    mean: NumpyArray

    #: shape: ``(dim, source_dim)``, with a largest absolute value that is positive in every row
    directions: NumpyArray

    #: which part of the variance they explain
    explained: float

    #: of what matrix they are computed
    solver: str


def reduce_rows(
    source: Path, target: Path, presence: Sequence[bool], source_dim: int, dim: int, dtype: str
) -> dict[str, str]:
    """Reduce rows to their principal components.

    The components are computed in double precision, of the covariance of the dimensions, or of the inner products of
    the present rows, whichever is smaller. In memory are one or two copies of this matrix and the components; the rows
    are read from the disk, some at a time.

    :param source: The path of a file with nothing but the rows, in single precision.
    :param target: Where to write the reduced rows.
    :param presence: Which rows are present.
    :param source_dim: The dimension of the rows.
    :param dim: The dimension of the reduced rows.
    :param dtype: The data type of the reduced rows.
    :returns: How they have been reduced, to be stored beside them.
    :raises EncodingError: if there are not enough rows
    """
    is_present = numpy.asarray(presence, dtype=bool)
    num_rows = int(is_present.sum())
    check_dim(dim, num_rows=num_rows, source_dim=source_dim, what="entities with a vector")
    rows = numpy.memmap(source, dtype=numpy.float32, mode="r", shape=(len(presence), source_dim))
    mean = numpy.zeros(source_dim)
    for part in _parts(len(rows), source_dim):
        mean += rows[part][is_present[part]].sum(axis=0, dtype=numpy.float64) / num_rows
    find = _by_covariance if num_rows >= source_dim else _by_inner_products
    components = find(rows, is_present, mean, dim)
    with target.open("wb") as file:
        for part in _parts(len(rows), source_dim):
            with numpy.errstate(over="ignore"):
                reduced = (_centered(rows[part], mean) @ components.directions.T).astype(dtype)
            reduced[~is_present[part]] = 0
            if not numpy.isfinite(reduced).all():
                raise EncodingError(f"The principal components exceed what {dtype} can hold. Use float32.")
            file.write(reduced.tobytes())
    return {
        "pca_dim": str(dim),
        "pca_source_dim": str(source_dim),
        "pca_rows": str(num_rows),
        "pca_solver": components.solver,
        "pca_explained_variance": f"{components.explained:.6f}",
        "pca_versions": versions_of("scipy", "numpy"),
    }


def _parts(length: int, width: int) -> Iterator[slice]:
    """Iterate over ranges of rows, or of dimensions, such that each has a limited number of numbers."""
    step = max(CHUNK // width, 1)
    for start in range(0, length, step):
        yield slice(start, start + step)


def _centered(rows: NumpyArray, mean: NumpyArray) -> NumpyArray:
    """Subtract the mean, in double precision: doing it after any multiplication would lose digits."""
    centered: NumpyArray = rows - mean
    return centered


def _by_covariance(rows: NumpyArray, is_present: NumpyArray, mean: NumpyArray, dim: int) -> Components:
    """Compute components by the covariance of the dimensions, for more rows than dimensions."""
    total = numpy.zeros((len(mean), len(mean)))
    for part in _parts(len(rows), len(mean)):
        chunk = _centered(rows[part][is_present[part]], mean)
        total += chunk.T @ chunk
    variance = numpy.trace(total)
    values, vectors = _largest(total, dim)
    return Components(mean, _fix_signs(vectors.T), _ratio(values, variance), "eigenvectors of the covariance")


def _by_inner_products(rows: NumpyArray, is_present: NumpyArray, mean: NumpyArray, dim: int) -> Components:
    """Compute components by the inner products of the rows, for more dimensions than rows."""
    indices = numpy.flatnonzero(is_present)
    total = numpy.zeros((len(indices), len(indices)))
    for part in _parts(len(mean), len(indices)):
        chunk = _centered(rows[indices, part], mean[part])
        total += chunk @ chunk.T
    variance = numpy.trace(total)
    values, vectors = _largest(total, dim)
    # there is no direction where nothing varies, e.g., if there are as many components as rows
    is_usable = values > values[0] * len(indices) * numpy.finfo(numpy.float64).eps
    weights = (vectors * (is_usable / numpy.sqrt(numpy.where(is_usable, values, 1)))).T
    directions = numpy.empty((dim, len(mean)))
    for part in _parts(len(mean), len(indices)):
        directions[:, part] = weights @ _centered(rows[indices, part], mean[part])
    return Components(mean, _fix_signs(directions), _ratio(values, variance), "eigenvectors of the inner products")


def _largest(matrix: NumpyArray, num: int) -> tuple[NumpyArray, NumpyArray]:
    """Return the largest eigenvalues of a symmetric matrix, in descending order, and their vectors, as columns.

    The matrix is overwritten.
    """
    # takes a while
    from scipy.linalg import eigh

    size = len(matrix)
    # transposed, since only what is contiguous by columns is overwritten rather than copied
    values, vectors = eigh(
        matrix.T, subset_by_index=[size - num, size - 1], overwrite_a=True, check_finite=False, driver="evr"
    )
    return numpy.maximum(values[::-1], 0), vectors[:, ::-1]


def _fix_signs(directions: NumpyArray) -> NumpyArray:
    """Choose signs such that the largest absolute value of each row is positive, as scikit-learn does."""
    largest = numpy.abs(directions).argmax(axis=1)
    signs = numpy.sign(directions[numpy.arange(len(directions)), largest])
    fixed: NumpyArray = directions * numpy.where(signs == 0, 1, signs)[:, None]
    return fixed


def _ratio(values: NumpyArray, variance: Any) -> float:
    """Return which part of the variance is explained, all of it if there is none."""
    return float(values.sum() / variance) if variance > 0 else 1.0


def check_dim(dim: int, num_rows: int, source_dim: int, what: str = "entities") -> None:
    """Check that there can be so many principal components.

    :param dim: The number of components.
    :param num_rows: The number of rows.
    :param source_dim: The dimension of the rows.
    :param what: What the rows are, for messages.
    :raises EncodingError: if there cannot
    """
    if not 1 <= dim <= min(num_rows, source_dim):
        raise EncodingError(
            f"Cannot reduce to dim={dim}: there are {num_rows:,} {what} and {source_dim:,} dimensions, and there can "
            f"be no more principal components than the smaller number. Choose a smaller dim, or leave it out."
        )
