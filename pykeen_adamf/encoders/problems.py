"""What can be wrong, with one input or with all of them, and the report of it."""

import dataclasses
import importlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = [
    "EncodingError",
    "EncodingReport",
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
    """An input that could not be used: whose it is, where it is, e.g., the path of the image, and what is wrong."""

    entity: str
    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.entity}: {self.source}: {self.reason}" if self.source else f"{self.entity}: {self.reason}"


@dataclasses.dataclass(frozen=True)
class EncodingReport:
    """The outcome of a run."""

    #: the path of the features
    output: Path
    #: the numbers of all entities, of those with a vector, and of those that an earlier, interrupted run has done
    num_entities: int
    num_encoded: int
    num_resumed: int
    #: the dimension of the vectors
    dim: int
    #: all inputs that could not be used, in the order of the entities
    problems: Sequence[Problem]
    #: what is stored beside the features
    provenance: Mapping[str, str]

    @property
    def num_missing(self) -> int:
        """Return the number of entities without a vector."""
        return self.num_entities - self.num_encoded

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dictionary that can be stored as JSON."""
        return {**dataclasses.asdict(self), "output": str(self.output), "num_missing": self.num_missing}

    def write(self, path: str | Path) -> Path:
        """Write the whole report, with every problem, to a JSON file, and return its path."""
        path = Path(path)
        path.write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    def summarize(self, max_problems: int | None = None) -> str:
        """Return a text for people to read, with at most so many problems, or all of them."""
        shown = self.problems[:max_problems]
        lines = [
            f"{self.num_entities:,} entities: {self.num_encoded:,} encoded with {self.dim:,} dimensions, "
            f"{self.num_missing:,} missing"
        ]
        if self.num_resumed:
            lines.append(f"{self.num_resumed:,} of them had been done by an earlier run")
        if self.problems:
            lines.append(f"{len(self.problems):,} inputs could not be used:")
            lines.extend(f"  {problem}" for problem in shown)
        if len(shown) < len(self.problems):
            lines.append(f"  ... and {len(self.problems) - len(shown):,} more")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summarize()


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a module of an optional dependency, or raise an :class:`EncodingError` with the extra that installs it."""
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
    """Explain, by an :class:`EncodingError`, what to do if an output cannot be written, e.g., to a full disk."""
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


def check_file(path: Path | zipfile.Path) -> None:
    """Raise an error unless a path leads to a regular file: opening anything else, e.g., a pipe, could wait forever."""
    try:
        if not path.is_file():
            raise UnusableInputError("is no file" if path.exists() else "does not exist")
    except OSError as error:
        raise UnusableInputError(f"is no usable path ({error.strerror or error})") from error
