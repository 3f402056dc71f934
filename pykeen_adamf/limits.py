"""How much may be read from a file that somebody else has made, and from what kind of file."""

import gzip
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, Final

from .constants import MAX_BYTES_ENVIRONMENT_VARIABLE

__all__ = ["FileError", "SizeLimit", "check_regular", "explain_not_unicode", "read_decompressed"]

#: Content may take that many times the bytes of its file: features compress to a half, tables to a twentieth at best.
MAX_EXPANSION: Final = 32

#: The content of small files may always take that many bytes.
MIN_CONTENT: Final = 2**28

#: Names, labels and whatever else describes the content may always take that many bytes, and more for larger files and
#: for entities that are to be had.
MIN_HEADER: Final = 2**22
MAX_HEADER_SHARE: Final = 1 / 8
MAX_HEADER_PER_ENTITY: Final = 256


class FileError(ValueError):
    """Raised for files which cannot be used as they are; the message names the file and the fix."""


class SizeLimit:
    """How many bytes may be made of a file. What a header claims is compared with it before anything is allocated."""

    def __init__(self, path: Path, num_entities: int = 0, max_bytes: int | None = None) -> None:
        """Initialize the limit.

        :param path: The path of the file.
        :param num_entities: The number of entities that are to be had, if it is known.
        :param max_bytes: The limit of the content, in bytes. Defaults to the environment variable
            ``PYKEEN_ADAMF_MAX_BYTES``, or else to 256 MiB, or 32 times the size of the file if that is more.
        :raises FileError: if the environment variable is no number
        """
        size = path.stat().st_size
        if max_bytes is None and (given := os.environ.get(MAX_BYTES_ENVIRONMENT_VARIABLE)):
            if not given.isdecimal():
                raise FileError(f"${MAX_BYTES_ENVIRONMENT_VARIABLE} must be a number of bytes, but is {given!r}.")
            max_bytes = int(given)
        self.path = path
        self.num_entities = num_entities
        self.content = max(MIN_CONTENT, MAX_EXPANSION * size) if max_bytes is None else max_bytes
        header = int(MIN_HEADER + MAX_HEADER_SHARE * size + MAX_HEADER_PER_ENTITY * num_entities)
        self.header = header if max_bytes is None else max(header, max_bytes)

    def check_content(self, num_bytes: int) -> None:
        """Raise a :class:`FileError` if the content would take more bytes."""
        self._check(num_bytes, self.content, "its content")

    def check_header(self, num_bytes: int) -> None:
        """Raise a :class:`FileError` if what describes the content takes more bytes."""
        self._check(num_bytes, self.header, "the description of its content")

    def _check(self, num_bytes: int, limit: int, what: str) -> None:
        if num_bytes > limit:
            raise FileError(
                f"{self.path} is refused: {what} would take {num_bytes:,} bytes, but {limit:,} are the limit for a "
                f"file of this size. If you trust it, set ${MAX_BYTES_ENVIRONMENT_VARIABLE} to a larger number of "
                f"bytes, or store it uncompressed."
            )


def check_regular(path: Path, fix: str = "Check the path.") -> None:
    """Raise a :class:`FileError` unless there is a regular file: to open anything else, e.g., a pipe, may never end."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileError(f"The file {path.absolute()} does not exist. {fix}") from error
    except (OSError, ValueError) as error:
        # names that are too long or have null characters, circles of links, folders of others
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"The file {str(path)!r} cannot be opened ({reason}). {fix}") from error
    if not S_ISREG(mode):
        kind = "a folder" if S_ISDIR(mode) else "a pipe or a device"
        raise FileError(f"The file {path.absolute()} does not exist: there is {kind}. {fix}")
    if not os.access(path, os.R_OK):
        raise FileError(f"The file {path.absolute()} cannot be opened (permission denied). Make it readable for you.")


def explain_not_unicode(labels: Iterable[Any], source: str) -> str | None:
    """Explain which label has half a character, which could be neither written nor printed later, if there is one.

    :param labels: The labels. What is no text is left to others.
    :param source: Where they come from, for the message.
    """
    labels = [label for label in labels if isinstance(label, str)]
    try:
        "".join(labels).encode()
    except UnicodeEncodeError:
        bad = next((label for label in labels if label != label.encode("utf-8", "ignore").decode()), "")
        return f"{source} has the label {bad!r}, which is not Unicode: there is half a character in it. Correct it."
    return None


def read_decompressed(path: Path) -> bytes:
    """Read a file, which is decompressed, within limits, if its name ends with ``.gz``.

    :raises FileError: if there is no such file, it is damaged, or it is larger than :class:`SizeLimit` allows
    """
    check_regular(path)
    try:
        if path.suffix.lower() != ".gz":
            return path.read_bytes()
        limit = SizeLimit(path)
        with gzip.open(path) as file:
            content = file.read(limit.content + 1)
        limit.check_content(len(content))
    except (EOFError, OSError, zlib.error) as error:
        raise FileError(f"{path} cannot be read; it may be truncated or damaged: {error}") from error
    return content
