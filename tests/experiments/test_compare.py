"""The comparison, and its command."""

import numpy
import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main
from pykeen_adamf.cli.compare import MODELS
from pykeen_adamf.experiments.folder import RunFolder

from ..datasets.cases import ENTITIES, TEST, write_benchmark


@pytest.fixture
def benchmark(tmp_path):
    """Return a small benchmark with one file of features."""
    directory = write_benchmark(tmp_path / "benchmark")
    rng = numpy.random.default_rng(0)
    numpy.save(directory / "names.npy", rng.standard_normal((len(ENTITIES), 6)).astype("float16"))
    return directory


def run(*arguments: str):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_command(benchmark, tmp_path):
    """All methods, with equal budget, end up in the table, and each in a folder."""
    output = tmp_path / "comparison"
    result = run(
        *("--directory", benchmark, "--features", f"textual={benchmark / 'names.npy'}", "--output", output),
        *("--epochs", 2, "--embedding-dim", 4, "--batch-size", 16, "--negatives", 4, "--test-triples", 5),
    )
    assert result.exit_code == 0, result.output
    found = [RunFolder(path).read_result() for path in (output / "runs").iterdir()]
    results = {x["configuration"]["metadata"]["variant"]: x for x in found}
    assert set(results) == set(MODELS)
    report = (output / "report.md").read_text()
    for name, content in results.items():
        assert content["data"]["counts"]["evaluated"] == 5
        assert content["data"]["counts"]["testing"] == len(TEST)
        assert {x: y["dim"] for x, y in content["data"]["features"].items()} == {"textual": 6}
        assert len(content["losses"]) == 2
        mrr = content["metrics"]["both"]["realistic"]["MRR"]
        assert f"{name}, DB15K, seed 0: MRR {mrr:.3f}" in result.output
        assert f"| {100 * mrr:.2f} " in report
        options = content["effective"]["options"]
        assert (options["batch size"], options["negatives"], options["embedding dimension"]) == (16, 4, 4)
    assert results["AdaMF"]["adversarial_losses"] is None
    assert len(results["AdaMF-MAT"]["adversarial_losses"]) == 2
    # the loss is scaled to the norm
    margins = {name: content["effective"]["options"]["margin"] for name, content in results.items()}
    assert margins["AdaMF"] == 12
    assert margins["RotatE (PyKEEN)"] == pytest.approx(6, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--features", "textual"], "NAME=PATH"),
        (["--features", "=x"], "NAME=PATH"),
        (["--epochs", "0"], "0 is not in the range"),
        (["--directory", "nowhere"], "does not exist"),
    ],
)
def test_bad_input(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.slow
def test_failures(benchmark, tmp_path, monkeypatch):
    """They are told, and the same command tries again."""
    features = ("--features", f"textual={benchmark / 'names.npy'}", "--test-triples", 5)
    options = ("--directory", benchmark, *features, "--output", tmp_path / "x", "--epochs", 1, "--embedding-dim", 4)

    def fail(**kwargs):
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr("pykeen_adamf.experiments.run.pipeline", fail)
        result = run(*options)
    assert result.exit_code == 1
    assert "failed: RuntimeError: no memory" in result.output
    assert "4 runs have failed, see the end of the report. The same command tries again." in result.output
    assert run(*options).exit_code == 0


def test_unwritable_output(tmp_path):
    """It is refused before anything is downloaded or trained."""
    (tmp_path / "file").touch()
    result = run("--output", tmp_path / "file" / "output")
    assert result.exit_code == 1
    assert "Cannot write" in result.output


def test_help():
    result = CliRunner().invoke(main, ["compare", "--help"])
    assert result.exit_code == 0
    for option in ("--dataset", "--directory", "--features", "--epochs", "--device", "--seeds", "--output"):
        assert option in result.output
