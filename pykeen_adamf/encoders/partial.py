"""Results of a run that is not finished yet, on disk, such that it can be resumed."""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from typing_extensions import Self

from ..typing import NumpyArray
from .problems import EncodingError, Problem, explain_storage

try:
    import fcntl
except ImportError:  # there is no such module on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["PartialResult"]

#: To be raised whenever older partial results cannot be continued.
VERSION: Final = 1

#: Whether runs can keep each other out.
HAS_LOCKS: Final[bool] = fcntl is not None

#: How often to try again if another run removes its directory in the very moment in which it is to be taken over.
MAX_ATTEMPTS: Final = 100


class PartialResult:
    """A directory next to the output, with the rows so far, and a journal of complete groups.

    Rows are written before the journal tells of them, thus whatever the journal tells of is there, no matter when the
    process dies. When a run is resumed, everything else is cut off.
    """

    #: the number of complete groups
    num_groups: int = 0

    #: what has become of an earlier run which could not be continued
    discarded: str | None = None

    def __init__(self, output: Path, identity: Mapping[str, Any], bytes_per_row: int) -> None:
        """Open, or start, a partial result.

        :param output: The path of the final file.
        :param identity: What a run must agree in to be continued, by what it is, as JSON.
        :param bytes_per_row: The size of an entity's row.
        :raises EncodingError: if another run is writing to the same output, or it cannot be written
        """
        self.output = output
        self.directory = self.directory_of(output)
        self.rows_path = self.directory / "rows"
        self.bytes_per_row = bytes_per_row
        #: which of the entities in complete groups have a vector
        self.presence: list[bool] = []
        #: the inputs in complete groups that could not be used
        self.problems: list[Problem] = []
        self._files: list[BinaryIO] = []
        try:
            with explain_storage(output):
                self._lock()
                self._rows = self._open("rows")
                self._journal = self._open("journal")
                self._resume({"version": VERSION, **identity})
        except BaseException:
            self.close()
            raise

    @staticmethod
    def directory_of(output: Path) -> Path:
        """Return the directory for partial results of an output."""
        return output.parent / f".{output.name}.partial"

    def _lock(self) -> None:
        """Create the directory, unless it is there, and keep other runs out of it."""
        for _ in range(MAX_ATTEMPTS):
            self.directory.mkdir(exist_ok=True)
            # another run may remove the directory at any time, with whatever has been opened or locked in it
            with contextlib.suppress(FileNotFoundError):
                path = self.directory / "lock"
                file = path.open("wb")
                self._files.append(file)
                if not HAS_LOCKS:
                    return
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    break
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return
            self.close()
        raise EncodingError(f"Another run is writing to {self.output}. Wait for it, or choose another output.")

    def _open(self, name: str) -> BinaryIO:
        """Open a file for reading and writing, keeping its content."""
        path = self.directory / name
        path.touch()
        self._files.append(path.open("r+b"))
        return self._files[-1]

    def _resume(self, identity: Mapping[str, Any]) -> None:
        """Read what an earlier run has left, and cut off what is incomplete."""
        size = os.fstat(self._rows.fileno()).st_size
        # a line without an end has not been written completely
        lines = [line for line in self._journal.read().splitlines(keepends=True) if line.endswith(b"\n")]
        earlier = None
        with contextlib.suppress(IndexError, ValueError):
            earlier = json.loads(lines[0])
        if lines and earlier != identity:
            known = earlier if isinstance(earlier, dict) else {}
            different = sorted(key for key in identity if known.get(key) != identity[key])
            self.discarded = f"another {', another '.join(different)}"
            lines = []
        num_bytes = len(lines[0]) if lines else 0
        for line in lines[1:]:
            try:
                presence, problems = json.loads(line)
                presence, problems = list(map(bool, presence)), [Problem(*problem) for problem in problems]
            except (TypeError, ValueError):
                break
            if (len(self.presence) + len(presence)) * self.bytes_per_row > size:
                break
            self._remember(presence, problems)
            num_bytes += len(line)
        for file, end in ((self._rows, len(self.presence) * self.bytes_per_row), (self._journal, num_bytes)):
            file.truncate(end)
            file.seek(end)
        if not lines:
            self._write(self._journal, _to_line(identity))

    @staticmethod
    def _write(file: BinaryIO, content: Any) -> None:
        """Write, and make sure that it is on disk before anything else is."""
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

    def _remember(self, presence: Sequence[bool], problems: Sequence[Problem]) -> None:
        """Remember a complete group."""
        self.num_groups += 1
        self.presence.extend(presence)
        self.problems.extend(problems)

    def append(self, rows: NumpyArray, presence: Sequence[bool], problems: Sequence[Problem]) -> None:
        """Append a group.

        :param rows: shape: ``(num_entities, dim)``, the rows of the group's entities, with zeros for those that are
            missing.
        :param presence: Which of the entities have a vector.
        :param problems: The inputs that could not be used.
        :raises EncodingError: if it cannot be written
        """
        line = _to_line([list(map(int, presence)), [[p.entity, p.source, p.reason] for p in problems]])
        with explain_storage(self.output):
            self._write(self._rows, rows.tobytes())
            self._write(self._journal, line)
        self._remember(presence, problems)

    def remove(self) -> None:
        """Remove everything from disk, and only then let other runs in."""
        if not HAS_LOCKS:
            # open files cannot be moved on Windows
            self.close()
        prefix = f".{self.output.name}.removed-"
        # at once, since another run might start while files are removed one by one
        self.directory.rename(self.directory.with_name(f"{prefix}{os.getpid()}"))
        for path in self.directory.parent.iterdir():
            # and what has been left by a process that was killed right here
            if path.name.startswith(prefix) and path.name.removeprefix(prefix).isdigit():
                shutil.rmtree(path, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Close the files, and leave them for another run."""
        while self._files:
            # what is not written by now cannot be, and is not told of by the journal
            with contextlib.suppress(OSError):
                self._files.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.num_groups or not self.directory.exists():
            self.close()
        else:
            # there is nothing to continue
            self.remove()


def _to_line(data: Any) -> bytes:
    """Convert to a line of the journal."""
    return json.dumps(data, sort_keys=True).encode() + b"\n"
