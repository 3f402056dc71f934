"""Where runs are carried out: in this process, in processes on this machine, or on a cluster of Ray."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from class_resolver import ClassResolver

from .folder import BusyError, RunFolder

__all__ = ["Engine", "InlineEngine", "LocalEngine", "RayEngine", "command", "engine_resolver"]

#: How often to look whether somebody else has finished a run, in seconds.
INTERVAL: Final = 1.0

#: How a process says that another one works in its folder (``EX_TEMPFAIL``).
BUSY: Final = 75


def command(folder: Path, device: str | None = None) -> list[str]:
    """Return the arguments of ``pykeen-adamf`` that carry out, or continue, a planned run."""
    options = [] if device is None else ["--device", device]
    return ["run", str(folder / "configuration.json"), "--output", str(folder), *options]


class Engine(Protocol):
    """Carries out runs, each of which has its configuration in its folder, and leaves its results or an error there."""

    #: how many runs there are at a time, as far as it is known
    num_at_a_time: int

    def execute(self, folders: Sequence[Path], report: Callable[[Path], object]) -> None:
        """Carry out runs, and return when all have ended.

        :param folders: Their folders.
        :param report: Called with the folder of each run that has ended.
        :raises RuntimeError: if nothing can be carried out at all
        """


class InlineEngine:
    """One run after the other in this very process: nothing is isolated, everything can be debugged."""

    num_at_a_time = 1

    def __init__(self, device: str | None = None) -> None:
        """Initialize the engine.

        :param device: The device. If ``None``, a GPU if there is one.
        :raises ValueError: if there is no such device
        """
        self.device = _check_device(device)

    # docstr-coverage: inherited
    def execute(self, folders: Sequence[Path], report: Callable[[Path], object]) -> None:  # noqa: D102
        for folder in folders:
            carry_out(folder, self.device)
            report(folder)


def carry_out(folder: Path, device: str | None) -> None:
    """Carry out a run in this process; its folder has what goes wrong, and one bad run must not stop others."""
    files = RunFolder(folder)
    # others may have carried it out in the meantime
    while not files.has_ended:
        _try_to_carry_out(files, device)


def _try_to_carry_out(files: RunFolder, device: str | None) -> None:
    """Carry out a run, or wait a moment if somebody else does."""
    # it needs PyKEEN, which takes seconds to be imported
    from .run import run

    try:
        run(files.configuration, files.path, device=device, progress=False)
    except BusyError:
        time.sleep(INTERVAL)
    except Exception as error:
        if not files.has_ended:
            files.fail(f"{type(error).__name__}: {error}")


def _check_device(device: str | None) -> str | None:
    """Check that there is a device here, rather than find out in each run."""
    # it needs PyTorch, which takes seconds to be imported
    from ..encoders.weights import resolve_device

    return None if device is None else str(resolve_device(device))


class LocalEngine:
    """Several processes on this machine, one for each run: if one is killed, the others go on."""

    def __init__(self, workers: int = 1, device: str | None = None) -> None:
        """Initialize the engine.

        :param workers: How many processes run at a time, with one thread each.
        :param device: The device. If ``None``, a GPU if there is one.
        :raises ValueError: if there is no worker, or no such device
        """
        if workers < 1:
            raise ValueError(f"There must be at least one worker, but workers is {workers}.")
        self.num_at_a_time = workers
        self.device = _check_device(device)
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._is_ended = False

    # docstr-coverage: inherited
    def execute(self, folders: Sequence[Path], report: Callable[[Path], object]) -> None:  # noqa: D102
        self._is_ended = False
        with ThreadPoolExecutor(self.num_at_a_time) as pool:
            waiting: dict[Future[int], Path] = {pool.submit(self._run, folder): folder for folder in folders}
            try:
                while waiting:
                    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                        folder = waiting.pop(future)
                        if future.result() == BUSY:
                            # others first
                            waiting[pool.submit(self._run, folder, delay=INTERVAL)] = folder
                        else:
                            report(folder)
            finally:
                self._end()

    def _run(self, folder: Path, delay: float = 0.0) -> int:
        """Carry out a run in a process of its own, and return how that has ended."""
        time.sleep(delay)
        files = RunFolder(folder)
        # others may carry it out, or have done so in the meantime; a process would find out, too, but takes seconds
        if files.has_ended:
            return 0
        with suppress(OSError):
            try:
                with files.locked():
                    pass
            except BusyError:
                return BUSY
        arguments = [sys.executable, "-m", "pykeen_adamf", *command(folder, self.device), "--threads", "1"]
        with self._lock:
            if self._is_ended:
                return BUSY
            process = subprocess.Popen(  # noqa: S603
                # it ends with its input, hence with this process, however that ends
                [*arguments, "--no-progress", "--end-with-input"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                # an interruption is this process' to handle
                start_new_session=True,
            )
            self._processes.add(process)
        assert process.stderr is not None
        message = process.stderr.read().decode(errors="replace")
        code = process.wait()
        self._processes.discard(process)
        if code not in {0, BUSY} and not self._is_ended and not files.has_ended:
            reason = f"by signal {-code}, perhaps for lack of memory" if code < 0 else f"with status {code}: {message}"
            files.fail(f"The process has ended {reason.strip()}")
        return code

    def _end(self) -> None:
        """End what still runs; what is trained is kept in checkpoints."""
        with self._lock:
            self._is_ended = True
            for process in list(self._processes):
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)


class RayEngine:
    """A cluster of Ray, whose machines share the directory of the runs."""

    def __init__(
        self,
        address: str | None = None,
        device: str | None = None,
        cpus_per_run: float = 1.0,
        gpus_per_run: float = 0.0,
        retries: int = 3,
    ) -> None:
        """Initialize the engine.

        :param address: The address of the cluster; ``"auto"`` for the one of this machine. If ``None``, one is started.
        :param device: The device. If ``None``, a GPU if a run gets any.
        :param cpus_per_run: The number of CPUs that a run takes.
        :param gpus_per_run: The number of GPUs that a run takes; several runs may share one.
        :param retries: How often a run begins anew, from its checkpoint, if its worker or its machine is lost.
        :raises ImportError: if Ray is not installed
        """
        try:
            import ray
        except ImportError as error:
            raise ImportError('The engine ray is not installed: pip install "pykeen-adamf[ray]"') from error
        self._ray = ray
        self.num_at_a_time = 1
        self.address = address
        self.device = device
        self.resources: dict[str, Any] = {"num_cpus": cpus_per_run, "num_gpus": gpus_per_run, "max_retries": retries}

    # docstr-coverage: inherited
    def execute(self, folders: Sequence[Path], report: Callable[[Path], object]) -> None:  # noqa: D102
        ray = self._ray
        is_ours = not ray.is_initialized()
        if is_ours:
            self._check_address()
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level="error")
            except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
                raise RuntimeError(
                    f"Nobody answers at the address {self.address!r}: {error}. Start one by `ray start --head`."
                ) from error
        try:
            self.num_at_a_time = max(1, int(ray.cluster_resources().get("CPU", 1) / self.resources["num_cpus"]))
            task = ray.remote(carry_out).options(**self.resources)
            waiting = {task.remote(folder.absolute(), self.device): folder for folder in folders}
            for reference in self._as_completed(list(waiting)):
                folder = waiting[reference]
                try:
                    ray.get(reference)
                except ray.exceptions.RayError as error:
                    RunFolder(folder).fail(f"The worker was lost: {error}")
                report(folder)
        finally:
            if is_ours:
                ray.shutdown()

    def _check_address(self) -> None:
        """Check that somebody answers at the address, for which Ray itself would wait for minutes."""
        host, _, port = (self.address or "").rpartition(":")
        if host and port.isdecimal():
            try:
                socket.create_connection((host.rpartition("/")[2], int(port)), timeout=10).close()
            except OSError as error:
                raise RuntimeError(
                    f"Nobody answers at the address {self.address!r}: {error}. Start a cluster by `ray start --head`."
                ) from error

    def _as_completed(self, references: list[Any]) -> Iterator[Any]:
        """Return references as soon as they are ready."""
        while references:
            (ready,), references = self._ray.wait(references, num_returns=1)
            yield ready


#: By name: ``inline``, ``local``, ``ray``.
engine_resolver: ClassResolver[Any] = ClassResolver(
    [InlineEngine, LocalEngine, RayEngine], base=object, default=LocalEngine, suffix="Engine"
)


def end_with_input() -> None:
    """End this process as soon as its input does, i.e., when the one that has started it is gone."""

    def watch() -> None:
        # not by a buffered reader, whose lock Python could not have at its end
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
