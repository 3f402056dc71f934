"""What can be wrong, with one input or with all of them."""

import dataclasses
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

__all__ = [
    "EncodingError",
    "Problem",
    "UnusableInputError",
    "check_file",
    "explain_storage",
    "import_extra",
    "show",
]


class EncodingError(ValueError):
    """Raised when encoding cannot start or finish; the message names the thing and the fix."""


class UnusableInputError(ValueError):
    """Raised for a single image or text which cannot be encoded; it never stops a run."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """An input that could not be used."""

    #: the entity that it belongs to
    entity: str

    #: where it is, e.g., the path of the image
    source: str

    #: what is wrong with it
    reason: str

    def __str__(self) -> str:
        return f"{self.entity}: {self.source}: {self.reason}" if self.source else f"{self.entity}: {self.reason}"


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a module of an optional dependency.

    :param module: The name of the module.
    :param extra: The extra of this package that installs it.
    :returns: The module.
    :raises EncodingError: if the module cannot be imported
    """
    try:
        return importlib.import_module(module)
    except Exception as error:
        # compiled libraries that do not fit to each other raise more than ImportError
        raise EncodingError(
            f"This needs {module}, which cannot be imported ({error}). Install it with: "
            f'pip install "pykeen-adamf[{extra}]"'
        ) from error


@contextmanager
def explain_storage(path: Path) -> Iterator[None]:
    """Explain what to do if something cannot be written, e.g., since the disk is full.

    :param path: The path of the output.
    :yields: nothing
    :raises EncodingError: if something cannot be written
    """
    try:
        yield
    except OSError as error:
        raise EncodingError(
            f"Cannot write {path}: {error.strerror or error}. Free space there if the disk is full, and run the same "
            f"command again: it continues where it has stopped."
        ) from error


def show(path: Path) -> str:
    """Return a path as a string that can be printed and stored, even if its bytes are no UTF-8."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def check_file(path: Path) -> None:
    """Check that a path leads to a regular file: opening anything else, e.g., a pipe, could wait forever.

    :param path: The path.
    :raises UnusableInputError: if it does not
    """
    try:
        if not path.is_file():
            raise UnusableInputError("is no file" if path.exists() else "does not exist")
    except OSError as error:
        raise UnusableInputError(f"is no usable path ({error.strerror or error})") from error
