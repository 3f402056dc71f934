"""Many files, in a process that may crash or hang: the next one goes on behind the file that was to blame."""

import multiprocessing
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import pandas

from .oracle import MAX_SECONDS, Oracle
from .targets import TARGETS

__all__ = ["FINE", "fuzz", "to_table"]

#: Outcomes that are no failures.
FINE = ("read", "refused")

#: What a file may take in all, until the process is killed.
PATIENCE = 20 * MAX_SECONDS


def fuzz(
    num_files: int, seed: int, names: Sequence[str] | None = None, *, start: int = 0, failures: Path | None = None
) -> Counter[tuple[str, str]]:
    """Read changed files, one target after the other.

    :param num_files: The number of files.
    :param seed: The seed; with the number of a file it decides what is in it.
    :param names: The names of the targets. Defaults to all.
    :param start: The number of the first file, to continue an earlier run.
    :param failures: A folder in which failing files are kept, with a text that says why.
    :returns: The number of files by target and outcome.
    """
    names = list(names or TARGETS)
    counts: Counter[tuple[str, str]] = Counter()
    context = multiprocessing.get_context("fork")
    index = start
    while index < start + num_files:
        with tempfile.TemporaryDirectory() as temporary:
            directory = Path(temporary).resolve()
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(theirs, directory, names, seed, index, start + num_files))
            process.start()
            theirs.close()
            while index < start + num_files:
                name = names[index % len(names)]
                try:
                    outcome, details = ours.recv() if ours.poll(PATIENCE) else ("hung", "")
                except EOFError:
                    process.join()
                    outcome, details = "crashed", f"exit code {process.exitcode}"
                counts[name, outcome] += 1
                if outcome not in FINE and failures is not None:
                    _keep(directory, failures / f"{seed}-{index}", f"{name}: {outcome}: {details}\n")
                index += 1
                if outcome in {"hung", "crashed"}:
                    break
                if outcome not in FINE:
                    # it waits until its file has been copied
                    _let_go_on(directory)
            process.kill()
            process.join()
    return counts


def _let_go_on(directory: Path) -> None:
    """Tell the process that a failing file has been copied."""
    (directory / "go on").touch()


def _work(connection: Connection, directory: Path, names: Sequence[str], seed: int, start: int, stop: int) -> None:
    """Read files, and tell of each what has become of it."""
    import gc
    import logging
    import os
    import time
    import warnings

    warnings.simplefilter("ignore")
    logging.disable()
    # PyKEEN collects garbage after each epoch, among everything that there is by now
    gc.freeze()
    # links in files are relative to where the process is
    os.chdir(directory)
    oracle = Oracle(directory)
    for index in range(start, stop):
        outcome, details = oracle.examine(TARGETS[names[index % len(names)]], f"{seed}/{index}")
        connection.send((outcome, details))
        if outcome not in FINE:
            while not (directory / "go on").exists():
                time.sleep(0.001)
            (directory / "go on").unlink()


def _keep(directory: Path, place: Path, why: str) -> None:
    """Keep a failing file."""
    shutil.copytree(directory / "case", place, dirs_exist_ok=True)
    (place / "why.txt").write_text(why, errors="backslashreplace")


def to_table(counts: Counter[tuple[str, str]]) -> str:
    """Show the number of files by target and outcome."""
    if not counts:
        return "no files"
    table = pandas.Series(counts).unstack(fill_value=0)
    table.loc["all"] = table.sum()
    return table.to_string()
