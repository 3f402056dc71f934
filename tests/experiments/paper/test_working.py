"""Running what nobody else runs, and nothing twice."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pykeen_adamf.experiments.paper import working
from pykeen_adamf.experiments.paper.claims import describe_machine
from pykeen_adamf.experiments.paper.grid import run_grid
from pykeen_adamf.experiments.paper.running import RunFiles, execute, read_result
from pykeen_adamf.experiments.paper.working import work

from .cases import OVERRIDES, plan_runs, result_files
from .sharing import MODELS, NUM_PROCESSES, SEEDS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def runs(benchmark):
    return plan_runs(benchmark, models=["RotatE", "AdaMF-MAT"], seeds=2)


def list_files(output):
    """Return all files, and what changes if anybody writes them again."""
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in (output / "runs").iterdir()}


def test_nothing_is_repeated(runs, output):
    work(output, runs[:2], "cpu")
    before = list_files(output)
    assert set(before) == {name for run in runs[:2] for name in (f"{run.id}.json", f"{run.id}.ranks.npz")}
    work(output, runs[:2], "cpu")
    assert list_files(output) == before
    # neither if there is more to do
    work(output, runs, "cpu")
    after = list_files(output)
    assert len(after) == 8
    assert before.items() <= after.items()


def test_failures(benchmark, output):
    """They are recorded with what the user can do, and the others are run."""
    odd = dataclasses.replace(OVERRIDES, embedding_dim=1)
    runs = plan_runs(benchmark, models=["RotatE", "TBKGC", "AdaMF"], overrides=odd)
    work(output, runs, "cpu")
    results = {run.variant: read_result(RunFiles(output, run.id).result) for run in runs}
    assert {name: result["error"] is None for name, result in results.items()} == dict(
        RotatE=True, TBKGC=False, AdaMF=True
    )
    failed = results["TBKGC"]
    assert failed["error"].startswith("ValueError: 2 modalities cannot share 1 dimensions. Choose an embedding_dim")
    assert failed["metrics"] is failed["losses"] is failed["modality_weights"] is None
    assert failed["configuration"] == runs[1].configuration
    assert set(failed) == set(results["AdaMF"])
    before = list_files(output)
    work(output, runs, "cpu")
    assert list_files(output) == before


def test_diverging(benchmark, output):
    """Numbers that are none are a failure, too, rather than metrics."""
    overrides = dataclasses.replace(OVERRIDES, learning_rate=1e38, epochs=20)
    runs = plan_runs(benchmark, models=["DistMult"], overrides=overrides)
    work(output, runs, "cpu")
    assert read_result(RunFiles(output, runs[0].id).result)["error"] is not None


def test_unwritable(runs, output):
    """That is no run's failure, which could not be recorded either."""
    (output / "runs" / f".{runs[0].id}.ranks.npz.part").mkdir()
    with pytest.raises(OSError, match=r"ranks.npz.part"):
        work(output, runs, "cpu")
    assert [path.suffix for path in (output / "runs").iterdir()] == [".part"]


def test_taking_over(runs, output):
    """What a process has left that is gone is run, without waiting."""
    files = RunFiles(output, runs[0].id)
    files.lock.write_text(json.dumps(dict(machine=describe_machine(), pid=2**30, time=0, token="x")))
    files.ranks.write_bytes(b"of somebody who was killed")
    work(output, runs[:1], "cpu")
    assert read_result(files.result)["error"] is None
    assert files.ranks.read_bytes()[:2] == b"PK"
    assert not files.lock.exists()


def test_suspended(runs, output, monkeypatch):
    """Who has lost a claim meanwhile leaves the files to whoever has it."""
    files = RunFiles(output, runs[0].id)

    def execute_slowly(run, device):
        result = execute(run, device)
        files.lock.unlink()
        files.lock.write_text(json.dumps(dict(machine="elsewhere", pid=1, time=0, token="x")))
        files.result.write_text("theirs")
        return result

    monkeypatch.setattr(working, "execute", execute_slowly)
    work(output, runs[:1], "cpu")
    assert files.result.read_text() == "theirs"
    assert files.lock.exists()
    assert not files.ranks.exists()


def test_locks_of_finished_runs(runs, output):
    """A process may be killed after it has written a result, and before it removes the lock."""
    work(output, runs[:2], "cpu")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    locks = [RunFiles(output, run.id).lock for run in runs[:2]]
    for lock, pid in zip(locks, (ended.pid, os.getpid()), strict=True):
        lock.write_text(json.dumps(dict(machine=describe_machine(), pid=pid, time=0.0, token="")), encoding="utf-8")
    run_grid(output, runs[:2], num_workers=1, device="cpu", report=lambda line: None)
    assert [lock.exists() for lock in locks] == [False, True]


def test_waiting(runs, output):
    """What others run is waited for, while there is something else to do, and taken over if they do not go on."""
    lock = RunFiles(output, runs[0].id).lock
    lock.write_text(json.dumps(dict(machine="elsewhere", pid=os.getpid(), time=0, token="x")))
    thread = threading.Thread(target=work, args=(output, runs, "cpu", 3.0, 0.05))
    start = time.monotonic()
    thread.start()
    while len(list(result_files(output))) < 3 and time.monotonic() - start < 60:
        time.sleep(0.05)
    assert not RunFiles(output, runs[0].id).result.exists() or time.monotonic() - start > 3
    thread.join(60)
    assert time.monotonic() - start >= 3
    assert len(list(result_files(output))) == 4
    assert not list((output / "runs").glob("*.lock"))


@pytest.mark.slow
def test_sharing(benchmark, output):
    """Processes that share a directory share the work: everything is run, and nothing twice."""
    command = [sys.executable, "-m", "tests.experiments.paper.sharing", benchmark, output]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(NUM_PROCESSES)
    ]
    printed = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * NUM_PROCESSES, printed
    executed = [line for stdout, _ in printed for line in stdout.splitlines()]
    expected = [run.id for run in plan_runs(benchmark, models=MODELS, seeds=SEEDS)]
    assert sorted(executed) == sorted(expected)
    assert sorted(path.stem for path in result_files(output)) == sorted(expected)
    # each of them had a part in it
    assert all(stdout for stdout, _ in printed)
