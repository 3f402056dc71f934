"""Runs that are interrupted, repeated with something else, or fail."""

import json
import subprocess
import sys

import pytest
from pykeen.training import LCWATrainingLoop, SLCWATrainingLoop

from pykeen_adamf.experiments.engines import BUSY
from pykeen_adamf.experiments.folder import BusyError, RunFolder
from pykeen_adamf.experiments.run import make_resumable
from pykeen_adamf.training import MATTrainingLoop

from .cases import (
    CASES,
    assert_same_runs,
    begin,
    configure,
    execute,
    invoke,
    list_times,
    read_curve,
    write_configuration,
)
from .paper.cases import write_dataset

# --- interruptions


@pytest.mark.parametrize("name", ["MAT", *(pytest.param(x, marks=pytest.mark.slow) for x in CASES if x != "MAT")])
def test_resuming(benchmark, tmp_path, name):
    """Training that was interrupted, and goes on in another process, ends as if it had not been."""
    configuration = configure(benchmark, epochs=8, **CASES[name])
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    result = execute(configuration, straight)
    for epoch in (2, 3):
        begin(configuration, resumed, epoch)
        assert not (resumed / "result.json").exists()
        assert not (resumed / "error.json").exists()
        assert len(read_curve(resumed)) == epoch
    lines = []
    execute(configuration, resumed, report=lines.append)
    assert lines[0] == f"Continuing in {resumed} on cpu ..."
    assert lines[1] == "Features of 12 entities: visual 12, textual 12"
    assert_same_runs(resumed, straight)
    assert (len(result["losses"]) < 8) is (name == "stopped")
    assert len(read_curve(resumed)) == len(result["losses"])


def test_interrupted_evaluation(benchmark, tmp_path, monkeypatch):
    """Whoever is interrupted after the last epoch need not train again."""
    configuration = configure(benchmark)
    execute(configuration, tmp_path / "straight")
    with monkeypatch.context() as context:
        context.setattr("pykeen_adamf.experiments.run.collect_metrics", interrupt)
        with pytest.raises(KeyboardInterrupt):
            execute(configuration, tmp_path / "resumed")
    before = list_times(tmp_path / "resumed")
    execute(configuration, tmp_path / "resumed")
    after = list_times(tmp_path / "resumed")
    assert after["curve.csv"] == before["curve.csv"]
    assert_same_runs(tmp_path / "resumed", tmp_path / "straight")


def interrupt(*args, **kwargs):
    """Do as somebody at a keyboard."""
    raise KeyboardInterrupt


@pytest.mark.slow
def test_validation(benchmark, tmp_path):
    """The learning curve has the MRR of validation triples if asked for, which changes nothing, also after resuming."""
    configuration = configure(benchmark, epochs=5, training_loop="MAT")
    execute(configuration, tmp_path / "without")
    begin(configuration, tmp_path / "with", 3, validate_every=2)
    result = execute(configuration, tmp_path / "with", validate_every=2)
    assert result["losses"] == RunFolder(tmp_path / "without").read_result()["losses"]
    assert result["metrics"] == RunFolder(tmp_path / "without").read_result()["metrics"]
    curve, without = (read_curve(tmp_path / name) for name in ("with", "without"))
    (name,) = set(curve) - set(without)
    assert curve[name].notna().tolist() == [False, True, False, True, False]
    assert curve[name].dropna().between(0, 1, inclusive="right").all()


def test_times_of_all_attempts(benchmark, tmp_path):
    """The time of training is that of all epochs, also of those before an interruption."""
    configuration = configure(benchmark)
    begin(configuration, tmp_path, 3)
    path = tmp_path / "curve.csv"
    # of the third epoch, nothing is kept
    lines = [line.split(",") for line in path.read_text().splitlines()]
    column = lines[0].index("seconds")
    for i, line in enumerate(lines[1:]):
        line[column] = str(100.0 * (i + 1))
    path.write_text("".join(f"{','.join(line)}\n" for line in lines))
    result = execute(configuration, tmp_path)
    assert 300 < result["seconds"]["training"] < 400


