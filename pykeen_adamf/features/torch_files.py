"""Reading features from files of PyTorch, of which nothing is executed."""

import io
import pickletools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import torch

from ..archives import check_stored, is_archive, list_members
from ..limits import MAX_HEADER_PER_ENTITY, FileError, SizeLimit
from .content import Content, from_mapping
from .modality import FeatureError

__all__ = ["check_torch_archive", "read_torch"]

#: What PyTorch allows in a file, although it makes tensors of whatever has been in memory before, of any size. It saves
#: none so.
MAKES_MEMORY: Final = re.compile(
    rb"c(?:torch[\w.]*\n(?:\w*Tensor|TypedStorage|UntypedStorage)|(?:__builtin__|builtins)\nbytearray)\n"
)


#: How many bytes of pickles are read from older files, of which each byte may take a microsecond, beside those that
#: are allowed for each entity.
MAX_PICKLE: Final = 2**18


#: The longest text, e.g., of a label.
MAX_TEXT: Final = 2**12


def read_torch(path: Path, labels: Sequence[str] | None, limit: SizeLimit) -> Content:
    """Read a tensor, or a dictionary of tensors.

    :param path: The path of the file.
    :param labels: Not used.
    :param limit: The limit of what may be read.
    :raises FeatureError: if there is something else in the file
    :raises FileError: if the file is damaged, or too large
    """
    file: Any = path
    if is_archive(path):
        check_torch_archive(path, limit)
    else:
        file = _Counted(path, limit)
    # weights only: a pickle can run arbitrary code when it is loaded
    data = torch.load(file, map_location="cpu", weights_only=True)
    if isinstance(data, torch.Tensor):
        _check_memory([data], path)
        return data, None, None
    if isinstance(data, Mapping) and data:
        _check_memory(data.values(), path)
        return from_mapping(data, limit)
    raise FeatureError(f"{path} contains a {type(data).__name__}. Save a tensor, or a dictionary of tensors, instead.")


def _check_text(path: Path, length: int, max_text: int = MAX_TEXT) -> None:
    """Check the length of a text: PyTorch's messages of errors take a time that grows with its square."""
    if length > max_text:
        raise FileError(f"{path} has a text of {length:,} characters, but {max_text:,} are the limit. Shorten it.")


class _Counted(io.BufferedReader):
    """A file of PyTorch before 1.6, of which pickles are read by Python, and must not be endless; numbers are not."""

    def __init__(self, path: Path, limit: SizeLimit) -> None:
        super().__init__(io.FileIO(path))
        self.path = path
        self.rest = MAX_PICKLE + MAX_HEADER_PER_ENTITY * limit.num_entities

    def read(self, size: int | None = -1, /) -> bytes:
        return self._count(super().read(size))

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._count(super().readline(size))

    def _count(self, content: bytes) -> bytes:
        _check_text(self.path, len(content))
        self.rest -= len(content)
        if self.rest < 0:
            raise FileError(
                f"{self.path} describes its tensors at too great length. Save them with PyTorch 1.6 or later."
            )
        return content


def check_torch_archive(path: Path, limit: SizeLimit, max_text: int = MAX_TEXT) -> None:
    """Check that all members are undamaged, and that the pickle among them makes nothing of its own."""
    members = list_members(path, limit)
    check_stored(path, list(members.values()))
    with ZipFile(path) as archive:
        for name, member in members.items():
            # PyTorch does not look at the case
            if not name.lower().endswith("data.pkl"):
                continue
            limit.check_header(member.file_size)
            pickled = archive.read(member)
            # only what is long without any space can be a text that is too long
            if max(map(len, pickled.split()), default=0) > max_text:
                texts = (arg for _, arg, _ in pickletools.genops(pickled) if isinstance(arg, str | bytes))
                _check_text(path, max(map(len, texts), default=0), max_text)
            if found := MAKES_MEMORY.search(pickled):
                name = found.group()[1:-1].decode().replace("\n", ".")
                raise FileError(
                    f"{path} has a {name}, which is not read. Save a plain tensor: torch.save(tensor.float(), path)."
                )


def _check_memory(values: Any, path: Path) -> None:
    """Check that tensors have no more memory than there is in the file."""
    tensors = (x for x in values if isinstance(x, torch.Tensor) and x.layout == torch.strided and not x.is_meta)
    storages = {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in tensors}
    if sum(storages.values()) > path.stat().st_size:
        raise FileError(f"{path} is damaged: it is smaller than its tensors. Get the file again.")
