"""Processes that are killed, stopped, doubled, or out of space at random moments, and what comes of it."""

import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pykeen.training.training_loop import CheckpointMismatchError

from .scenarios import SCENARIOS, Scenario

#: How long a process may take, in seconds, and how far a clock jumps.
PATIENCE = 600
JUMP = 10 * 365 * 24 * 3600

#: What nobody has to make sense of, if it names the file or its folder: errors of the system, and of this package.
CLEAR = (OSError, ValueError, CheckpointMismatchError)


def fork(
    scenario: Scenario,
    directory: Path,
    errors: Path,
    max_bytes: int | None = None,
    jump: tuple[float, float] | None = None,
) -> int:
    """Work in another process, which writes its error, if any, to a file.

    :param scenario: The work.
    :param directory: Where it is done.
    :param errors: The file for its error.
    :param max_bytes: The size of the largest file that there is space for.
    :param jump: After how many seconds the time of day is another one, and by how many.
    :returns: The ID of the process.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        # a file that would be larger is an error, rather than the end
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if max_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, resource.RLIM_INFINITY))
        if jump is not None:
            let_clock_jump(*jump)
        scenario.work(directory)
        status = 0
    except BaseException as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        kind = "clear" if is_clear(error, directory) else "unclear"
        errors.write_text(f"{kind}: {error!r}\n{traceback.format_exc()}")
    finally:
        sys.stdout.flush()
        os._exit(status)


def let_clock_jump(after: float, by: float) -> None:
    """Let the time of day be another one after a while, in this process."""
    now, start = time.time, time.monotonic()
    time.time = lambda: now() + (by if time.monotonic() - start > after else 0)


def is_clear(error: BaseException, directory: Path) -> bool:
    """Return whether an error says which file, or which folder, is to blame."""
    return isinstance(error, CLEAR) and str(directory) in str(error)


def wait(pid: int) -> int:
    """Wait for a process, and return its status; 0 if it has ended well."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f"a process did not end in {PATIENCE} s")


class Disturber:
    """Disturbs work of one kind."""

    def __init__(self, what: str, root: Path) -> None:
        """Do the work once without disturbance, to compare with."""
        self.scenario, self.root, self.errors = SCENARIOS[what], root, root / "errors.txt"
        self.scenario.prepare(root)
        # what is imported when it is first used takes longer than the work
        self.scenario.work(self._new("first"))
        start = time.monotonic()
        assert self._run(self._new("straight")) == 0, self.errors.read_text()
        self.seconds = time.monotonic() - start
        self.expected = self.scenario.read(root / "straight")
        files = [x.stat().st_size for x in (root / "straight").rglob("*") if x.is_file()]
        self.largest = max(files)

    def _new(self, name: str) -> Path:
        directory = self.root / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        return directory

    def _run(self, directory: Path, **kwargs: Any) -> int:
        return wait(fork(self.scenario, directory, self.errors, **kwargs))

    def disturb(self, kind: str, rng: random.Random) -> dict[str, Any]:
        """Disturb work once, do it again, and compare.

        :returns: What has happened; ``problem`` is what must not be, or ``None``.
        """
        directory = self._new(kind)
        self.errors.unlink(missing_ok=True)
        moment = rng.uniform(0, 1.05) * self.seconds
        record: dict[str, Any] = {"kind": kind, "moment": round(moment, 3), "problem": None}
        try:
            record["details"] = KINDS[kind](self, directory, moment, rng)
            self.scenario.check(directory)
            if problem := self._find_problem(directory):
                record["problem"] = problem
        except Exception as error:
            record["problem"] = f"{error!r}\n{traceback.format_exc()}"
        return record

    def _find_problem(self, directory: Path) -> str | None:
        if self.errors.exists() and not (text := self.errors.read_text()).startswith("clear"):
            return f"an error that is not clear: {text}"
        if self._run(directory) != 0:
            return f"it cannot be done again: {self.errors.read_text()}"
        return None if self.scenario.read(directory) == self.expected else "something else has come out"

    # --- kinds of disturbances

    def kill(self, directory: Path, moment: float, rng: random.Random) -> str:
        """Kill a process; perhaps the next one, too."""
        for _ in range(rng.choice([1, 1, 2])):
            pid = fork(self.scenario, directory, self.errors)
            time.sleep(moment)
            os.kill(pid, signal.SIGKILL)
            status = wait(pid)
        return f"ended with {status}"

    def stop(self, directory: Path, moment: float, rng: random.Random) -> str:
        """Stop a process for a while."""
        pid = fork(self.scenario, directory, self.errors)
        time.sleep(moment)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(pid, signal.SIGCONT)
        status = wait(pid)
        assert status == 0, self.errors.read_text()
        return f"ended with {status}"

    def disk(self, directory: Path, moment: float, rng: random.Random) -> str:
        """Let there be no space for larger files."""
        max_bytes = rng.randrange(self.largest + 1)
        status = self._run(directory, max_bytes=max_bytes)
        return f"{max_bytes} bytes, ended with {status}"

    def clock(self, directory: Path, moment: float, rng: random.Random) -> str:
        """Kill a process, let all files be of the future, or of long ago, and let the next one get there, too."""
        details, by = self.kill(directory, moment, rng), rng.choice([-1, 1]) * JUMP
        for path in directory.rglob("*"):
            os.utime(path, (time.time() + by, time.time() + by))
        status = self._run(directory, jump=(moment, by))
        assert status == 0, self.errors.read_text()
        return f"{details}, then with {status}"

    def two(self, directory: Path, moment: float, rng: random.Random) -> str:
        """Let two processes do the same in one folder; at least one of them does it, or both say why not."""
        pids = [fork(self.scenario, directory, self.errors)]
        time.sleep(moment / 2)
        pids.append(fork(self.scenario, directory, self.errors))
        return f"ended with {[wait(pid) for pid in pids]}"


#: The disturbances by name.
KINDS: Mapping[str, Callable[[Disturber, Path, float, random.Random], str]] = {
    "kill": Disturber.kill,
    "stop": Disturber.stop,
    "disk": Disturber.disk,
    "clock": Disturber.clock,
    "two": Disturber.two,
}


def disturb_often(what: str, kinds: list[str], start: int, num: int, root: Path) -> Iterator[dict[str, Any]]:
    """Disturb work of one kind at random moments, each of which is the same for the same number."""
    disturber = Disturber(what, root)
    for i in range(start, num):
        rng = random.Random(f"{what} {i}")
        kind = kinds[i % len(kinds)]
        yield {"what": what, "number": i, **disturber.disturb(kind, rng)}
