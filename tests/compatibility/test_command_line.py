"""PyKEEN's command line: whatever takes a model, a training loop, or one of the other parts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from click.testing import CliRunner, Result
from pykeen.cli import main

from pykeen_adamf.models import LpRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..datasets.cases import ENTITIES, write_benchmark


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _data(tmp_path, monkeypatch):
    """Provide a small DB15K with features, and keep PyKEEN out of the user's directory."""
    for module in ("pykeen.datasets.utils", "pykeen.datasets.base", "pykeen_adamf.datasets.derived"):
        monkeypatch.setattr(f"{module}.PYKEEN_DATASETS", tmp_path / "pykeen")
    monkeypatch.setenv("PYKEEN_ADAMF_DATA", str(tmp_path / "data"))
    directory = write_benchmark(tmp_path / "data" / "DB15K")
    generator = numpy.random.default_rng(0)
    for name, dim in (("visual", 5), ("textual", 3)):
        numpy.save(directory / f"DB15K-{name}.npy", generator.normal(size=(len(ENTITIES), dim)).astype("float32"))


# Lists


@pytest.mark.parametrize("style", ["plain", "github", "rst"])
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("models", ["AdaMFRotatE", "IKRL", "LpRotatE", "TBKGC"]),
        ("datasets", ["DB15K", "EmojiKG", "MKG-W", "MKG-Y"]),
        ("training-loops", ["mat"]),
        ("negative-samplers", ["filteredbernoulli"]),
        ("optimizers", ["lazyadam"]),
    ],
)
def test_lists(kind, names, style):
    """Our parts are there, with the first sentence about them, next to PyKEEN's."""
    result = run("ls", kind, "-f", style)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    for name in names:
        (line,) = [line for line in lines if line.strip("| ").split(" ")[0].lower() == name.lower()]
        assert len(line.split()) > 1
    if kind == "models":
        assert any("TransE" in line for line in lines)


@pytest.mark.parametrize(
    "kind",
    ["losses", "evaluators", "regularizers", "stoppers", "trackers", "lr-schedulers", "metrics", "hpo-samplers"],
)
def test_other_lists(kind):
    """Lists that have nothing of ours go on working."""
    assert run("ls", kind).exit_code == 0


def test_citations():
    """PyKEEN complains of models and interactions without citation; ours have one."""
    result = run("ls", "models")
    assert "pykeen_adamf" not in "".join(line for line in result.output.splitlines() if "Missing citation" in line)
    (line,) = [line for line in result.output.splitlines() if line.startswith("AdaMFRotatE")]
    assert "2402.15444" in line


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (
            "adamfrotate",
            "attention fusion missing use-structural trainable-features sparse compute-dtype p embedding-dim",
        ),
        ("lprotate", "p sparse embedding-dim"),
    ],
)
def test_options(model, options):
    """Parameters of numbers and strings are options."""
    result = run("train", model, "--help")
    assert result.exit_code == 0
    for name in options.split():
        assert f"--{name} " in result.output
    assert "mat" in result.output
    assert "--kwargs" not in result.output


# Training


@pytest.mark.parametrize(
    ("model", "loop"),
    [
        *[("AdaMFRotatE", loop) for loop in ("mat", "slcwa", "lcwa", "symmetriclcwa")],
        ("IKRL", "slcwa"),
        ("TBKGC", "lcwa"),
    ],
)
def test_train(model, loop, tmp_path):
    """Train a model with features, and find it and its triples in the output directory."""
    output = tmp_path / "output"
    arguments = ["--dataset", "DB15K", "--training-loop", loop, "--number-epochs", 2, "--embedding-dim", 4]
    result = run("train", model.lower(), *arguments, "--random-seed", 5, "--output-directory", output)
    assert result.exit_code == 0, result.output
    assert f"Training {model} with" in result.output
    results = json.loads((output / "results.json").read_text())
    assert len(results["losses"]) == 2
    trained = torch.load(output / "trained_model.pkl", weights_only=False)
    assert trained.__class__.__name__ == model
    factory = MultimodalTriplesFactory.from_path_binary(output / "training_triples")
    assert set(factory.features) == {"visual", "textual"}
    scores = trained.predict_hrt(factory.mapped_triples)
    assert torch.isfinite(scores).all()


