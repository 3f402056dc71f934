"""The engine of Ray, on a cluster of two nodes on this machine, one of which is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pykeen_adamf.experiments.engines import InlineEngine, RayEngine
from pykeen_adamf.experiments.paper.grid import reproduce

from .paper.cases import OVERRIDES, read_tables, write_dataset

ray = pytest.importorskip("ray", reason="needs Ray: pip install pykeen-adamf[ray]")
pytestmark = pytest.mark.slow

#: Disabled, since the token that some earlier cluster has left in the home directory is another one.
AUTHENTICATION = "RAY_AUTH_MODE"


def find_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@contextmanager
def start(*arguments, directory):
    """Start a node of a cluster, in a process group of its own."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *arguments, "--num-cpus=1", "--block"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", AUTHENTICATION: "disabled"}
    with (directory / "log.txt").open("ab") as log:
        process = subprocess.Popen(command, env=env, start_new_session=True, stdout=log, stderr=log)
    try:
        yield process
    finally:
        kill(process)


def kill(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def start_cluster(directory):
    """Start a head and a second node on the loopback address; the address, and the process of the second one."""
    port = find_port()
    head = ["--head", "--node-ip-address=127.0.0.1", f"--port={port}", "--include-dashboard=false"]
    with ExitStack() as stack:
        stack.enter_context(start(*head, f"--temp-dir={directory}", directory=directory))
        address = f"127.0.0.1:{port}"
        wait_for(lambda: is_open(port))
        second = stack.enter_context(start(f"--address={address}", directory=directory))
        yield address, second


def is_open(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def kwargs(tmp_path_factory):
    """Return what to reproduce, with a benchmark."""
    benchmark = write_dataset(tmp_path_factory.mktemp("benchmark"))
    return dict(
        experiment="table2",
        datasets=["DB15K"],
        models=["RotatE", "AdaMF-MAT"],
        seeds=2,
        dataset_kwargs=dict(directory=str(benchmark)),
        overrides=OVERRIDES,
        report=lambda line: None,
    )


@pytest.fixture(scope="module")
def expected(kwargs, tmp_path_factory):
    """Return the report of the same by another engine."""
    output = tmp_path_factory.mktemp("inline")
    reproduce(output=output, engine=InlineEngine(device="cpu"), **kwargs)
    return read_tables(output)


@pytest.mark.parametrize("is_killed", [False, True])
def test_same_report(kwargs, expected, tmp_path, is_killed, monkeypatch):
    """Also if a node is killed while it runs something: this goes on elsewhere."""
    monkeypatch.setenv(AUTHENTICATION, "disabled")
    with (
        # paths of sockets must be short, and killed processes may still write there
        TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as directory,
        start_cluster(Path(directory)) as (address, second),
    ):
        ray.init(address=address, log_to_driver=False)
        try:
            wait_for(lambda: ray.cluster_resources().get("CPU") == 2)
            lines = []

            def report(line):
                lines.append(line)
                if is_killed and line.startswith("[1/"):
                    kill(second)

            reproduce(output=tmp_path, engine=RayEngine(device="cpu"), **{**kwargs, "report": report})
        finally:
            ray.shutdown()
    assert (second.poll() is not None) or not is_killed
    assert read_tables(tmp_path) == expected
    assert len(lines) == 5


def test_nobody_answers(tmp_path, kwargs):
    engine = RayEngine(address=f"127.0.0.1:{find_port()}", device="cpu")
    with pytest.raises(RuntimeError, match=r"Nobody answers at the address '127\.0\.0\.1:"):
        reproduce(output=tmp_path, engine=engine, **kwargs)
