"""The command, run as a user does."""

import importlib.util
import json
import re

import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main

from .cases import SMALL, list_files, read_tables, result_files, write_dataset


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
    folder = tmp_path / "runs" / "x"
    folder.mkdir(parents=True)
    (folder / "configuration.json").write_text(json.dumps(dict(metadata=dict(experiment="figure4"), pipeline={})))
    for options in ([], ["--report-only"]):
        result = invoke("table3", "--dataset", "EmojiKG", "--output", tmp_path, *options)
        assert result.exit_code == 1
        assert "has results of figure4, not of table3" in result.output


def test_one_modality(tmp_path):
    directory = write_dataset(tmp_path / "benchmark", ("textual",))
    features = f"textual={directory / 'textual.npy'}"
    result = invoke("table3", "--directory", directory, "--features", features, "--output", tmp_path / "output")
    assert result.exit_code == 1
    assert "needs the modalities visual and textual, but DB15K has the modalities textual." in result.output


def test_help():
    result = invoke("--help")
    assert result.exit_code == 0
    options = ("--engine", "--workers", "--dry-run", "--retry", "--report-only")
    for name in ("table2", "table3", "figure3", "figure4", "figure5", *options):
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
    before = list_files(tmp_path / "output")
    assert len(list(result_files(tmp_path / "output"))) == 2
    tables = read_tables(tmp_path / "output")
    assert all(name in tables for name in names)
    (tmp_path / "output" / "report.md").unlink()
    again = invoke(*arguments, *SMALL, "--output", tmp_path / "output")
    assert again.exit_code == 0, again.output
    assert "2 runs, of which 2 are finished" in again.output
    assert list_files(tmp_path / "output") == before
    assert read_tables(tmp_path / "output") == tables
    assert invoke("table3", "--report-only", "--output", tmp_path / "output").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["results", "ranks"])
def test_damaged_files(benchmark, tmp_path, damaged):
    """They are run again if asked for."""
    arguments = ["figure5", "--directory", benchmark, "--seeds", 1, "--epochs", 1, *SMALL, "--output", tmp_path]
    arguments += ["--engine", "inline"]
    assert invoke(*arguments).exit_code == 0
    tables = read_tables(tmp_path)
    if damaged == "results":
        path = next(result_files(tmp_path))
        path.write_text("{}")
        result = invoke(*arguments)
        assert result.exit_code == 1
        assert f"{path} is of another version of this package" in result.output
        assert "Traceback" not in result.output
    else:
        path = sorted(tmp_path.glob("runs/*/ranks.npz"))[1]
        path.write_bytes(path.read_bytes()[:100])
    result = invoke(*arguments, "--retry")
    assert result.exit_code == 0, result.output
    assert "2 runs, of which 1 are finished" in result.output
    assert read_tables(tmp_path) == tables


def test_dry_run(benchmark, tmp_path):
    """There is one command for each run, which are carried out by whoever wants to; nothing is run here."""
    arguments = ["figure5", "--directory", benchmark, "--seeds", 1, "--epochs", 1, *SMALL, "--output", tmp_path]
    result = invoke(*arguments, "--dry-run")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line.split()[:2] for line in lines] == [["pykeen-adamf", "run"]] * 2
    assert not (tmp_path / "report.md").exists()
    assert not list(result_files(tmp_path))
    for line in lines:
        result = CliRunner().invoke(main, [*line.split()[1:], "--device", "cpu", "--no-progress"])
        assert result.exit_code == 0, result.output
    assert invoke(*arguments, "--dry-run").output == ""
    assert invoke("figure5", "--report-only", "--output", tmp_path).exit_code == 0
    assert "All 2 runs are finished." in read_tables(tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="needs to be without ray")
def test_without_ray(benchmark, tmp_path):
    result = invoke("figure5", "--directory", benchmark, "--engine", "ray", "--output", tmp_path)
    assert result.exit_code == 1
    assert result.output == 'Error: The engine ray is not installed: pip install "pykeen-adamf[ray]"\n'


def test_no_such_engine(tmp_path):
    result = invoke("figure5", "--engine", "slurm", "--output", tmp_path)
    assert result.exit_code == 2
    assert "'slurm' is not one of 'local', 'ray', 'inline'" in result.output


@pytest.mark.slow
def test_failures(benchmark, tmp_path):
    """They are told, do not stop the others, and are run again only if asked for."""
    arguments = ["figure3", "--directory", benchmark, "--models", "TBKGC,AdaMF", "--seeds", 1, "--epochs", 1]
    arguments += [*SMALL, "--embedding-dim", "1", "--engine", "inline", "--output", tmp_path]
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
