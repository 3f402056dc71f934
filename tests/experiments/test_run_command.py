"""The command that carries out a run."""

import os
import subprocess
import sys

import numpy
import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main
from pykeen_adamf.experiments.folder import RunFolder

from .cases import (
    CASES,
    assert_same_runs,
    configure,
    execute,
    interrupt_after,
    invoke,
    wait_for_epochs,
    write_configuration,
)


def test_command(benchmark, tmp_path):
    """It does what the function does, and says where."""
    path = write_configuration(tmp_path / "small.json", configure(benchmark))
    arguments = [path, "--output", tmp_path / "run", "--device", "cpu", "--seed", 2, "--bundle", "--no-progress"]
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    metrics = RunFolder(tmp_path / "run").read_result()["metrics"]["both"]["realistic"]
    assert f"Training in {tmp_path / 'run'} on cpu ...\n" in result.output
    assert f"MRR {metrics['MRR']:.4f}; Hits@1 {metrics['Hits@1']:.4f}; " in result.output
    again = invoke(*arguments)
    assert again.output == f"{tmp_path / 'run'} is finished.\n"
    execute(configure(benchmark), tmp_path / "function", seed=2, bundle=True)
    assert_same_runs(tmp_path / "run", tmp_path / "function", bundles=True)


def test_command_for_its_own_file(benchmark, tmp_path):
    """The file in a folder makes the same run elsewhere."""
    path = write_configuration(tmp_path / "small.json", configure(benchmark))
    for what, output in ((path, "first"), (tmp_path / "first" / "configuration.json", "second")):
        result = invoke(what, "--output", tmp_path / output, "--device", "cpu", "--no-progress")
        assert result.exit_code == 0, result.output
    assert_same_runs(tmp_path / "second", tmp_path / "first")


def test_interrupted_command(benchmark, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 2)
    path = write_configuration(tmp_path / "small.json", configure(benchmark))
    result = invoke(path, "--output", tmp_path / "run", "--device", "cpu", "--no-progress")
    assert result.exit_code == 1
    # the first checkpoint is written after a minute
    assert f"Interrupted. Repeat the command to begin anew in {tmp_path / 'run'}; see --checkpoint" in result.output
    interrupt_after(monkeypatch, 2)
    result = invoke(path, "--output", tmp_path / "run", "--checkpoint-minutes", 0, "--device", "cpu", "--no-progress")
    assert "Interrupted. Repeat the command to continue from its last checkpoint in " in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.json"], "There is no file nothing.json, and no preset of that name: DB15K, "),
        (["DB15k1"], "Did you mean 'DB15K'?"),
        (["DB15K", "--device", "gpu"], "There is no device 'gpu' here"),
    ],
)
def test_refusals(tmp_path, arguments, message):
    """In a sentence, and before anything is trained."""
    result = invoke(*arguments, "--output", tmp_path / "run")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()


def test_no_output():
    result = CliRunner().invoke(main, ["run", "DB15K"])
    assert result.exit_code == 2
    assert "Missing option '--output'" in result.output


# --- killed


#: How often a process is killed.
NUM_KILLS = 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MAT", "not stopped"])
def test_killed(benchmark, tmp_path, name):
    """However often a process is killed, and wherever, the folder ends up with the same to the last bit."""
    changes = CASES[name]
    bundles = name == "MAT"
    path = write_configuration(tmp_path / "x.json", configure(benchmark, epochs=40, **changes))
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    execute(path, straight, bundle=bundles)
    command = [sys.executable, "-m", "pykeen_adamf", "run", path, "--output", killed, "--threads", "1"]
    command += ["--device", "cpu", "--checkpoint-minutes", "0", "--no-progress", *(["--bundle"] if bundles else [])]
    rng = numpy.random.default_rng(0)
    for i in range(NUM_KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ))
        # the first ones somewhere in the beginning; then, after some more epochs, and a moment
        wanted = int(rng.integers(1, 5)) if i else 0
        wait_for_epochs(process, killed, wanted, seconds=float(rng.uniform(0, 0.1)))
        process.kill()
        process.communicate()
        assert not (killed / "error.json").exists()
    assert not (killed / "result.json").exists()
    assert (killed / "checkpoint.pt").exists()
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert_same_runs(killed, straight, bundles=bundles)
