"""The comparison, and its command."""

import numpy
import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main
from pykeen_adamf.experiments.compare import METHODS, compare
from pykeen_adamf.experiments.folder import RunFolder
from pykeen_adamf.experiments.paper.contenders import Overrides

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


def get_kwargs(benchmark, **kwargs):
    dataset_kwargs = dict(directory=str(benchmark), features={"textual": str(benchmark / "names.npy")})
    small = Overrides(epochs=1, embedding_dim=4, negatives=4)
    return dict(dataset="DB15K", dataset_kwargs=dataset_kwargs, overrides=small) | kwargs


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
    assert set(results) == set(METHODS)
    rows = {line.split("|")[1].strip(): line.split() for line in result.output.splitlines() if line.startswith("|")}
    assert list(rows)[2:] == list(METHODS)
    for name, content in results.items():
        assert content["data"]["counts"]["evaluated"] == 5
        assert content["data"]["counts"]["testing"] == len(TEST)
        assert {x: y["dim"] for x, y in content["data"]["features"].items()} == {"textual": 6}
        assert len(content["losses"]) == 2
        assert f"{content['metrics']['both']['realistic']['MRR']:.3f}" in rows[name]
        options = content["effective"]["options"]
        assert (options["batch size"], options["negatives"], options["embedding dimension"]) == (16, 4, 4)
    assert results["AdaMF"]["adversarial_losses"] is None
    assert len(results["AdaMF-MAT"]["adversarial_losses"]) == 2
    # the loss is scaled to the norm
    margins = {name: content["effective"]["options"]["margin"] for name, content in results.items()}
    assert margins["AdaMF"] == 12
    assert margins["RotatE (PyKEEN)"] == 6


def test_same_seed_same_results(benchmark, tmp_path):
    kwargs = get_kwargs(benchmark, methods=["AdaMF-MAT"], report=lambda line: None)
    first, second, other = (
        compare(output=tmp_path / str(i), seed=seed, **kwargs)["AdaMF-MAT"] for i, seed in enumerate((0, 0, 1))
    )
    assert first["losses"] == second["losses"] != other["losses"]
    assert first["metrics"] == second["metrics"]


def test_interruption_leaves_what_is_finished(benchmark, tmp_path):
    """The same call goes on."""

    def report(line: str) -> None:
        if "AdaMF" in line:
            raise KeyboardInterrupt

    kwargs = get_kwargs(benchmark, output=tmp_path / "x")
    with pytest.raises(KeyboardInterrupt):
        compare(report=report, **kwargs)
    assert len(list(tmp_path.glob("x/runs/*/result.json"))) == 2
    lines = []
    assert list(compare(report=lines.append, **kwargs)) == list(METHODS)
    assert sum("is finished." in line for line in lines) == 2


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
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Cannot write"):
        compare(output=tmp_path / "file" / "output", **get_kwargs(benchmark))


def test_help():
    result = CliRunner().invoke(main, ["compare", "--help"])
    assert result.exit_code == 0
    for option in ("--dataset", "--directory", "--features", "--epochs", "--device", "--seed", "--output"):
        assert option in result.output