@pytest.mark.parametrize("hint", [None, "sLCWA", LCWATrainingLoop, "OneVsAll", MATTrainingLoop, SLCWATrainingLoop])
def test_which_loops_are_made_resumable(hint):
    """This package's are as they are, and PyKEEN's own keep their names, but for what was added."""
    cls = make_resumable(hint)
    assert cls.__name__.endswith("TrainingLoop")
    assert make_resumable(cls) is cls


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("name", ["stopped", "not stopped"])
def test_stopper(benchmark, tmp_path, name):
    """The best model by validation triples is the one that is evaluated."""
    result = execute(configure(benchmark, epochs=8, **CASES[name]), tmp_path / "run")
    without = {key: x for key, x in CASES[name].items() if not key.startswith("stopper")}
    others = execute(configure(benchmark, epochs=8, **without), tmp_path / "without")
    assert result["losses"] == others["losses"][: len(result["losses"])]
    assert (len(result["losses"]) < 8) is (name == "stopped")
    assert result["metrics"] != others["metrics"]


# --- failures


def test_failure(benchmark, tmp_path):
    """It is recorded with what the user can do, and goes away as soon as there is a result."""
    configuration = configure(benchmark, model="TBKGC", model_kwargs=dict(embedding_dim=1))
    with pytest.raises(ValueError, match="2 modalities cannot share 1 dimensions"):
        execute(configuration, tmp_path)
    error = json.loads((tmp_path / "error.json").read_text())
    assert error["error"].startswith("ValueError: 2 modalities cannot share 1 dimensions. Choose an embedding_dim")
    assert "Traceback" in error["traceback"]
    assert not (tmp_path / "result.json").exists()
    # a mistake can be corrected
    execute(configure(benchmark, model="TBKGC"), tmp_path)
    assert not (tmp_path / "error.json").exists()


def test_diverging(benchmark, tmp_path):
    """Numbers that are none are a failure, too, rather than metrics."""
    configuration = configure(benchmark, epochs=20, model="DistMult", optimizer_kwargs=dict(lr=1e38))
    with pytest.raises((RuntimeError, ValueError)):
        execute(configuration, tmp_path)
    assert RunFolder(tmp_path).read_error() is not None
    assert RunFolder(tmp_path).read_result() is None


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_no_such_device(benchmark, tmp_path, device):
    """It is refused before there is a folder, rather than the CPU used instead."""
    with pytest.raises(ValueError, match=f"There is no device '{device}' here"):
        execute(configure(benchmark), tmp_path / "run", device=device)
    assert not (tmp_path / "run").exists()


def test_bundle_of_another_model(benchmark, tmp_path):
    """It is refused before it is trained."""
    with pytest.raises(ValueError, match="bundles of this package's models only, and TransE is none"):
        execute(configure(benchmark, model="TransE"), tmp_path / "run", bundle=True)
    assert not (tmp_path / "run").exists()


def test_bundle_afterwards(benchmark, tmp_path):
    """Who asks for a bundle of what is finished gets it, without training again."""
    execute(configure(benchmark), tmp_path / "straight", bundle=True)
    execute(configure(benchmark), tmp_path / "run")
    curve = list_times(tmp_path / "run")["curve.csv"]
    execute(configure(benchmark), tmp_path / "run", bundle=True)
    assert list_times(tmp_path / "run")["curve.csv"] == curve
    assert_same_runs(tmp_path / "run", tmp_path / "straight", bundles=True)


# --- folders


@pytest.mark.parametrize("state", ["begun", "finished"])
def test_other_data(tmp_path, state):
    """What is in the files decides, not where they are."""
    directory = write_dataset(tmp_path / "benchmark")
    path = tmp_path / "run"
    if state == "begun":
        begin(configure(directory), path, 2)
    else:
        execute(configure(directory), path)
    other = write_dataset(tmp_path / "other", seed=1)
    with pytest.raises(ValueError, match=r"has a run on other data: files were changed, or others were named"):
        execute(configure(other), path)
    same = write_dataset(tmp_path / "same")
    execute(configure(same), path)
    assert RunFolder(path).read_error() is None


