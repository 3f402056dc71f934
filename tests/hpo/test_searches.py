"""The searches of the benchmarks are valid, and what comes out of one is what a run takes."""

import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main
from pykeen_adamf.experiments.configuration import check_configuration

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SEARCHES = sorted((BENCHMARKS / "searches").glob("*.json"))


@pytest.mark.parametrize("path", SEARCHES, ids=lambda path: path.stem)
def test_options(path):
    """Whatever is chosen from the ranges is a configuration, and a grid has as many trials as it has points."""
    search = json.loads(path.read_text())
    pipeline, size = {}, 1
    for name, values in search["pipeline"].items():
        if name.endswith("_ranges"):
            chosen = {key: x["choices"][-1] for key, x in values.items()}
            assert not chosen.keys() & pipeline.get(name.removesuffix("_ranges"), {}).keys()
            pipeline.setdefault(name.removesuffix("_ranges"), {}).update(chosen)
            for x in values.values():
                size *= len(x["choices"])
        else:
            pipeline[name] = values
    check_configuration({"metadata": search["metadata"], "pipeline": pipeline}, path)
    assert search["optuna"]["n_trials"] <= size
    if search["optuna"]["sampler"] == "grid":
        assert search["optuna"]["n_trials"] == size


@pytest.mark.slow
def test_the_best_trial_is_a_configuration(tmp_path):
    """A search is continued by the same command, and its best trial is run."""
    for trials in (1, 2):
        command = [sys.executable, BENCHMARKS / "search.py", BENCHMARKS / "searches" / "EmojiKG-AdaMF-MAT.json"]
        options = ["--output", tmp_path / "search", "--trials", str(trials), "--epochs", "1"]
        subprocess.run([*command, *options], check=True, capture_output=True, timeout=3000)
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path / 'search' / 'study.db'}")
    assert len(study.trials) == 2
    assert study.trials[0].params != study.trials[1].params
    best = tmp_path / "search" / "best_pipeline" / "pipeline_config.json"
    outcome = CliRunner().invoke(main, ["run", str(best), "--output", str(tmp_path / "run")])
    assert outcome.exit_code == 0, outcome.output
    options = json.loads((tmp_path / "run" / "effective.json").read_text(encoding="utf-8"))["effective"]["options"]
    assert options["weight λ of the adversarial loss"] == study.best_params["training.adversarial_weight"]
    assert options["margin"] == study.best_params["loss.margin"]
