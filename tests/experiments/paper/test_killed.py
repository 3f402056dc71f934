"""The command, killed in the middle of its second run, and repeated."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pykeen_adamf.experiments.paper.claims import read_holder

from .cases import SMALL, read_tables, result_files, without_times

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to look for processes"),
]


def start(*arguments):
    """Start the command in a process group of its own."""
    command = [sys.executable, "-c", "from pykeen_adamf.cli import main; main()", "reproduce", *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=env, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process, returncode=0):
    """Wait for the command, and return what it has printed."""
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == returncode, printed
    return printed


def wait(condition, process=None, seconds=120):
    """Wait until something is the case."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)
    return result


def find_second_run(output):
    """Return the lock of a run that is not the first, if there is one, and not finished."""
    finished = {path.stem for path in result_files(output)}
    locks = [path for path in (output / "runs").glob("*.lock") if read_holder(path) and path.stem not in finished]
    return locks[0] if locks and finished else None


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    # neither if it has ended, and nobody has asked for its exit status
    return state != "Z"


@pytest.fixture(scope="module")
def arguments(benchmark):
    return ["figure5", "--directory", benchmark, "--seeds", 2, "--epochs", 60, *SMALL]


@pytest.fixture(scope="module")
def straight(arguments, tmp_path_factory):
    """Return the output of a command that is left alone."""
    output = tmp_path_factory.mktemp("straight")
    finish(start(*arguments, "--output", output))
    assert len(list(result_files(output))) == 4
    return output


def check(output, straight):
    """Check that an output is the same, apart from times."""
    names = sorted(path.name for path in (straight / "runs").iterdir())
    assert sorted(path.name for path in (output / "runs").iterdir() if path.name[0] != ".") == names
    for name in names:
        a, b = (directory / "runs" / name for directory in (output, straight))
        if a.suffix == ".json":
            assert without_times(json.loads(a.read_text())) == without_times(json.loads(b.read_text()))
        else:
            assert a.read_bytes() == b.read_bytes()
    assert read_tables(output) == read_tables(straight)


def test_all_processes(arguments, straight, tmp_path):
    process = start(*arguments, "--output", tmp_path)
    wait(lambda: find_second_run(tmp_path), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    num_finished = len(list(result_files(tmp_path)))
    assert 1 <= num_finished < 4
    assert find_second_run(tmp_path)
    assert not (tmp_path / "report.md").exists()
    printed = finish(start(*arguments, "--output", tmp_path))
    assert f"4 runs, of which {num_finished} are finished" in printed
    check(tmp_path, straight)


def test_only_the_command(arguments, straight, tmp_path):
    """Its processes end, too, rather than going on where nobody looks."""
    process = start(*arguments, "--output", tmp_path)
    worker = read_holder(wait(lambda: find_second_run(tmp_path), process))["pid"]
    process.kill()
    process.communicate()
    wait(lambda: not is_alive(worker), seconds=20)
    assert len(list(result_files(tmp_path))) < 4
    finish(start(*arguments, "--output", tmp_path))
    check(tmp_path, straight)


def test_only_a_worker(arguments, straight, tmp_path):
    """The command goes on, and tells which run it was: that might be killed again and again, e.g., for memory."""
    process = start(*arguments, "--output", tmp_path)
    worker = read_holder(wait(lambda: find_second_run(tmp_path), process))["pid"]
    os.kill(worker, signal.SIGKILL)
    printed = finish(process, returncode=1)
    assert printed.count("failed: The process was killed by signal 9") == 1
    assert len(list(result_files(tmp_path))) == 4
    finish(start(*arguments, "--retry", "--output", tmp_path))
    check(tmp_path, straight)


def test_interrupted(arguments, straight, tmp_path):
    """Whoever presses Ctrl+C leaves no locks behind."""
    process = start(*arguments, "--output", tmp_path)
    wait(lambda: find_second_run(tmp_path), process)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "What is finished is kept: repeat the command to go on" in printed
    assert "Aborted!" in printed
    assert "Traceback" not in printed
    assert not list((tmp_path / "runs").glob("*.lock"))
    finish(start(*arguments, "--output", tmp_path))
    check(tmp_path, straight)
