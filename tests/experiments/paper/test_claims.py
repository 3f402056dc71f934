"""Locks of processes which may be killed, or be on other machines."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from pykeen_adamf.experiments.paper import claims
from pykeen_adamf.experiments.paper.claims import Watch, claim, describe_machine, read_holder

#: Claims a lock, says so, and holds it until it is killed.
HOLDER = """
import sys, time
from pathlib import Path
from pykeen_adamf.experiments.paper.claims import claim
with claim(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.lock"


def write_lock(path, **kwargs):
    """Write the lock of another process."""
    holder = {"machine": describe_machine(), "pid": os.getpid(), "time": 0.0, "token": "other"} | kwargs
    path.write_text(json.dumps(holder), encoding="utf-8")


def test_one_at_a_time(path):
    with claim(path):
        assert read_holder(path)["pid"] == os.getpid()
        assert claim(path) is None
    assert not path.exists()
    with claim(path):
        pass


def test_released_after_an_error(path):
    with pytest.raises(KeyError), claim(path):
        raise KeyError
    assert not path.exists()


def test_many_threads(path):
    """Only one of those who claim at the same time gets it."""
    barrier = threading.Barrier(16)
    won = []

    def run():
        barrier.wait()
        won.append(claim(path))

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(x is not None for x in won) == 1


def test_heartbeat(path, monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT", 0.02)
    with claim(path):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert path.stat().st_mtime > 0


def test_killed_holder(path):
    """A lock is free as soon as its process is killed, even if nobody has waited for it, and not before."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "claimed\n"
        watch = Watch()
        assert not watch.remove_if_stale(path)
        assert claim(path) is None
        process.kill()
        deadline = time.monotonic() + 10
        while not watch.remove_if_stale(path):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with claim(path):
            assert read_holder(path)["pid"] == os.getpid()
    finally:
        process.kill()
        process.communicate()


def test_other_machine(path):
    """Process IDs of other machines say nothing; what counts is how long nothing has happened, by the own clock."""
    # such a process is not here
    write_lock(path, machine="elsewhere", pid=2**30)
    # their clock is wrong
    os.utime(path, (0, 0))
    watch = Watch(stale_after=0.2)
    assert not watch.remove_if_stale(path)
    time.sleep(0.15)
    # a sign of life
    os.utime(path, (1, 1))
    assert not watch.remove_if_stale(path)
    time.sleep(0.1)
    assert not watch.remove_if_stale(path)
    time.sleep(0.15)
    assert watch.remove_if_stale(path)
    assert not path.exists()
    assert list(path.parent.iterdir()) == []


def test_killed_while_writing(path):
    """An empty lock is of somebody who has just begun, or who was killed then."""
    path.touch()
    watch = Watch(stale_after=0.1)
    assert not watch.remove_if_stale(path)
    time.sleep(0.15)
    assert watch.remove_if_stale(path)


def test_somebody_was_faster(path, monkeypatch):
    """Who finds a stale lock, and removes it later than somebody else, leaves the other's new lock alone."""
    write_lock(path, pid=2**30)
    stale = read_holder(path)
    path.unlink()
    with claim(path) as other:
        assert not claims._remove(path, stale)
        assert read_holder(path)["token"] == other.token
        assert list(path.parent.iterdir()) == [path]
    assert not path.exists()


def test_lost_claim(path):
    """Who was suspended for so long that somebody else has taken over does not remove the other's lock."""
    with claim(path):
        path.unlink()
        write_lock(path)
    assert read_holder(path)["token"] == "other"


def test_no_lock(path):
    assert Watch().remove_if_stale(path)
    assert read_holder(path) == {}
