"""The benchmarks run, and write what they promise: in processes of their own, as anybody would run them."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

#: when a benchmark must have come to a halt, in seconds: ten times what it takes, since machines may be slow and busy
HALT = 3000


def run(name: str, *arguments: str, path: Path):
    """Run a benchmark, and return what it has written."""
    command = [
        sys.executable,
        str(BENCHMARKS / name),
        "--rounds",
        "1",
        "--threads",
        "1",
        "--json",
        str(path),
        *arguments,
    ]
    process = subprocess.run(command, capture_output=True, text=True, timeout=HALT, check=False)
    assert process.returncode == 0, process.stderr
    assert "| what | median |" in process.stdout
    results = json.loads(path.read_text())
    assert results["environment"]["processor"]
    assert results["environment"]["num_threads"] == 1
    return results


def assert_ratios(ratios):
    assert all(math.isfinite(ratio) and ratio > 0 for ratio in ratios.values())


@pytest.mark.slow
def test_sampling(tmp_path):
    results = run("sampling.py", path=tmp_path / "results.json")
    assert "filtered Bernoulli" in results["ratios"]
    assert_ratios(results["ratios"])


@pytest.mark.slow
def test_training_step(tmp_path):
    results = run("training_step.py", path=tmp_path / "results.json")
    assert set(results["ratios"]) == {"adamf_mat_trainable", "adamf_mat_frozen", "rotate"}
    assert_ratios(results["ratios"])
    # a property of the code rather than of the machine
    assert results["peak_gb"] < 2.5


@pytest.mark.slow
def test_systems_step(tmp_path):
    names = ["MMRNS (RotatE)", "KBGAN (TransE)"]
    options = ["--batch-size", "16", *(x for name in names for x in ("--only", name))]
    results = run("systems_step.py", *options, path=tmp_path / "results.json")
    assert set(results["ratios"]) == set(results["peaks_gb"]) == {"AdaMF", *names}
    assert_ratios(results["ratios"])


@pytest.mark.slow
def test_evaluation(tmp_path):
    results = run("evaluation.py", "--triples", "20", path=tmp_path / "results.json")
    assert_ratios({"ratio": results["ratio"], **results["ratios"]})


@pytest.mark.slow
def test_scaling(tmp_path):
    results = run("scaling.py", "--entities", "2000", "--entities", "4000", path=tmp_path / "results.json")
    assert_ratios(results["pykeen, 2000 entities"]["ratios"])
    for negatives in ("pool", "independent"):
        assert set(results[negatives]["ratios"]) == {"4,000 entities"}
        assert_ratios(results[negatives]["ratios"])


@pytest.mark.slow
def test_explore(tmp_path):
    results = run("explore.py", "--entities", "300", path=tmp_path / "results.json")
    assert set(results["targets"]) <= {"index", "question"}
    assert {"index", "question, tail", "question, head", "entity", "picture"} <= set(results["medians"])
    assert_ratios(results["cpu_medians"])
