"""The comparison, and its command."""

import json

import numpy
import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main
from pykeen_adamf.experiments.compare import CONTENDERS, compare
from pykeen_adamf.experiments.results import format_table

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
    """All contenders, with equal budget, end up in the table and in the file."""
    output = tmp_path / "results.json"
    result = run(
        *("--directory", benchmark, "--features", f"textual={benchmark / 'names.npy'}", "--output", output),
        *("--epochs", 2, "--embedding-dim", 4, "--batch-size", 16, "--negatives", 4, "--test-triples", 5),
    )
    assert result.exit_code == 0, result.output
    data = json.loads(output.read_text())
    assert list(data["results"]) == list(CONTENDERS)
    assert data["budget"]["epochs"] == 2
    assert data["dataset"]["num_evaluated_test_triples"] == 5
    assert data["dataset"]["num_test_triples"] == len(TEST)
    assert data["dataset"]["features"] == {"textual": dict(source="names.npy", dim=6, num_present=len(ENTITIES))}
    assert set(data["environment"]) >= {"pykeen-adamf", "pykeen", "torch", "python", "machine"}
    for name, summary in data["results"].items():
        assert len(summary["losses"]) == 2
        assert all(0 <= summary[side]["MRR"] <= 1 for side in ("both", "head", "tail"))
        assert f"| {name} | {summary['both']['MRR']:.3f} |" in result.output
    assert data["results"]["AdaMF"]["adversarial_losses"] is None
    assert len(data["results"]["AdaMF-MAT"]["adversarial_losses"]) == 2
    # the loss is scaled to the norm
    assert data["results"]["AdaMF"]["loss"]["margin"] == 12
    assert data["results"]["RotatE (PyKEEN)"]["loss"]["margin"] == 6
    assert [path for path in tmp_path.iterdir() if path.suffix != ".json"] == [benchmark]


def test_same_seed_same_results(benchmark):
    kwargs = dict(
        dataset_kwargs=dict(directory=benchmark, features={"textual": benchmark / "names.npy"}),
        contenders=["AdaMF-MAT"],
        epochs=1,
        embedding_dim=4,
        num_negatives=4,
    )
    first, second, other = (compare("DB15K", seed=seed, **kwargs)["results"]["AdaMF-MAT"] for seed in (0, 0, 1))
    assert first["losses"] == second["losses"] != other["losses"]
    assert first["both"] == second["both"]


def test_interruption_leaves_what_is_finished(benchmark, tmp_path):
    output = tmp_path / "results.json"

    def report(line: str) -> None:
        if "AdaMF" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(
            "DB15K",
            dataset_kwargs=dict(directory=benchmark, features={"textual": benchmark / "names.npy"}),
            epochs=1,
            embedding_dim=4,
            num_negatives=4,
            output=output,
            report=report,
        )
    data = json.loads(output.read_text())
    assert list(data["results"]) == ["RotatE (PyKEEN)", "RotatE (sum of moduli)"]
    assert format_table(data).count("\n") == 3


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


def test_unwritable_output(benchmark, tmp_path):
    """It is refused before anything is trained."""
    with pytest.raises(OSError, match="Cannot write"):
        compare("DB15K", dataset_kwargs=dict(directory=benchmark), output=tmp_path / "nowhere" / "results.json")


def test_help():
    result = CliRunner().invoke(main, ["compare", "--help"])
    assert result.exit_code == 0
    for option in ("--dataset", "--directory", "--features", "--epochs", "--device", "--seed", "--output"):
        assert option in result.output
