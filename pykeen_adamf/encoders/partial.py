"""Results of a run that is not finished yet, on disk, such that it can be resumed."""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy
from filelock import FileLock, Timeout
from typing_extensions import Self

from ..atomic import written_atomically
from ..features.content import KEY_FEATURES, KEY_LABELS, KEY_PRESENCE
from ..typing import NumpyArray
from .problems import EncodingError, Problem, explain_storage

__all__ = ["PartialResult"]

#: To be raised whenever older partial results cannot be continued.
VERSION: Final = 1

#: For how many seconds to wait for another run, which may be about to end.
PATIENCE: Final = 0.1

#: The header of the output is padded, such that the numbers behind it are aligned in memory.
ALIGNMENT: Final = 8


class PartialResult:
    """A directory next to the output, with the rows so far, and a journal of complete groups.

    Rows are written before the journal tells of them, thus whatever the journal tells of is there, no matter when the
    process dies. When a run is resumed, everything else is cut off.
    """

    def __init__(self, output: Path, identity: Mapping[str, Any], bytes_per_row: int) -> None:
        """Start, or continue what an earlier run to the same output has left if its identity was the same.

        :raises EncodingError: if another run is writing to the same output, or it cannot be written
        """
        self.output = output
        self.directory = self.directory_of(output)
        self.rows_path = self.directory / "rows"
        self.journal_path = self.directory / "journal"
        self.bytes_per_row = bytes_per_row
        #: the number of complete groups, which of their entities have a vector, and what could not be used of them
        self.num_groups = 0
        self.presence: list[bool] = []
        self.problems: list[Problem] = []
        #: what has become of an earlier run which could not be continued
        self.discarded: str | None = None
        # it has its own place, since the directory is removed while the lock is held
        self._lock = FileLock(output.with_name(f".{output.name}.lock"), thread_local=False)
        with explain_storage(output):
            try:
                self._lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 4)
                self.directory.mkdir(exist_ok=True)
                self._resume({"version": VERSION, **identity})
            except Timeout as error:
                raise EncodingError(
                    f"Another run is writing to {output}. Wait for it, or choose another output."
                ) from error
            except BaseException:
                self.close()
                raise

    @staticmethod
    def directory_of(output: Path) -> Path:
        """Return the directory for partial results of an output."""
        return output.parent / f".{output.name}.partial"

    def _resume(self, identity: Mapping[str, Any]) -> None:
        """Read what an earlier run has left, and cut off what is incomplete."""
        self.rows_path.touch()
        self.journal_path.touch()
        size = self.rows_path.stat().st_size
        # a line without an end has not been written completely
        lines = [line for line in self.journal_path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        first = _to_line(identity)
        if lines and lines[0] != first:
            known = None
            with contextlib.suppress(ValueError):
                known = json.loads(lines[0])
            changed = sorted(x for x in identity if not isinstance(known, dict) or known.get(x) != identity[x])
            self.discarded = f"another {', another '.join(changed)}"
            lines = []
        num_bytes = len(first) if lines else 0
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
        os.truncate(self.rows_path, len(self.presence) * self.bytes_per_row)
        os.truncate(self.journal_path, num_bytes)
        if not lines:
            self._append_to(self.journal_path, first)

    def append(self, rows: NumpyArray, presence: Sequence[bool], problems: Sequence[Problem]) -> None:
        """Append a group: its rows, with zeros for missing entities, which are there, and what could not be used.

        :raises EncodingError: if it cannot be written
        """
        line = _to_line([list(map(int, presence)), [[p.entity, p.source, p.reason] for p in problems]])
        with explain_storage(self.output):
            self._append_to(self.rows_path, rows.tobytes())
            self._append_to(self.journal_path, line)
        self._remember(presence, problems)

    def _append_to(self, path: Path, content: bytes) -> None:
        with path.open("ab") as file:
            self._write(file, content)

    @staticmethod
    def _write(file: BinaryIO, content: bytes) -> None:
        """Write, and make sure that it is on disk before anything else is."""
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

    def _remember(self, presence: Sequence[bool], problems: Sequence[Problem]) -> None:
        """Remember a complete group."""
        self.num_groups += 1
        self.presence.extend(presence)
        self.problems.extend(problems)

    def publish(self, rows: Path, dim: int, dtype: str, labels: Sequence[str], metadata: Mapping[str, str]) -> None:
        """Write the output as :func:`pykeen_adamf.features.write_features` does, but copy the rows from a file."""
        itemsize, num_rows = numpy.dtype(dtype).itemsize, len(labels)
        end = num_rows * dim * itemsize
        entries = {
            "__metadata__": {**metadata, KEY_LABELS: json.dumps(list(labels))},
            KEY_FEATURES: {"dtype": f"F{8 * itemsize}", "shape": [num_rows, dim], "data_offsets": [0, end]},
            KEY_PRESENCE: {"dtype": "BOOL", "shape": [num_rows], "data_offsets": [end, end + num_rows]},
        }
        header = json.dumps(entries).encode()
        header += b" " * (-len(header) % ALIGNMENT)
        with written_atomically(self.output) as path, path.open("wb") as target, rows.open("rb") as source:
            target.write(len(header).to_bytes(8, "little") + header)
            shutil.copyfileobj(source, target, length=1 << 20)
            target.write(numpy.array(self.presence, dtype=bool).tobytes())

    def remove(self) -> None:
        """Remove everything from disk, and only then let other runs in."""
        # without the lock, it is another run's
        if self._lock.is_locked:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let other runs in; what is on disk is left to them."""
        if self._lock.is_locked:
            # before it is released: afterwards it may be another run's; on Windows, releasing it removes it
            with contextlib.suppress(OSError):
                Path(self._lock.lock_file).unlink()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.num_groups:
            self.close()
        else:
            # there is nothing to continue
            self.remove()


def _to_line(data: Any) -> bytes:
    """Convert to a line of the journal."""
    return json.dumps(data, sort_keys=True).encode() + b"\n"
