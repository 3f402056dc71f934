"""PyKEEN's command line tunes models of this package."""

import json
import os
import subprocess
import sys

import pandas
import pytest
from click.testing import CliRunner
from pykeen.cli import main
from pykeen.training import TrainingLoop

from ..datasets.cases import write_benchmark

#: PyKEEN's ranges are 100 to 1,000 epochs, and it has no option for others.
SHORT = dict(num_epochs=dict(type=int, low=1, high=2), batch_size=dict(type=int, low=9, high=10, scale="power_two"))

#: The real command, with shorter trials.
COMMAND = """
from pykeen.cli import main
from pykeen.training import TrainingLoop
TrainingLoop.hpo_default = dict(
    num_epochs=dict(type=int, low=1, high=1), batch_size=dict(type="categorical", choices=[1024])
)
main()
"""


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Let benchmarks be small ones, and return where to put results."""
    for name in ("MKG-W", "DB15K"):
        write_benchmark(tmp_path / "data" / name)
    monkeypatch.setenv("PYKEEN_ADAMF_DATA", str(tmp_path / "data"))
    return tmp_path / "out"


def optimize(directory, *args):
    """Run the command in this process."""
    arguments = ["optimize", *args, "--n-trials", "1", "--sampler", "random", "-o", str(directory)]
    return CliRunner().invoke(main, arguments)


def check_results(directory):
    """Check what the command has written, and return the best configuration, and the study's attributes."""
    (trial,) = pandas.read_csv(directory / "trials.tsv", sep="\t").to_dict(orient="records")
    assert trial["state"] == "COMPLETE"
    best = json.loads((directory / "best_pipeline" / "pipeline_config.json").read_text())["pipeline"]
    return best, json.loads((directory / "study.json").read_text())


@pytest.fixture
def _short(monkeypatch):
    monkeypatch.setattr(TrainingLoop, "hpo_default", SHORT)


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize(
    ("arguments", "loss"),
    [
        # the default of the command is a margin ranking loss, for whatever model
        (["adamfrotate", "MKG-W"], "nssa"),
        (["lprotate", "MKG-W"], "nssa"),
        (["adamfrotate", "MKG-W", "--loss", "marginranking"], "marginranking"),
        (["adamfrotate", "MKG-W", "-l", "softplus"], "softplus"),
        (["rotate", "MKG-W"], "marginranking"),
    ],
)
def test_loss(directory, arguments, loss):
    result = optimize(directory, *arguments)
    assert result.exit_code == 0, result.output
    best, study = check_results(directory)
    assert study["loss"] == best["loss"] == loss
    if loss == "nssa":
        assert best["loss_kwargs"]["margin"] in {1, 2, 4, 8, 12}


def test_db15k_is_refused(directory):
    """There is no option to choose its validation split."""
    result = optimize(directory, "transe", "DB15K")
    assert result.exit_code == 1
    assert "DB15K's published validation split leaks" in str(result.exception)


@pytest.mark.slow
def test_process(tmp_path):
    """On a real dataset, in a process of its own."""
    arguments = ["optimize", "adamfrotate", "EmojiKG", "--n-trials", "1", "--sampler", "random", "-o", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    best, study = check_results(tmp_path)
    assert study["dataset"] == "emojikg"
    assert study["loss"] == "nssa"
    assert best["training_kwargs"]["num_epochs"] == 1
