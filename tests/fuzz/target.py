"""What a target of fuzzing is: how to make a small file of a kind, and how to read it."""

import random
from pathlib import Path
from typing import Any

__all__ = ["Target", "choose_file"]


class Target:
    """A kind of file. To fuzz another one, add a subclass to :data:`TARGETS`."""

    #: what is raised for files that are refused; the message names the file
    errors: tuple[type[Exception], ...] = (ValueError,)

    #: whether checksums tell every blind change of what is read
    has_checksums = False

    def __init__(self, name: str) -> None:
        self.name = name

    def make(self, directory: Path) -> Path:
        """Make a file that is fine, and return what to read: the file, or a folder with it."""
        raise NotImplementedError

    def read(self, path: Path) -> Any:
        """Read it, and return what is compared with what a file that is fine has."""
        raise NotImplementedError

    def repair(self, path: Path) -> None:
        """Let checksums fit to what was changed, as whoever forges a file can do."""

    def check(self, result: Any) -> str | None:
        """Return what is wrong with what has been read, if anything is."""
        return None


def choose_file(path: Path, rng: random.Random) -> Path:
    """Return the file to change."""
    return path if path.is_file() else rng.choice(sorted(x for x in path.rglob("*") if x.is_file()))
