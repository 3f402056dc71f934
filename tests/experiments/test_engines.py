"""Where runs are carried out."""

import importlib.util
import os
import signal
import threading
from pathlib import Path

import pytest

from pykeen_adamf.experiments.engines import (
    InlineEngine,
    LocalEngine,
    RayEngine,
    command,
    engine_resolver,
)
from pykeen_adamf.experiments.folder import RunFolder

from .cases import assert_same_runs, configure, count_epochs
from .processes import find_workers, wait

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to look for processes")
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")


def write_plans(benchmark, directory, *changes):
    """Write configurations into folders, and return these."""
    folders = []
    for i, change in enumerate(changes):
        folder = RunFolder(directory / str(i))
        folder.path.mkdir(parents=True)
        folder.plan(configure(benchmark, **{"random_seed": 0, **change}))
        folders.append(folder.path)
    return folders


#: An odd dimension fails.
CHANGES = (dict(model="TransE"), dict(model="TBKGC", model_kwargs=dict(embedding_dim=1)), dict(training_loop="MAT"))


def execute(engine, folders):
    """Carry out runs, and check that each is reported once."""
    reported = []
    engine.execute(folders, reported.append)
    assert sorted(reported) == sorted(folders)


def check_results(folders):
    """Check what has come of the runs."""
    first, failed, third = map(RunFolder, folders)
    assert failed.read_result() is None
    assert failed.read_error().startswith("ValueError: 2 modalities cannot share 1 dimensions")
    for folder in (first, third):
        assert folder.read_result()["metrics"]
        assert folder.read_error() is None


def test_inline(benchmark, tmp_path):
    """What fails is recorded, and the others are carried out."""
    folders = write_plans(benchmark, tmp_path, *CHANGES)
    execute(InlineEngine("cpu"), folders)
    check_results(folders)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_local(benchmark, tmp_path, workers):
    """Processes come to the same results."""
    inline = write_plans(benchmark, tmp_path / "inline", *CHANGES)
    execute(InlineEngine("cpu"), inline)
    local = write_plans(benchmark, tmp_path / "local", *CHANGES)
    execute(LocalEngine(workers, "cpu"), local)
    check_results(local)
    for i in (0, 2):
        assert_same_runs(local[i], inline[i])


@pytest.mark.slow
@needs_proc
def test_killed_worker(benchmark, tmp_path):
    """It is recorded, the others go on, and the same again continues from the checkpoint."""
    changes = dict(model="TransE", epochs=2000), dict(model="DistMult")
    folders = write_plans(benchmark, tmp_path, *changes)
    thread = threading.Thread(target=execute, args=(LocalEngine(1, "cpu"), folders))
    thread.start()
    wait(lambda: count_epochs(folders[0]) > 5)
    (worker,) = find_workers(folders[0])
    os.kill(worker, signal.SIGKILL)
    thread.join(240)
    assert not thread.is_alive()
    killed, other = map(RunFolder, folders)
    assert killed.read_error() == "The process has ended by signal 9, perhaps for lack of memory"
    assert other.read_result() is not None


@pytest.mark.slow
def test_errors_of_the_process(benchmark, tmp_path):
    """What a process says before there is a run is in the folder, too."""
    (folder,) = write_plans(benchmark, tmp_path, dict(model="TransE"))
    content = RunFolder(folder).configuration.read_text()
    RunFolder(folder).configuration.write_text(content.replace("TransE", "TransX"))
    execute(LocalEngine(1, "cpu"), [folder])
    error = RunFolder(folder).read_error()
    assert error.startswith("The process has ended with status 1: Error: ")
    assert "There is no model 'TransX'" in error
    # and in this process
    RunFolder(folder).error.unlink()
    execute(InlineEngine("cpu"), [folder])
    assert "There is no model 'TransX'" in RunFolder(folder).read_error()


@pytest.mark.parametrize("make", [InlineEngine, LocalEngine])
def test_nothing_is_repeated(benchmark, tmp_path, make):
    """What has ended by the time that it would be carried out is left alone, however it has ended."""
    folders = write_plans(benchmark, tmp_path, dict(model="TransE"), dict(model="TransE"))
    RunFolder(folders[0]).finish({}, {})
    RunFolder(folders[1]).fail("no luck")
    before = [RunFolder(folders[0]).result.stat().st_mtime_ns, RunFolder(folders[1]).error.stat().st_mtime_ns]
    execute(make(device="cpu"), folders)
    after = [RunFolder(folders[0]).result.stat().st_mtime_ns, RunFolder(folders[1]).error.stat().st_mtime_ns]
    assert after == before


@pytest.mark.parametrize("make", [InlineEngine, LocalEngine])
def test_no_such_device(make):
    """It is refused at once, rather than by each run."""
    with pytest.raises(ValueError, match="There is no device 'gpu' here"):
        make(device="gpu")


def test_no_workers():
    with pytest.raises(ValueError, match="There must be at least one worker, but workers is 0"):
        LocalEngine(0)


def test_names():
    """They can be chosen by name."""
    assert engine_resolver.lookup("inline") is InlineEngine
    assert engine_resolver.lookup("local") is engine_resolver.lookup(None) is LocalEngine
    assert engine_resolver.lookup("ray") is RayEngine


def test_command(tmp_path):
    folder = tmp_path / "x"
    assert command(folder, "cpu") == [
        *("run", str(folder / "configuration.json"), "--output", str(folder), "--device", "cpu")
    ]
    assert command(folder)[-1] == str(folder)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="needs to be without ray")
def test_without_ray():
    with pytest.raises(ImportError, match=r'The engine ray is not installed: pip install "pykeen-adamf\[ray\]"'):
        RayEngine()


@pytest.mark.slow
@needs_ray
def test_ray(benchmark, tmp_path):
    """A cluster comes to the same results."""
    inline = write_plans(benchmark, tmp_path / "inline", *CHANGES)
    execute(InlineEngine("cpu"), inline)
    folders = write_plans(benchmark, tmp_path / "ray", *CHANGES)
    execute(RayEngine(device="cpu"), folders)
    check_results(folders)
    for i in (0, 2):
        assert_same_runs(folders[i], inline[i])


@pytest.mark.slow
@needs_ray
def test_no_cluster(benchmark, tmp_path):
    folders = write_plans(benchmark, tmp_path, dict(model="TransE"))
    with pytest.raises(RuntimeError, match=r"Nobody answers at the address '127\.0\.0\.1:1'.*ray start --head"):
        RayEngine(address="127.0.0.1:1").execute(folders, print)
