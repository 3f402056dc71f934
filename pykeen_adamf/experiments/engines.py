"""Where runs are carried out: in this process, in processes on this machine, or on a cluster of Ray."""

import importlib
import os
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, as_completed, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

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


class Engine(ABC):
    """Carries out runs, each of which has its configuration in its folder, and leaves its results or an error there."""

    #: how many runs there are at a time, as far as it is known
    num_at_a_time = 1

    def __init__(self, device: str | None = None) -> None:
        """Initialize the engine.

        :param device: The device. If ``None``, a GPU if there is one.
        :raises ValueError: if there is no such device
        """
        # it needs PyTorch, which takes seconds to be imported
        from ..encoders.weights import resolve_device

        self.device = None if device is None else str(resolve_device(device))

    @abstractmethod
    def execute(self, folders: Sequence[Path], report: Callable[[Path], object]) -> None:
        """Carry out runs, and return when all have ended.

        :param folders: Their folders.
        :param report: Called with the folder of each run that has ended.
        :raises RuntimeError: if nothing can be carried out at all
        """


class InlineEngine(Engine):
    """One run after the other in this very process: nothing is isolated, everything can be debugged."""

    def execute(self, folders: Sequence[Path], report: Callable[[Path], object]) -> None:  # noqa: D102
        for folder in folders:
            carry_out(folder, self.device, progress=True)
            report(folder)


def carry_out(folder: Path, device: str | None, progress: bool = False) -> None:
    """Carry out a run in this process; its folder has what goes wrong, and one bad run must not stop others."""
    # it needs PyKEEN, which takes seconds to be imported
    from .run import run

    files = RunFolder(folder)
    try:
        # others may have carried it out in the meantime, or do so now
        while not files.has_ended:
            with suppress(BusyError):
                run(files.configuration, folder, device=device, progress=progress)
                return
            time.sleep(INTERVAL)
    except Exception as error:
        if not files.has_ended:
            files.fail(f"{type(error).__name__}: {error}")


class LocalEngine(Engine):
    """Several processes on this machine, one for each run: if one is killed, the others go on."""

    def __init__(self, workers: int = 1, device: str | None = None) -> None:
        """Initialize the engine.

        :param workers: How many processes run at a time, with one thread each.
        :param device: The device. If ``None``, a GPU if there is one.
        :raises ValueError: if there is no worker, or no such device
        """
        if workers < 1:
            raise ValueError(f"There must be at least one worker, but workers is {workers}.")
        super().__init__(device)
        self.num_at_a_time = workers

    def execute(self, folders: Sequence[Path], report: Callable[[Path], object]) -> None:  # noqa: D102
        pool, (reading, writing) = ThreadPoolExecutor(self.num_at_a_time), os.pipe()
        try:
            waiting = {pool.submit(self._run, folder, reading): folder for folder in folders}
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    folder, (code, errors) = waiting.pop(future), future.result()
                    if code == BUSY:
                        # others first
                        waiting[pool.submit(self._run, folder, reading)] = folder
                        continue
                    if code and not RunFolder(folder).has_ended:
                        killed = f"by signal {-code}, perhaps for lack of memory"
                        reason = killed if code < 0 else f"with status {code}: {errors}"
                        RunFolder(folder).fail(f"The process has ended {reason.strip()}")
                    report(folder)
        finally:
            # processes end with their input, hence also with this one; what is trained is kept in checkpoints
            os.close(writing)
            pool.shutdown(cancel_futures=True)
            os.close(reading)

    def _run(self, folder: Path, stdin: int) -> tuple[int, str]:
        """Carry out a run in a process of its own; return how that has ended, and its errors."""
        # what a process would find out, too, but it takes seconds
        if RunFolder(folder).has_ended:
            return 0, ""
        try:
            with suppress(OSError), RunFolder(folder).locked(timeout=INTERVAL):
                pass
        except BusyError:
            return BUSY, ""
        arguments = [*command(folder, self.device), "--threads", "1", "--no-progress", "--end-with-input"]
        process = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pykeen_adamf", *arguments],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            errors="replace",
            # an interruption is this process' to handle
            start_new_session=True,
            check=False,
        )
        return process.returncode, process.stderr


class RayEngine(Engine):
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
            self._ray = importlib.import_module("ray")
        except ImportError as error:
            raise ImportError('The engine ray is not installed: pip install "pykeen-adamf[ray]"') from error
        self.address = address
        # it is not this machine that needs to have it
        self.device = device
        self.resources: dict[str, Any] = {"num_cpus": cpus_per_run, "num_gpus": gpus_per_run, "max_retries": retries}

    def execute(self, folders: Sequence[Path], report: Callable[[Path], object]) -> None:  # noqa: D102
        ray = self._ray
        is_ours = not ray.is_initialized()
        try:
            if is_ours:
                host, _, port = (self.address or "").rpartition(":")
                if host and port.isdecimal():
                    # if nobody answers, Ray itself would wait for minutes
                    socket.create_connection((host.rpartition("/")[2], int(port)), timeout=10).close()
                ray.init(address=self.address, log_to_driver=False, logging_level="error")
        except (OSError, RuntimeError, ValueError) as error:
            raise RuntimeError(
                f"Nobody answers at the address {self.address!r}: {error}. Start a cluster by `ray start --head`."
            ) from error
        try:
            self.num_at_a_time = max(1, int(ray.cluster_resources().get("CPU", 1) / self.resources["num_cpus"]))
            submit = ray.remote(**self.resources)(carry_out).remote
            futures = {submit(folder.absolute(), self.device).future(): folder for folder in folders}
            for future in as_completed(futures):
                if lost := future.exception():
                    RunFolder(futures[future]).fail(f"The worker was lost: {lost}")
                report(futures[future])
        finally:
            if is_ours:
                ray.shutdown()


#: By name: ``inline``, ``local``, ``ray``.
engine_resolver: ClassResolver[Engine] = ClassResolver.from_subclasses(
    Engine,  # type: ignore[type-abstract]
    default=LocalEngine,
)
