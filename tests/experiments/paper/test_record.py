"""What a directory says about what was asked, and how far it is."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from pykeen_adamf.experiments.paper.claims import claimed
from pykeen_adamf.experiments.paper.contenders import CONTENDERS
from pykeen_adamf.experiments.paper.progress import Progress, format_duration
from pykeen_adamf.experiments.paper.record import FILE_NAME, check_directory, read_experiment, record_experiment
from pykeen_adamf.experiments.paper.running import RunFiles, describe_failure

from .cases import OVERRIDES, plan_runs

MODELS = ["RotatE", "AdaMF"]


def finish(directory, run):
    """Write the result of a run that has not failed."""
    RunFiles(directory, run.id).write({**describe_failure(run, "cpu", ""), "error": None}, None)


def test_content(benchmark, tmp_path):
    runs = plan_runs(benchmark, models=MODELS, seeds=2)
    record_experiment(tmp_path / "new" / "output", "table2", runs)
    content = read_experiment(tmp_path / "new" / "output")
    assert content["experiment"] == "table2"
    assert [entry["id"] for entry in content["runs"]] == [run.id for run in runs]
    assert content["runs"][1]["variant"] == "AdaMF"
    assert content["runs"][1]["configuration"] == runs[1].configuration


def test_growth(benchmark, tmp_path):
    """More seeds and models can be added, and asking for less takes nothing away."""
    for models, seeds in ((MODELS, 1), (MODELS, 3), (["TransE"], 1), (MODELS, 1)):
        record_experiment(tmp_path, "table2", plan_runs(benchmark, models=models, seeds=seeds))
    runs = read_experiment(tmp_path)["runs"]
    assert len(runs) == len({entry["id"] for entry in runs}) == 7
    assert [entry["variant"] for entry in runs].count("AdaMF") == 3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(overrides=dataclasses.replace(OVERRIDES, epochs=3)), "training_kwargs.num_epochs: 2 there, 3 here"),
        (dict(num_test_triples=5), "ranked test triples: all there, 5 here"),
        (dict(overrides=dataclasses.replace(OVERRIDES, learning_rate=0.5)), "optimizer_kwargs.lr: 0.001 there, 0.5"),
    ],
)
def test_other_settings(benchmark, tmp_path, kwargs, message):
    """They would end up in one table."""
    runs = plan_runs(benchmark, models=MODELS)
    record_experiment(tmp_path, "table2", runs)
    finish(tmp_path, runs[0])
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(ValueError, match=f"has RotatE, DB15K, seed 0, with other settings .{message}"):
        record_experiment(tmp_path, "table2", plan_runs(benchmark, models=MODELS, seeds=2, **kwargs))
    assert (tmp_path / FILE_NAME).read_bytes() == before


@pytest.mark.parametrize("state", ["failed", "not begun", "running"])
def test_mistakes_can_be_corrected(benchmark, tmp_path, state):
    """What has not come to anything does not bind anybody, unless somebody works on it."""
    (run,) = plan_runs(benchmark, models=["RotatE"])
    (other,) = plan_runs(benchmark, models=["RotatE"], overrides=dataclasses.replace(OVERRIDES, epochs=3))
    record_experiment(tmp_path, "table2", [run])
    files = RunFiles(tmp_path, run.id)
    if state == "failed":
        files.write(describe_failure(run, "cpu", "a mistake"), None)
    if state == "running":
        with claimed(files.lock), pytest.raises(ValueError, match="with other settings"):
            record_experiment(tmp_path, "table2", [other])
    record_experiment(tmp_path, "table2", [other])
    assert [entry["id"] for entry in read_experiment(tmp_path)["runs"]] == [other.id]
    assert not files.result.exists()


def test_other_experiment(benchmark, tmp_path):
    record_experiment(tmp_path, "table2", plan_runs(benchmark, models=MODELS))
    with pytest.raises(ValueError, match="has results of table2, and cannot have those of figure5"):
        check_directory(tmp_path, "figure5")


def test_at_the_same_time(benchmark, tmp_path):
    """Nothing that one process adds is lost to another one."""
    requests = [plan_runs(benchmark, models=[name]) for name in CONTENDERS]
    with ThreadPoolExecutor(len(requests)) as executor:
        list(executor.map(lambda runs: record_experiment(tmp_path, "table2", runs), requests))
    assert {entry["variant"] for entry in read_experiment(tmp_path)["runs"]} == set(CONTENDERS)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [FILE_NAME]


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"format": 1}', json.dumps({"format": 99, "experiment": "table2", "runs": []})]
)
def test_other_file(tmp_path, content):
    (tmp_path / FILE_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=f"{FILE_NAME} is not an experiment's file.*Choose another directory"):
        check_directory(tmp_path, "table2")


def test_unwritable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Cannot write to .*output.*Choose another directory"):
        check_directory(tmp_path / "file" / "output", "table2")


def write_result(output, run, seconds):
    """Write a run's result as far as the progress reads it."""
    result = {
        **describe_failure(run, "cpu", "unused"),
        "error": None,
        "metrics": dict(both=dict(realistic=dict(MRR=0.25))),
        "seconds": dict(training=seconds - 1, evaluation=1),
    }
    RunFiles(output, run.id).write(result, None)


def test_progress(benchmark, output):
    """What is left is estimated by each model's own runs; of models without any, by the others'."""
    runs = plan_runs(benchmark, models=[*MODELS, "AdaMF-MAT"], seeds=2)
    write_result(output, runs[0], 10)
    lines = []
    progress = Progress(output, runs, 2, lines.append)
    assert lines == ["6 runs, of which 1 are finished"]
    assert progress.estimate() == 5 * 10 / 2
    write_result(output, runs[1], 30)
    progress.update()
    # RotatE 10, AdaMF 30, twice AdaMF-MAT, of which nothing is known but that others take 20
    assert lines[1:] == ["[2/6] AdaMF, DB15K, seed 0: MRR 0.250, 30 s; about 40 s left"]
    RunFiles(output, runs[2].id).write(describe_failure(runs[2], "cpu", "ValueError: no luck"), None)
    for run in runs[3:]:
        write_result(output, run, 1)
    progress.update()
    assert lines[2] == "[3/6] AdaMF-MAT, DB15K, seed 0: failed: ValueError: no luck"
    assert lines[5] == "[6/6] AdaMF-MAT, DB15K, seed 1: MRR 0.250, 1 s"
    progress.update()
    assert len(lines) == 6
    again = []
    assert not Progress(output, runs, 2, again.append).pending
    assert again == ["6 runs, of which 6 are finished (1 of them failed; --retry runs those again)"]


def test_no_estimate(benchmark, output):
    assert Progress(output, plan_runs(benchmark, models=MODELS), 1, [].append).estimate() is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (9000, "2.5 h"), (1e6, "277.8 h")]
)
def test_duration(seconds, text):
    assert format_duration(seconds) == text