def test_edited_data(tmp_path):
    """An own graph that was edited in place is another one, although its configuration is the same."""
    path = tmp_path / "triples.tsv"
    rows = [f"{i}\tr{k}\t{(i + k) % 9}" for i in range(9) for k in range(1, 5)]
    path.write_text("\n".join(rows))
    pipeline = {"dataset": "MultimodalPath", "dataset_kwargs": {"triples": str(path)}, "model": "TransE"}
    configuration = {"pipeline": {**pipeline, "training_kwargs": {"num_epochs": 1, "batch_size": 8}}}
    first = execute(configuration, tmp_path / "first")
    path.write_text("\n".join([*rows, "0\tr1\t7", "2\tr1\t7"]))
    second = execute(configuration, tmp_path / "second")
    assert first["data_digest"] != second["data_digest"]
    assert second["data"]["counts"]["training"] > first["data"]["counts"]["training"]


def test_corrected_configuration(benchmark, tmp_path):
    """The folder has what was run, also if only options of files have been corrected."""
    wrong, right = configure(benchmark, epochs=1), configure(benchmark, epochs=1)
    wrong["pipeline"]["dataset_kwargs"] = {"directory": str(tmp_path / "nowhere")}
    with pytest.raises((OSError, ValueError), match="nowhere"):
        execute(wrong, tmp_path / "run")
    result = execute(right, tmp_path / "run")
    assert RunFolder(tmp_path / "run").read_configuration()["pipeline"] == result["configuration"]["pipeline"]


def test_others_files(benchmark, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"has other files, e\.g\., thesis\.tex\. Choose a new folder"):
        execute(configure(benchmark), tmp_path)
    assert [x.name for x in tmp_path.iterdir() if x.name[0] != "."] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("configuration.json", "{", r"configuration\.json cannot be read: .*Remove the folder, and run it again"),
        ("configuration.json", "[]", r"configuration\.json is no file of a run"),
        ("result.json", "{", r"result\.json cannot be read: .*Remove the folder, and run it again"),
        ("result.json", '{"format": 99}', r"result\.json is of another version of this package"),
        ("effective.json", "{", r"effective\.json cannot be read"),
    ],
)
def test_damaged_files(benchmark, tmp_path, name, content, message):
    execute(configure(benchmark, epochs=1), tmp_path)
    if name == "effective.json":
        (tmp_path / "result.json").unlink()
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        execute(configure(benchmark, epochs=1), tmp_path)


def test_damaged_checkpoint(benchmark, tmp_path):
    begin(configure(benchmark), tmp_path, 2)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RuntimeError, match=r"checkpoint\.pt is no checkpoint .*remove the file to start anew"):
        execute(configure(benchmark), tmp_path)


def test_unwritable(benchmark, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Cannot write to .*run.*Choose another folder"):
        execute(configure(benchmark), tmp_path / "file" / "run")


#: Holds the folder of a run, says so, and waits until it is killed.
HOLDER = """
import sys, time
from pykeen_adamf.experiments.folder import RunFolder
with RunFolder(sys.argv[1]).locked():
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_busy(benchmark, tmp_path):
    """Nobody works where another process does, until that ends, however it ends."""
    path = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(BusyError, match=r"Another process works in .*run\. Wait for it, or choose another folder"):
            execute(configure(benchmark, epochs=1), path)
        configuration = write_configuration(tmp_path / "x.json", configure(benchmark, epochs=1))
        assert invoke(configuration, "--output", path).exit_code == BUSY
    finally:
        process.kill()
        process.communicate()
    assert execute(configure(benchmark, epochs=1), path)["metrics"]
