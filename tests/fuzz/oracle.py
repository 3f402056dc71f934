"""What reading a file may do: give the right thing, or raise the error that is documented, and nothing else."""

import codecs
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy

from .formats import mutate
from .mutations import BLIND
from .target import Target, choose_file

__all__ = ["MAX_SECONDS", "Oracle", "peak_memory"]

#: What reading a small file takes at most.
MAX_SECONDS = 5
MAX_BYTES = 500 * 2**20

#: What only happens if something of the file is executed.
EXECUTION = ("exec", "pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "ctypes.dlopen")


@contextmanager
def peak_memory() -> Iterator[Any]:
    """Measure how many bytes more than before the process has needed at once; where that cannot be known, none."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def read(name: str) -> int:
        line = next(line for line in status.read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024

    try:
        # this is how the peak is forgotten
        reset.write_text("5")
        before = read("VmRSS")
    except OSError:
        yield lambda: 0
        return
    yield lambda: read("VmHWM") - before


class Oracle:
    """Looks at what the process does while files are read. It never stops: use it in a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.is_reading = False
        self.seen: set[str] = set()
        #: what reading files that are fine does, too, by target
        self.harmless: dict[str, set[str]] = {}
        self.clean: dict[str, Any] = {}
        tempfile.tempdir = str(directory / "case")
        # what lies outside of the files, and is not to be read
        with h5py.File(directory / "canary.h5", "w") as file:
            file["canary"] = numpy.full((7, 3), 1234.5, dtype="f4")
        (directory / "canary.bin").write_bytes(numpy.full(3, 1234.5, dtype="f4").tobytes())
        # Python and h5py decode names with these
        for name in ("ascii", "cp437"):
            codecs.lookup(name)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.is_reading:
            return
        if event == "import":
            self.seen.add(f"import of {args[0]}")
        elif event in EXECUTION:
            self.seen.add(f"execution: {event}")
        elif event == "open" and isinstance(args[0], str | bytes | Path):
            path = Path(args[0].decode() if isinstance(args[0], bytes) else args[0]).absolute()
            if not path.is_relative_to(self.directory / "case"):
                self.seen.add(f"outside: {path}")

    def examine(self, target: Target, seed: str) -> tuple[str, str]:
        """Change a file and read it.

        :param target: The kind of file.
        :param seed: What decides about the change.
        :returns: The outcome, ``"read"`` or ``"refused"`` if it is fine, and details.
        """
        case = self.directory / "case"
        if target.name not in self.clean:
            # what is imported at the first time executes much
            target.read(self._make(target, case))
            path = self._make(target, case)
            with self._listening():
                self.clean[target.name] = target.read(path)
            self.harmless[target.name] = set(self.seen)
        rng = random.Random(seed)
        path = self._make(target, case)
        changes = [mutate(choose_file(path, rng), rng) for _ in range(rng.choice([1, 1, 1, 2]))]
        if rng.random() < 0.5:
            with suppress(Exception):
                target.repair(path)
        is_blind = {mutation.__name__ for mutation in BLIND}.issuperset(changes)
        with peak_memory() as peak:
            start = time.perf_counter()
            with self._listening():
                outcome, details = self._read(target, path, is_blind)
            seconds, num_bytes = time.perf_counter() - start, peak()
        found = sorted(self.seen - self.harmless[target.name])
        if found:
            outcome, details = found[0].partition(" ")[0].strip(":"), ", ".join(found)
        elif seconds > MAX_SECONDS:
            outcome, details = "slow", f"{seconds:.1f} s, {details}"
        elif num_bytes > MAX_BYTES:
            outcome, details = "memory", f"{num_bytes:,} bytes, {details}"
        return outcome, f"{' and '.join(changes)}: {details}"

    @contextmanager
    def _listening(self) -> Iterator[None]:
        self.seen.clear()
        self.is_reading = True
        try:
            yield
        finally:
            self.is_reading = False

    @staticmethod
    def _make(target: Target, case: Path) -> Path:
        case.mkdir(exist_ok=True)
        _empty(case)
        return target.make(case)

    def _read(self, target: Target, path: Path, is_blind: bool) -> tuple[str, str]:
        try:
            result = target.read(path)
            problem = target.check(result)
        except target.errors as error:
            message = str(error)
            return ("refused", message) if str(path) in message else ("file not named", repr(error))
        except Exception as error:
            return "unclear error", repr(error)
        if problem:
            return "wrong", problem
        if is_blind and target.has_checksums and result != self.clean[target.name]:
            return "wrong", "other values, although checksums tell that"
        return "read", ""


def _empty(folder: Path) -> None:
    """Remove what is in a folder."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
