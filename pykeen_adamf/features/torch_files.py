"""Reading features from files of PyTorch, of which nothing is executed."""

import pickletools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import torch

from ..archives import check_stored, is_archive, list_members
from ..limits import FileError, SizeLimit
from .content import Content, from_mapping
from .modality import FeatureError

__all__ = ["check_memory", "check_torch_archive", "read_torch"]

#: What PyTorch allows in a file, although it makes tensors of whatever has been in memory before, of any size. It saves
#: none so.
MAKES_MEMORY: Final = re.compile(
    rb"c(?:torch[\w.]*\n(?:\w*Tensor|TypedStorage|UntypedStorage)|(?:__builtin__|builtins)\nbytearray)\n"
)


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
    if not is_archive(path):
        raise FeatureError(
            f"{path} is damaged, a pickle, or of PyTorch before 1.6. It is not loaded because it could run any code, "
            f"or hide its damage. Save a plain tensor by PyTorch 1.6 or later: torch.save(tensor, path)."
        )
    check_torch_archive(path, limit)
    # weights only: a pickle can run arbitrary code when it is loaded
    data = torch.load(path, map_location="cpu", weights_only=True)
    check_memory(data, path)
    if isinstance(data, torch.Tensor):
        return data, None, None
    if isinstance(data, Mapping) and data:
        return from_mapping(data, limit)
    raise FeatureError(f"{path} contains a {type(data).__name__}. Save a tensor, or a dictionary of tensors, instead.")


def _check_text(path: Path, length: int, max_text: int = MAX_TEXT) -> None:
    """Check the length of a text: PyTorch's messages of errors take a time that grows with its square."""
    if length > max_text:
        raise FileError(f"{path} has a text of {length:,} characters, but {max_text:,} are the limit. Shorten it.")


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


def check_memory(data: Any, path: Path) -> None:
    """Check that tensors have the memory that there is in the file, and no other: a pickle can let them grow.

    :param data: A tensor, or nested dictionaries and sequences of them.
    :param path: The file.
    :raises FileError: if they have more
    """
    sizes: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [data]
    while waiting:
        x = waiting.pop()
        if isinstance(x, torch.Tensor):
            if x.layout == torch.strided and not x.is_nested and not x.is_meta:
                storage = x.untyped_storage()
                sizes[storage.data_ptr()] = storage.nbytes()
                if storage.nbytes() and storage.resizable():
                    raise FileError(f"{path} has a tensor that is more than was saved. Get the file again.")
        elif isinstance(x, Mapping | list | tuple) and id(x) not in seen:
            seen.add(id(x))
            waiting += x.values() if isinstance(x, Mapping) else x
    if sum(sizes.values()) > path.stat().st_size:
        raise FileError(f"{path} is damaged: it is smaller than its tensors. Get the file again.")
