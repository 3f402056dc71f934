"""Reading features from HDF5 files; needs the extra ``h5``."""

import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy

from ..limits import FileError, SizeLimit
from .content import Content
from .modality import FeatureError

__all__ = ["read_hdf5"]

#: Names are made of those of all groups that they are in.
MAX_NAME: Final = 4096

#: The filters by number: deflate, shuffle, checksums, and LZF. Others may be libraries that are loaded from somewhere.
DEFLATE: Final = 1
FILTERS: Final = {DEFLATE, 2, 3, 32000}

#: Deflate makes at most a thousand bytes of one: compressed parts of no more bytes are harmless, whatever is in them.
MAX_CHUNK: Final = 2**14

#: How many bytes of larger ones are made at once to count them.
BLOCK: Final = 2**20


def read_hdf5(path: Path, labels: Sequence[str] | None, limit: SizeLimit) -> Content:
    """Read one matrix, or one dataset for each entity as in the release of MMRNS.

    An entity's dataset may hold several vectors, e.g., one for each of its images; they are averaged (eq. 1 of the
    AdaMF-MAT paper). Nothing is read that is stored elsewhere, be it in another file: links by name and virtual or
    external datasets are refused.

    :param labels: The entities to look up. HDF5 reads slashes in names as folders and collapses repeated ones; looking
        names up is hence the only exact way to get labels such as URIs back.
    :param limit: The limit of what may be read.
    :returns: The matrix, the labels of its rows if the file stores them, and no presence mask.
    :raises FeatureError: if h5py is not installed, or the entities' datasets differ in dimension
    :raises FileError: if something is stored elsewhere, or too large
    """
    try:
        import h5py
    except ImportError as error:
        raise FeatureError(f"Reading {path} needs h5py. Install it with: pip install pykeen-adamf[h5]") from error

    with h5py.File(path, "r") as file:
        found = list(_walk(file.id, path))
        # as HDF5 normalizes paths
        known = {"/".join(part for part in label.split("/") if part): label for label in labels or ()}
        reader = _Reader(limit)
        if len(found) == 1 and found[0][0] not in known and len(reader.open(*found[0]).shape) == 2:
            return reader.read(*found[0])[()], None, None
        vectors = {known.get(name, name): _mean(reader.read(name, *place)) for name, *place in found}
    dims = {vector.shape for vector in vectors.values()}
    if len(dims) != 1:
        raise FeatureError(f"{path} must have one vector of the same length for each entity; got shapes {dims}.")
    return numpy.stack(list(vectors.values())), list(vectors), None


def _walk(root: Any, path: Path) -> Iterator[tuple[str, Any, bytes]]:
    """Iterate over all datasets: the name, and the group and the name in it. Each group is looked at once."""
    from h5py import h5g, h5l, h5o

    seen = {h5o.get_info(root).addr}
    # without recursion, since groups may be nested as deeply as a file is long
    open_groups = [("", root, iter(list(root)))]
    while open_groups:
        prefix, group, keys = open_groups[-1]
        key = next(keys, None)
        if key is None:
            open_groups.pop()
            continue
        name = f"{prefix}{key.decode()}"
        if len(name) > MAX_NAME:
            raise FileError(f"{path} has a name of more than {MAX_NAME:,} characters. Shorten the labels.")
        if group.links.get_info(key).type != h5l.TYPE_HARD:
            raise FileError(
                f"{path} has a link at {name!r}, which may lead anywhere and is not followed. Store the data there."
            )
        info = h5o.get_info(group, key)
        if info.type == h5o.TYPE_DATASET:
            yield name, group, key
        elif info.type == h5o.TYPE_GROUP and info.addr not in seen:
            seen.add(info.addr)
            inner = h5g.open(group, key)
            open_groups.append((f"{name}/", inner, iter(list(inner))))


class _Reader:
    """Reads datasets that are all in the file, and together not too large."""

    def __init__(self, limit: SizeLimit) -> None:
        self.limit = limit
        self.num_bytes = 0

    def open(self, name: str, group: Any, key: bytes) -> Any:
        """Open a dataset after a look at where it is stored."""
        from h5py import Dataset, h5d

        dataset = h5d.open(group, key)
        plan = dataset.get_create_plist()
        if plan.get_layout() == h5d.VIRTUAL or plan.get_external_count():
            raise FileError(f"{self.limit.path} stores {name!r} outside of the file. Copy the data into it.")
        filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
        if not FILTERS.issuperset(filters) or len(set(filters)) < len(filters):
            raise FileError(
                f"{self.limit.path} stores {name!r} in a way that is not read. Store it with the compression 'gzip' or "
                f"'lzf', or without any."
            )
        if DEFLATE in filters:
            self._check_chunks(name, dataset, plan)
        result = Dataset(dataset)
        if result.size and not dataset.get_storage_size():
            raise FileError(f"{self.limit.path} has nothing in {name!r}, which would be read as zeros. Write the data.")
        return result

    def _check_chunks(self, name: str, dataset: Any, plan: Any) -> None:
        """Check that compressed parts are no larger than they should be: HDF5 would find out afterwards."""
        size = math.prod(plan.get_chunk()) * dataset.get_type().get_size()
        self.limit.check_content(size)
        chunks: list[Any] = []
        # one after the other, since to find the i-th takes HDF5 i steps
        dataset.chunk_iter(chunks.append)
        for chunk in chunks:
            if chunk.size > MAX_CHUNK:
                state, rest = zlib.decompressobj(), dataset.read_direct_chunk(chunk.chunk_offset)[1]
                total = 0
                while rest and not state.eof and total <= size:
                    total += len(state.decompress(rest, BLOCK))
                    rest = state.unconsumed_tail
                if total > size:
                    raise FileError(f"{self.limit.path} is damaged: {name!r} is larger than it says. Get it again.")

    def read(self, name: str, group: Any, key: bytes) -> Any:
        """Read a dataset."""
        dataset = self.open(name, group, key)
        if dataset.dtype.kind not in "fiub":
            raise FeatureError(
                f"{self.limit.path} has the data type {dataset.dtype} at {name!r}, which are no real numbers. "
                f"Convert it, e.g., to float32."
            )
        self.num_bytes += math.prod(max(1, size) for size in dataset.shape or ()) * dataset.dtype.itemsize
        self.limit.check_content(self.num_bytes)
        return dataset[()]


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
