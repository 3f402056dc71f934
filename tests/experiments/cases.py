"""Configurations of small runs, and what they leave behind."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main
from pykeen_adamf.experiments.configuration import merge
from pykeen_adamf.experiments.folder import RunFolder
from pykeen_adamf.experiments.recording import Recorder
from pykeen_adamf.experiments.run import run

#: Training loops and models of this package and of PyKEEN's own, with all that has a state.
CASES: dict[str, dict[str, Any]] = {
    "MAT": dict(
        training_loop="MAT",
        training_loop_kwargs=dict(num_groups=2),
        lr_scheduler="exponential",
        lr_scheduler_kwargs=dict(gamma=0.9),
    ),
    "sLCWA": dict(model="TransE", training_loop="sLCWA", optimizer="adagrad"),
    "LCWA": dict(
        model="DistMult", training_loop="LCWA", loss="BCEWithLogits", training_kwargs=dict(label_smoothing=0.1)
    ),
    "stopped": dict(
        model="AdaMFRotatE",
        stopper="early",
        stopper_kwargs=dict(frequency=1, patience=2, relative_delta=0.05),
    ),
    "not stopped": dict(model="ComplEx", stopper="early", stopper_kwargs=dict(frequency=1, patience=100)),
}


def configure(directory: Path, epochs: int = 4, **changes: Any) -> dict[str, Any]:
    """Return the configuration of a small run on a benchmark."""
    pipeline = {
        "dataset": "DB15K",
        "dataset_kwargs": {"directory": str(directory)},
        "model": "AdaMFRotatE",
        "model_kwargs": {"embedding_dim": 4},
        "optimizer_kwargs": {"lr": 0.01},
        "training_kwargs": {"num_epochs": epochs, "batch_size": 16},
    }
    return {"metadata": {"title": "small"}, "data": {}, "pipeline": merge(pipeline, changes)}


def write_configuration(path: Path, content: Any) -> Path:
    """Write a configuration, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def execute(configuration: Any, path: Path, **kwargs: Any) -> dict[str, Any]:
    """Carry out a run on the CPU."""
    return run(configuration, path, **{"device": "cpu", "progress": False, "checkpoint_minutes": 0, **kwargs})


def interrupt_after(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """Let training be interrupted as by somebody at a keyboard, as soon as an epoch is written down."""
    record = Recorder.post_epoch

    def post_epoch(recorder: Recorder, **kwargs: Any) -> None:
        record(recorder, **kwargs)
        if kwargs["epoch"] == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "post_epoch", post_epoch)


def begin(configuration: Any, path: Path, epoch: int, **kwargs: Any) -> None:
    """Carry out a run, but for an interruption in an epoch, whose checkpoint is not yet written."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupt_after(monkeypatch, epoch)
        with pytest.raises(KeyboardInterrupt):
            execute(configuration, path, **kwargs)


def read_curve(path: Path) -> pandas.DataFrame:
    """Return the learning curve of a run without its times."""
    return pandas.read_csv(RunFolder(path).curve).drop(columns="seconds")


def read_ranks(path: Path) -> dict[str, numpy.ndarray]:
    """Return the arrays of ranks of a run."""
    with numpy.load(RunFolder(path).ranks) as ranks:
        return dict(ranks)


def assert_same_runs(first: Path, second: Path, bundles: bool = False) -> None:
    """Assert that two runs have the same to the last bit, but for times."""
    a, b = (RunFolder(path).read_result() for path in (first, second))
    assert a is not None
    assert b is not None
    assert {key: x for key, x in a.items() if key != "seconds"} == {key: x for key, x in b.items() if key != "seconds"}
    for name, ranks in read_ranks(first).items():
        assert numpy.array_equal(ranks, read_ranks(second)[name])
    pandas.testing.assert_frame_equal(read_curve(first), read_curve(second))
    if bundles:
        assert read_weights(first) == read_weights(second)


def read_weights(path: Path) -> dict[str, bytes]:
    """Return the tensors of a run's bundle."""
    paths = sorted(RunFolder(path).bundle.rglob("*.safetensors"))
    assert paths
    return {x.name: x.read_bytes() for x in paths}


def list_times(path: Path) -> dict[str, tuple[int, int]]:
    """Return the files of a run, and what changes if anybody writes them again."""
    return {x.name: (x.stat().st_mtime_ns, x.stat().st_ino) for x in path.iterdir() if x.name != ".lock"}


def count_epochs(path: Path) -> int:
    """Return how many epochs of a run are written down."""
    curve = RunFolder(path).curve
    return len(curve.read_text(encoding="utf-8").splitlines()) - 1 if curve.is_file() else 0


def wait_for_epochs(process: subprocess.Popen[Any], path: Path, number: int, seconds: float) -> None:
    """Wait until a process has trained some more epochs, and a moment longer."""
    wanted, deadline = count_epochs(path) + number, time.monotonic() + 180
    while count_epochs(path) < wanted:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(seconds)


def invoke(*arguments):
    """Return the result of the command for one run."""
    return CliRunner().invoke(main, ["run", *map(str, arguments)])
