"""What one process does: run whatever nobody else runs, until everything is finished."""

import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...typing import NumpyArray
from ..demo.quiet import silence
from .claims import STALE_AFTER, Watch, claim
from .planning import Run
from .running import RunFiles, describe_failure, execute

__all__ = ["work", "work_in_process"]

logger = logging.getLogger(__name__)


def work(
    directory: Path, runs: Sequence[Run], device: str, stale_after: float = STALE_AFTER, interval: float = 1.0
) -> None:
    """Run what is not finished, and wait for what others run.

    :param directory: The directory of the experiment, which other processes may work in, too.
    :param runs: The runs.
    :param device: The device.
    :param stale_after: After how many seconds without a sign of life to take over from others.
    :param interval: How often to look whether others are ready, in seconds.
    :raises OSError: if results cannot be written
    """
    watch = Watch(stale_after)
    pending = list(runs)
    while pending:
        taken = [run for run in pending if not _try(directory, run, device, watch)]
        if len(taken) == len(pending):
            time.sleep(interval)
        pending = taken


def _try(directory: Path, run: Run, device: str, watch: Watch) -> bool:
    """Return whether a run is finished, after running it if nobody else does."""
    files = RunFiles(directory, run.id)
    if files.result.exists():
        return True
    if not watch.remove_if_stale(files.lock):
        return False
    lock = claim(files.lock)
    if lock is None:
        return False
    with lock:
        # somebody may have finished it in between
        if not files.result.exists():
            result, ranks = _execute(run, device)
            # if not, somebody else is about to finish it
            if lock.is_held:
                files.write(result, ranks)
    return files.result.exists()


def _execute(run: Run, device: str) -> tuple[dict[str, Any], dict[str, NumpyArray] | None]:
    """Run, and return what comes out, be it an error."""
    try:
        return execute(run, device)
    # one bad configuration must not stop the others, and the report shows it
    except Exception as error:
        logger.debug("%s has failed.", run.describe(), exc_info=True)
        message = f"{type(error).__name__}: {error}"
        return describe_failure(run, device, message, traceback.format_exc()), None


def work_in_process(directory: Path, runs: Sequence[Run], device: str, stale_after: float) -> None:
    """Do the same in a process of its own, cf. :func:`work`.

    :param directory: The directory of the experiment.
    :param runs: The runs.
    :param device: The device.
    :param stale_after: After how many seconds without a sign of life to take over from others.
    """
    # the process that has started this one ends it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # small operations in several threads wait for each other, more than they gain
    torch.set_num_threads(1)
    silence()
    # it was all said when the experiment was planned
    logging.getLogger("pykeen_adamf.datasets").setLevel(logging.ERROR)
    work(directory, runs, device, stale_after)


def _end_with_parent() -> None:
    """End this process as soon as the one that has started it is gone, e.g., killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
