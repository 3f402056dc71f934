"""The command, killed in the middle of its second run, and repeated; and several commands at once."""

import json
import os
import signal
from pathlib import Path

import pytest

from pykeen_adamf.experiments.folder import RunFolder

from ..cases import count_epochs, read_ranks
from ..processes import find_workers, finish, is_busy, start, wait
from .cases import SMALL, list_files, read_tables, result_files, without_times

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to look for processes"),
]

NUM_RUNS = 4

#: How many processes share a directory.
NUM_PROCESSES = 3

#: What the log of a run has each time that it begins or continues.
MESSAGE = "INFO pykeen.pipeline.api: Using device: "


@pytest.fixture(scope="module")
def arguments(benchmark):
    return ["reproduce", "figure5", "--directory", benchmark, "--seeds", 2, "--epochs", 60, *SMALL]


@pytest.fixture(scope="module")
def straight(arguments, tmp_path_factory):
    """Return the output of a command that is left alone."""
    output = tmp_path_factory.mktemp("straight")
    finish(start(*arguments, "--output", output))
    assert len(list(result_files(output))) == NUM_RUNS
    return output


def list_folders(output):
    return sorted(path for path in (output / "runs").glob("*") if path.is_dir())


def find_second_run(output):
    """Return the folder of a run that is not the first, if there is one that is trained."""
    if not list(result_files(output)):
        return None
    others = [path for path in list_folders(output) if not RunFolder(path).has_ended and count_epochs(path)]
    return others[0] if others else None


def check(output, straight):
    """Check that an output is the same, apart from times."""
    names = [path.name for path in list_folders(straight)]
    assert [path.name for path in list_folders(output)] == names
    for name in names:
        a, b = (directory / "runs" / name for directory in (output, straight))
        first, second = (json.loads((path / "result.json").read_text()) for path in (a, b))
        assert without_times(first) == without_times(second)
        assert {key: x.tolist() for key, x in read_ranks(a).items()} == {
            key: x.tolist() for key, x in read_ranks(b).items()
        }
        assert not (a / "error.json").exists()
    assert read_tables(output) == read_tables(straight)


def test_all_processes(arguments, straight, tmp_path):
    process = start(*arguments, "--output", tmp_path)
    folder = wait(lambda: find_second_run(tmp_path), process)
    workers = find_workers(folder)
    for pid in (process.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    num_finished = len(list(result_files(tmp_path)))
    assert 1 <= num_finished < NUM_RUNS
    assert not (tmp_path / "report.md").exists()
    printed = finish(start(*arguments, "--output", tmp_path))
    assert f"{NUM_RUNS} runs, of which {num_finished} are finished" in printed
    check(tmp_path, straight)


def test_only_the_command(arguments, straight, tmp_path):
    """Its processes end, too, rather than going on where nobody looks."""
    process = start(*arguments, "--output", tmp_path)
    folder = wait(lambda: find_second_run(tmp_path), process)
    assert is_busy(folder)
    process.kill()
    process.communicate()
    wait(lambda: not find_workers(folder) and not is_busy(folder))
    assert len(list(result_files(tmp_path))) < NUM_RUNS
    finish(start(*arguments, "--output", tmp_path))
    check(tmp_path, straight)


def test_only_a_worker(arguments, straight, tmp_path):
    """The command goes on, and tells which run it was: that might be killed again and again, e.g., for memory."""
    process = start(*arguments, "--output", tmp_path)
    folder = wait(lambda: find_second_run(tmp_path), process)
    (worker,) = find_workers(folder)
    os.kill(worker, signal.SIGKILL)
    printed = finish(process, returncode=1)
    assert printed.count("failed: The process has ended by signal 9, perhaps for lack of memory") == 1
    assert "Error: 1 run has failed, see the end of the report" in printed
    assert len(list(result_files(tmp_path))) == NUM_RUNS - 1
    finish(start(*arguments, "--retry", "--output", tmp_path))
    check(tmp_path, straight)


def test_interrupted(arguments, straight, tmp_path):
    """Whoever presses Ctrl+C leaves no processes behind."""
    process = start(*arguments, "--output", tmp_path)
    folder = wait(lambda: find_second_run(tmp_path), process)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "What is finished is kept: repeat the command to go on" in printed
    assert "Aborted!" in printed
    assert "Traceback" not in printed
    wait(lambda: not find_workers(folder))
    assert not list(tmp_path.glob("runs/*/error.json"))
    finish(start(*arguments, "--output", tmp_path))
    check(tmp_path, straight)


def test_sharing(arguments, straight, tmp_path):
    """Commands that share a directory share the work: everything is run, nothing twice, and all report the same."""
    processes = [start(*arguments, "--output", tmp_path) for _ in range(NUM_PROCESSES)]
    printed = [finish(process) for process in processes]
    check(tmp_path, straight)
    for folder in list_folders(tmp_path):
        # whoever is trained twice is said to begin twice
        assert (folder / "log.txt").read_text().count(MESSAGE) == 1
    assert all(lines.count(f"[{NUM_RUNS}/{NUM_RUNS}] ") == 1 for lines in printed)
    before = list_files(tmp_path)
    finish(start(*arguments, "--output", tmp_path))
    assert list_files(tmp_path) == before
