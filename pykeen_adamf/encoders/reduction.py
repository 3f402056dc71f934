"""Fewer dimensions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy
from sklearn.decomposition import PCA

from .problems import EncodingError
from .weights import versions_of

__all__ = ["reduce_rows"]

#: How many rows are projected at once.
CHUNK: Final = 4096


def reduce_rows(
    source: Path, target: Path, presence: Sequence[bool], source_dim: int, dim: int, dtype: str
) -> dict[str, str]:
    """Reduce rows to their principal components.

    The components are computed from the present rows, all of which are held in memory, in double precision; nothing
    else is.

    :param source: The path of a file with nothing but the rows, in single precision.
    :param target: Where to write the reduced rows.
    :param presence: Which rows are present.
    :param source_dim: The dimension of the rows.
    :param dim: The dimension of the reduced rows.
    :param dtype: The data type of the reduced rows.
    :returns: How they have been reduced, to be stored beside them.
    :raises EncodingError: if there are not enough rows
    """
    present = numpy.flatnonzero(presence)
    check_dim(dim, num_rows=len(present), source_dim=source_dim, what="entities with a vector")
    rows = numpy.memmap(source, dtype=numpy.float32, mode="r", shape=(len(presence), source_dim))
    # neither of them has any random state; the one takes memory for a matrix of the features, the other of the rows
    solver = "covariance_eigh" if len(present) >= source_dim else "full"
    pca = PCA(n_components=dim, svd_solver=solver, copy=False)
    pca.fit(rows[present].astype(numpy.float64))
    with target.open("wb") as file:
        for start in range(0, len(presence), CHUNK):
            with numpy.errstate(over="ignore"):
                reduced = pca.transform(rows[start : start + CHUNK].astype(numpy.float64)).astype(dtype)
            reduced[~numpy.asarray(presence[start : start + CHUNK], dtype=bool)] = 0
            if not numpy.isfinite(reduced).all():
                raise EncodingError(f"The principal components exceed what {dtype} can hold. Use float32.")
            file.write(reduced.tobytes())
    return {
        "pca_dim": str(dim),
        "pca_source_dim": str(source_dim),
        "pca_rows": str(len(present)),
        "pca_solver": solver,
        "pca_explained_variance": f"{pca.explained_variance_ratio_.sum():.6f}",
        "pca_versions": versions_of("scikit-learn", "numpy"),
    }


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
