"""Reading features from HDF5 files; needs the extra ``h5``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy

from .modality import FeatureError

__all__ = ["read_hdf5"]


def read_hdf5(path: Path, labels: Sequence[str] | None) -> tuple[Any, Sequence[str] | None, Any]:
    """Read one matrix, or one dataset for each entity as in the release of MMRNS.

    An entity's dataset may hold several vectors, e.g., one for each of its images; they are averaged (eq. 1 of the
    AdaMF-MAT paper).

    :param labels: The entities to look up. HDF5 reads slashes in names as folders and collapses repeated ones; looking
        names up is hence the only exact way to get labels such as URIs back.
    :returns: The matrix, the labels of its rows if the file stores them, and no presence mask.
    :raises FeatureError: if h5py is not installed, or the entities' datasets differ in dimension
    """
    try:
        import h5py
    except ImportError as error:
        raise FeatureError(f"Reading {path} needs h5py. Install it with: pip install pykeen-adamf[h5]") from error

    with h5py.File(path, "r") as file:
        names = list(_walk(file))
        # as HDF5 normalizes paths
        known = {"/".join(part for part in label.split("/") if part): label for label in labels or ()}
        if len(names) == 1 and names[0] not in known and file[names[0]].ndim == 2:
            return file[names[0]][()], None, None
        vectors = {known.get(name, name): _mean(file[name][()]) for name in names}
    dims = {vector.shape for vector in vectors.values()}
    if len(dims) != 1:
        raise FeatureError(f"{path} must have one vector of the same length for each entity; got shapes {dims}.")
    return numpy.stack(list(vectors.values())), list(vectors), None


def _walk(group: Any, prefix: str = "", ancestors: tuple[Any, ...] = ()) -> Iterator[str]:
    """Iterate over the names of all datasets; h5py's own visitor leaves out those that are linked from elsewhere."""
    for key in group:
        # None for a link that leads nowhere
        item = group.get(key)
        if hasattr(item, "keys"):
            if item.id not in ancestors:
                yield from _walk(item, f"{prefix}{key}/", (*ancestors, group.id))
        elif hasattr(item, "shape"):
            yield f"{prefix}{key}"


def _mean(vectors: Any) -> Any:
    """Average over all leading dimensions."""
    vectors = numpy.asarray(vectors)
    if vectors.ndim < 2:
        return vectors
    vectors = vectors.reshape(-1, vectors.shape[-1])
    if vectors.dtype.kind not in "biuf" and len(vectors):
        # an average would hide that these are no numbers
        return vectors[0]
    # an entity without any image misses the modality
    return vectors.mean(axis=0) if len(vectors) else numpy.full(vectors.shape[1], numpy.nan, dtype=vectors.dtype)