def test_train_with_all_options(tmp_path):
    arguments = [
        *("--dataset", "DB15K", "--training-loop", "mat", "-n", 1, "-b", 8, "--learning-rate", 0.01),
        *("--attention", "per-modality", "--fusion", "mean", "--missing", "mask", "--trainable-features", "false"),
        *("--compute-dtype", "bfloat16", "--p", 2, "--embedding-dim", 3, "--sparse", "true"),
        *("--optimizer", "lazyadam", "--evaluator", "rankbased", "--num-workers", 0, "--random-seed", 1),
        *("--device", "cpu", "--no-automatic-memory-optimization", "--create-inverse-triples", "--title", "A title"),
    ]
    result = run("train", "adamfrotate", *arguments, "--output-directory", tmp_path / "output")
    assert result.exit_code == 0, result.output
    model = torch.load(tmp_path / "output" / "trained_model.pkl", weights_only=False)
    assert model.use_inverse_triples
    assert model.interaction.p == 2
    assert not model.fused.bases["visual"].table.requires_grad
    assert json.loads((tmp_path / "output" / "metadata.json").read_text())["title"] == "A title"


def test_the_same_seed():
    """Two runs print the same metrics."""
    arguments = ["--dataset", "DB15K", "--training-loop", "mat", "-n", 1, "--embedding-dim", 4]
    first, second, other = (
        json.loads(output[output.index("{") :])
        for output in (run("train", "adamfrotate", *arguments, "--random-seed", seed).output for seed in (1, 1, 2))
    )
    assert first == second
    assert first != other


def test_early_stopping():
    arguments = ["--dataset", "DB15K", "--training-loop", "mat", "-n", 12, "--stopper", "early", "--embedding-dim", 4]
    result = run("train", "adamfrotate", *arguments, "--silent")
    assert result.exit_code == 0, result.output


def write_triples(path: Path) -> Path:
    path.write_text("".join(f"e{i}\tr{i % 2}\te{(3 * i + 1) % 8}\n" for i in range(8)))
    return path


@pytest.mark.parametrize("loop", ["slcwa", "lcwa", "symmetriclcwa"])
def test_train_on_files(loop, tmp_path):
    """A model without features trains on files of triples."""
    path, output = write_triples(tmp_path / "triples.tsv"), tmp_path / "output"
    arguments = ["-t", path, "-q", path, "--validation-triples-factory", path, "--training-loop", loop, "-n", 1]
    result = run("train", "lprotate", *arguments, "--p", 2, "--output-directory", output)
    assert result.exit_code == 0, result.output
    model = torch.load(output / "trained_model.pkl", weights_only=False)
    assert isinstance(model, LpRotatE)
    assert model.interaction.p == 2


def test_refusals(tmp_path):
    """What cannot work says why."""
    path = write_triples(tmp_path / "triples.tsv")
    result = run("train", "adamfrotate", "-t", path, "-q", path)
    assert "needs features beside the triples" in str(result.exception)
    for model in ("lprotate", "rotate"):
        result = run("train", model, "-t", path, "-q", path, "--training-loop", "mat")
        assert "cannot be trained with modality adversarial training" in str(result.exception)
    result = run("train", "adamfrotate", "--dataset", "DB15K", "--missing", "ignore")
    assert "missing must be one of" in str(result.exception)
    result = run("train", "adamfrotate", "--dataset", "DB15K", "--attention", 3)
    assert "attention must be one of" in str(result.exception)


@pytest.mark.slow
def test_in_a_process_of_its_own(tmp_path):
    """Nothing of this package is imported by anybody but PyKEEN."""
    arguments = ["train", "adamfrotate", "--dataset", "DB15K", "--training-loop", "mat", "--number-epochs", "1"]
    process = subprocess.run(
        [sys.executable, "-m", "pykeen", *arguments, "--embedding-dim", "4", "--output-directory", tmp_path / "output"],
        env={**os.environ, "PYKEEN_HOME": str(tmp_path / "pykeen")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "output" / "trained_model.pkl").is_file()
