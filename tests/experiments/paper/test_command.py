"""The command, run as a user does."""

import dataclasses
import json
import os
import re
import signal

import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main
from pykeen_adamf.experiments.paper import grid

from .cases import OVERRIDES, SMALL, plan_runs, read_tables, write_dataset


def invoke(*arguments):
    return CliRunner().invoke(main, ["reproduce", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table4"], "There is no experiment 'table4'. Choose from: table2; table3; figure3; figure4; figure5."),
        (["table2", "--dataset", "DB16K"], "There is no dataset 'DB16K'."),
        (["table2", "--models", "RotatE,AdaMFF"], "There is no model of table2 'AdaMFF'. Choose from: TransE; "),
        (["table3", "--models", "AdaMF"], "Choose from: AdaMF-MAT; AdaMF (S+V+T, adaptive); "),
        (["table2", "--device", "gpu"], "There is no device 'gpu' here"),
        (["table2", "--dataset", "EmojiKG", "--features", "visual=x.npy"], "EmojiKG has no parameter 'features'"),
        (["table3", "--report-only"], "has no results of table3"),
        (["table3", "--missing-by", "degree"], "table3 drops no features"),
    ],
)
def test_refusals(tmp_path, arguments, message):
    """In a sentence, and before anything is trained."""
    result = invoke(*arguments, "--output", tmp_path / "output")
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert result.output.startswith("Error: ")
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("option", ["--seeds", "--epochs", "--workers", "--learning-rate", "--test-triples"])
def test_no_numbers(option):
    result = invoke("table2", "--output", "x", option, "0")
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output


def test_unwritable(tmp_path):
    (tmp_path / "file").touch()
    result = invoke("figure5", "--dataset", "EmojiKG", "--output", tmp_path / "file" / "output")
    assert result.exit_code == 1
    assert "Cannot write to" in result.output


def test_other_experiment(tmp_path):
    (tmp_path / "experiment.json").write_text(json.dumps(dict(format=1, experiment="figure4", runs=[])))
    for options in ([], ["--report-only"]):
        result = invoke("table3", "--dataset", "EmojiKG", "--output", tmp_path, *options)
        assert result.exit_code == 1
        assert "has results of figure4, and cannot have those of table3, too" in result.output


def test_one_modality(tmp_path):
    directory = write_dataset(tmp_path / "benchmark", ("textual",))
    features = f"textual={directory / 'textual.npy'}"
    result = invoke("table3", "--directory", directory, "--features", features, "--output", tmp_path / "output")
    assert result.exit_code == 1
    assert "needs the modalities visual and textual, but DB15K has the modalities textual." in result.output


def test_help():
    result = invoke("--help")
    assert result.exit_code == 0
    for name in ("table2", "table3", "figure3", "figure4", "figure5", "--workers", "--retry", "--report-only"):
        assert name in result.output


@pytest.mark.slow
def test_ablations(benchmark, tmp_path):
    """Names with commas in parentheses are names; a second call runs nothing, and writes the same report."""
    names = ["AdaMF (S+V+T, mean)", "AdaMF-MAT w/o (h*, r, t)"]
    arguments = ["table3", "--directory", benchmark, "--models", ",".join(names), "--seeds", 1, "--epochs", 1]
    result = invoke(*arguments, *SMALL, "--workers", 2, "--output", tmp_path / "output")
    assert result.exit_code == 0, result.output
    assert "2 runs, of which 0 are finished" in result.output
    for i, line in enumerate(sorted(re.findall(r"^\[\d/2\] (.*): MRR 0\.\d+, \d+ s", result.output, re.MULTILINE))):
        assert line == f"{names[i]}, DB15K, seed 0"
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "output" / "runs").iterdir()}
    assert len(before) == 4
    tables = read_tables(tmp_path / "output")
    assert all(name in tables for name in names)
    (tmp_path / "output" / "report.md").unlink()
    again = invoke(*arguments, *SMALL, "--output", tmp_path / "output")
    assert again.exit_code == 0, again.output
    assert "2 runs, of which 2 are finished" in again.output
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "output" / "runs").iterdir()} == before
    assert read_tables(tmp_path / "output") == tables
    assert invoke("table3", "--report-only", "--output", tmp_path / "output").exit_code == 0


@pytest.mark.slow
def test_errors_of_workers(benchmark, tmp_path):
    """What is no run's failure stops the command, in a sentence, and it can be repeated."""
    arguments = ["figure4", "--directory", benchmark, "--seeds", 1, "--epochs", 1, *SMALL, "--output", tmp_path]
    runs = plan_runs(benchmark, "figure4", overrides=dataclasses.replace(OVERRIDES, epochs=1))
    obstacle = tmp_path / "runs" / f".{runs[1].id}.ranks.npz.part"
    obstacle.mkdir(parents=True)
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert "Error: A worker has ended with an error" in result.output
    obstacle.rmdir()
    assert not list((tmp_path / "runs").glob("*.lock"))
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert "4 runs, of which 1 are finished" in result.output


@pytest.mark.slow
def test_damaged_files(benchmark, tmp_path):
    """They are run again if asked for."""
    arguments = ["figure5", "--directory", benchmark, "--seeds", 1, "--epochs", 1, *SMALL, "--output", tmp_path]
    assert invoke(*arguments).exit_code == 0
    tables = read_tables(tmp_path)
    results, ranks = (sorted((tmp_path / "runs").glob(pattern)) for pattern in ("*.json", "*.npz"))
    results[0].write_text("{}")
    ranks[1].write_bytes(ranks[1].read_bytes()[:100])
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert f"{results[0].name} is not the result of this run. Remove it, and run it again" in result.output
    result = invoke(*arguments, "--retry")
    assert result.exit_code == 0, result.output
    assert "2 runs, of which 0 are finished" in result.output
    assert read_tables(tmp_path) == tables


@pytest.mark.slow
def test_killed_before_they_run(benchmark, tmp_path, monkeypatch):
    """Processes that are always killed are not started for ever."""
    monkeypatch.setattr(grid, "work_in_process", kill_this_process)
    with pytest.raises(RuntimeError, match=r"killed before they run anything, by signal 9\."):
        grid.reproduce(
            "figure4",
            output=tmp_path,
            datasets=["DB15K"],
            dataset_kwargs=dict(directory=str(benchmark)),
            overrides=OVERRIDES,
            device="cpu",
        )


def kill_this_process(*args):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_failures(benchmark, tmp_path):
    """They are told, do not stop the others, and are run again only if asked for."""
    arguments = ["figure3", "--directory", benchmark, "--models", "TBKGC,AdaMF", "--seeds", 1, "--epochs", 1]
    arguments += [*SMALL, "--embedding-dim", "1", "--output", tmp_path]
    first, second, third = (invoke(*arguments, *options) for options in ([], [], ["--retry"]))
    message = "failed: ValueError: 2 modalities cannot share 1 dimensions"
    # as soon as anything has failed, others must not rely on the report
    assert [result.exit_code for result in (first, second, third)] == [1, 1, 1]
    assert all("Error: 5 runs have failed, see the end of the report" in x.output for x in (first, second, third))
    assert first.output.count(message) == 5
    assert "10 runs, of which 10 are finished (5 of them failed; --retry runs those again)" in second.output
    assert "10 runs, of which 5 are finished\n" in third.output
    assert third.output.count(message) == 5
    assert "2 modalities cannot share 1 dimensions" in (tmp_path / "report.md").read_text(encoding="utf-8")
