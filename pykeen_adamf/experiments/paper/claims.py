"""Claims of runs, by which processes and machines that share a directory keep out of each other's way.

Whoever runs something holds a lock file, and touches it all the time. A process that is killed cannot remove it, hence
a lock is taken over if its process is known to be gone, or if it has not been touched for long. Should two processes
ever run the same, because one of them was suspended, then time is lost, and nothing else: it writes no results, since
it finds that it has lost its claim.
"""

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from typing_extensions import Self

__all__ = ["HEARTBEAT", "STALE_AFTER", "Claim", "Watch", "claim", "claimed", "describe_machine", "read_holder"]

#: How often a lock is touched, and after which time without it is stale, in seconds.
HEARTBEAT: Final = 10.0
STALE_AFTER: Final = 120.0


def describe_machine() -> str:
    """Describe where process IDs are those of this process: a machine since its start, or a container on it."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(Path("/proc/self/ns/pid").readlink().name)
    return " ".join(parts)


class Claim:
    """A lock file that this process holds. Within this context, it is touched regularly; then it is removed."""

    def __init__(self, path: Path, descriptor: int, token: str) -> None:
        """Initialize the claim.

        :param path: The path of the lock file.
        :param descriptor: The open file.
        :param token: What tells this claim from all others.
        """
        self.path = path
        self.token = token
        self._descriptor = descriptor
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT):
            # this very file, even if there is another one at its path by now
            with suppress(OSError):
                os.utime(self._descriptor)

    @property
    def is_held(self) -> bool:
        """Return whether this process still has the lock, rather than was suspended until somebody took over."""
        return read_holder(self.path).get("token") == self.token

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._released.set()
        self._thread.join()
        os.close(self._descriptor)
        if self.is_held:
            self.path.unlink(missing_ok=True)


def claim(path: Path) -> Claim | None:
    """Claim something.

    :param path: The path of its lock file.
    :returns: The claim, or ``None`` if somebody else has it.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return None
    token = uuid.uuid4().hex
    holder = {"machine": describe_machine(), "pid": os.getpid(), "time": time.time(), "token": token}
    os.write(descriptor, json.dumps(holder).encode())
    return Claim(path, descriptor, token)


def read_holder(path: Path) -> Mapping[str, Any]:
    """Read who holds a lock.

    :param path: The path of the lock file.
    :returns: The machine, the process ID, the time of the claim, and its token; empty if there is no such file, or
        its holder was killed while writing it.
    """
    try:
        holder: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder


class Watch:
    """Watches locks of others, and removes those which are stale.

    Clocks of different machines may differ. Hence, what counts is for how long a lock has not changed by the own one.
    """

    def __init__(self, stale_after: float = STALE_AFTER) -> None:
        """Initialize the watch.

        :param stale_after: After how many seconds without a touch a lock is stale.
        """
        self.stale_after = stale_after
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}

    def remove_if_stale(self, path: Path) -> bool:
        """Remove a lock if it is stale.

        :param path: The path of the lock file.
        :returns: Whether the lock is gone, such that it can be claimed.
        """
        try:
            stat = path.stat()
        except FileNotFoundError:
            return True
        holder = read_holder(path)
        state = stat.st_ino, stat.st_mtime_ns
        known, since = self._seen.get(path, (None, 0.0))
        if known != state:
            since = time.monotonic()
            self._seen[path] = state, since
        if not _is_dead(holder) and time.monotonic() - since < self.stale_after:
            return False
        return _remove(path, holder)


@contextmanager
def claimed(path: Path, stale_after: float = STALE_AFTER, interval: float = 0.05) -> Iterator[Claim]:
    """Wait until nobody else has a claim, and hold it within this context.

    :param path: The path of its lock file.
    :param stale_after: After how many seconds without a sign of life to take over from others.
    :param interval: How often to try, in seconds.
    :yields: The claim.
    """
    watch = Watch(stale_after)
    lock = None
    while lock is None:
        lock = claim(path) if watch.remove_if_stale(path) else None
        if lock is None:
            time.sleep(interval)
    with lock:
        yield lock


def _is_dead(holder: Mapping[str, Any]) -> bool:
    """Return whether the holder of a lock is known to be gone."""
    if holder.get("machine") != describe_machine():
        return False
    pid = holder["pid"]
    try:
        os.kill(pid, 0)
        # or it has ended, and the one who started it has not noticed
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True
    except OSError:
        return False


def _remove(path: Path, holder: Mapping[str, Any]) -> bool:
    """Remove a stale lock, unless somebody else was faster, and holds another one by now."""
    moved = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.rename(moved)
    except FileNotFoundError:
        return True
    mine = read_holder(moved).get("token") == holder.get("token")
    if not mine:
        with suppress(OSError):
            os.link(moved, path)
    moved.unlink()
    return mine
