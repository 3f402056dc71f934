"""Reading features from files of NumPy, whose headers are compared with their sizes before anything is allocated."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO
from zipfile import ZipFile

import numpy
from numpy.lib.format import MAGIC_PREFIX, read_array, read_array_header_1_0, read_array_header_2_0, read_magic

from ..archives import is_archive, list_members
from ..limits import FileError, SizeLimit
from ..typing import NumpyArray
from .content import KEY_FEATURES, Content, from_mapping, needed_keys
from .modality import FeatureError

__all__ = ["MIN_MAPPED_BYTES", "read_arrays", "read_npy", "read_npz"]

#: Smaller files are not worth being mapped to memory.
MIN_MAPPED_BYTES = 2**20

#: What the name of a member of an archive has behind that of the array.
SUFFIX = ".npy"


def read_npy(path: Path, labels: Sequence[str] | None, limit: SizeLimit) -> Content:
    """Read an array."""
    if _is_archive(path):
        raise FeatureError(f"{path} is an archive rather than a single array. Name it .npz if it was saved as such.")
    size = path.stat().st_size
    with path.open("rb") as file:
        _read_shape(file, size, str(path))
    # mapped to memory, as safetensors are: what nobody looks at is not read; changes would not reach the file
    return numpy.load(path, allow_pickle=False, mmap_mode="c" if size > MIN_MAPPED_BYTES else None), None, None


def read_npz(path: Path, labels: Sequence[str] | None, limit: SizeLimit) -> Content:
    """Read an archive of arrays, of which those that are not needed are not looked at."""
    return from_mapping(read_arrays(path, limit, needed_keys), limit)


def read_arrays(
    path: Path, limit: SizeLimit, choose: Callable[[Sequence[str], int | None], Sequence[str]] = lambda keys, _: keys
) -> dict[str, NumpyArray]:
    """Read the arrays of an archive.

    :param path: The path of the archive.
    :param limit: The limit of what may be read.
    :param choose: Chooses which arrays are read, of all names and the number of dimensions of that which is called
        ``features``, if there is one.
    :raises FileError: if it is none, or damaged, or too large
    """
    if not _is_archive(path):
        raise FeatureError(f"{path} is a single array rather than an archive. Name it .npy.")
    found = list_members(path, limit)
    members = {name.removesuffix(SUFFIX): member for name, member in found.items()}
    if len(members) < len(found):
        raise FileError(f"{path} has two arrays of one name. Save it again, with one of them.")
    with ZipFile(path) as archive:
        ndim = None
        if (first := members.get(KEY_FEATURES)) is not None:
            with archive.open(first) as file:
                ndim = len(_read_shape(file, first.file_size, f"{path} at {KEY_FEATURES!r}"))
        keys = choose(list(members), ndim)
        limit.check_content(sum(members[key].file_size for key in keys))
        data: dict[str, NumpyArray] = {}
        for key in keys:
            with archive.open(members[key]) as file:
                _read_shape(file, members[key].file_size, f"{path} at {key!r}")
                file.seek(0)
                data[key] = read_array(file, allow_pickle=False)
                # checksums are compared at the end only
                file.read(1)
    return data


def _is_archive(path: Path) -> bool:
    """Return whether this is an archive rather than an array."""
    if is_archive(path):
        return True
    with path.open("rb") as file:
        if file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
            return False
    raise FileError(
        f"{path} is damaged, or has Python objects, which are not loaded because they could run any code. Save a "
        f"floating point array."
    )


def _read_shape(file: IO[bytes], size: int, name: str) -> tuple[int, ...]:
    """Read the header of an array.

    :param file: The file, at its start.
    :param size: The number of bytes in the file.
    :param name: What to call it.
    :returns: The shape of the array.
    :raises FileError: if there are more bytes behind the header than the array has, or fewer
    """
    major, _ = read_magic(file)
    # what comes after version 2 is for the names of fields
    read = read_array_header_1_0 if major == 1 else read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise FileError(
            f"{name} is an array of Python objects, which are not loaded because they could run any code. Save it as a "
            f"floating point array."
        )
    if not dtype.itemsize or min(shape, default=0) < 0 or file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise FileError(f"{name} is damaged: its size is not that of an array of the shape {shape}. Get it again.")
    return tuple(shape)
