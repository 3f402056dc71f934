"""Commands in processes of their own, which can be interrupted and killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pykeen_adamf.experiments.folder import BusyError, RunFolder

X = TypeVar("X")


def start(*arguments: Any) -> subprocess.Popen[str]:
    """Start the command in a process group of its own."""
    command = [sys.executable, "-m", "pykeen_adamf", *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        env=env,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # what a shell has started in the background ignores interruptions, and so do its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process: subprocess.Popen[str], returncode: int = 0) -> str:
    """Wait for the command, and return what it has printed."""
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == returncode, printed
    return printed


def wait(condition: Callable[[], X], process: subprocess.Popen[str] | None = None, seconds: float = 240) -> X:
    """Wait until something is the case."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)
    return result


def is_busy(path: Path) -> bool:
    """Return whether a process works in the folder of a run."""
    try:
        with RunFolder(path).locked():
            return False
    except BusyError:
        return True


def find_workers(path: Path) -> list[int]:
    """Return the IDs of the processes that carry out the run of a folder."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (directory / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(path).encode() in arguments and b"run" in arguments:
            found.append(int(directory.name))
    return found
