"""From a directory to links, by the commands."""

import json
import re
import shlex

import pandas
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeen_adamf.cli import main
from pykeen_adamf.experiments.choosing import choose_preset, configure
from pykeen_adamf.experiments.configuration import check_configuration
from pykeen_adamf.experiments.folder import RunFolder
from pykeen_adamf.experiments.own_graph import run_directory

from .cases import interrupt_after
from .own import make_directory, make_model, make_rows


def invoke(*arguments, code=0):
    """Run the command, and return what it prints."""
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    """Keep what is encoded in a place of its own."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("pykeen.datasets.base.PYKEEN_DATASETS", tmp_path_factory.mktemp("datasets"))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder of a run on a directory, which was interrupted once, and what was printed the second time."""
    path = tmp_path_factory.mktemp("own")
    directory = make_directory(path / "families", symmetric=True)
    command = ["run", directory, "--output", path / "run", "--epochs", 4, "--device", "cpu", "--no-progress"]
    command += ["--preset", "EmojiKG", "--checkpoint-minutes", 0, "--text-model", make_model(path / "model")]
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupt_after(monkeypatch, 2)
        first = invoke(*command, code=1)
    assert "Repeat the command to continue" in first
    # no progress bar, neither of the encoders
    assert "%|" not in first
    output = invoke(*command)
    return path / "run", output, command


def test_run(finished):
    """It says what there is, what is used and why, and continues."""
    folder, output, command = finished
    assert "training triples" in output
    assert "visual: images, encoded by descriptor" in output
    assert "textual: texts.tsv, encoded by sentence-transformers (" in output
    assert "numeric: numbers.csv, encoded by numeric" in output
    assert "audio: audio.npz, as it is" in output
    assert "Settings EmojiKG: as asked for; by itself, it would be EmojiKG: 1.85 training triples" in output
    assert "Continuing in" in output
    assert "MRR 0." in output
    again = invoke(*command)
    assert "is finished" in again
    assert "Training" not in again
    result = RunFolder(folder).read_result()
    assert len(result["losses"]) == 4
    assert {name: x["num_present"] for name, x in result["data"]["features"].items()} == {
        "visual": 8,
        "textual": 48,
        "numeric": 24,
        "audio": 3,
    }


def test_page(finished):
    """It has all that is to be known, new links are none of the triples, and its commands run."""
    folder, *_ = finished
    page = (folder / "report.md").read_text(encoding="utf-8")
    for text in ("| entities", "(92%)", "no modality at all", "OneVsAll for 4 epochs", "| test ", "| validation "):
        assert text in page
    assert "without those that training triples give away" in page
    assert "'married to'" in page
    links = page.partition("## New links")[2].partition("## To go on")[0]
    rows = [tuple(x.strip() for x in line.split("|")[1:4]) for line in links.splitlines() if line.startswith("|")]
    assert len(rows) > 4
    assert not set(rows).intersection(make_rows(symmetric=True))
    commands = page.partition("```shell\n")[2].partition("```")[0].splitlines()
    assert len(commands) == 4
    for command in commands:
        name, *arguments = shlex.split(command)
        if arguments[0] == "explore":
            assert arguments[2::2] == ["--images", "--texts"]
            # it serves until it is ended
            arguments += ["--calibrate", "validation", "--export", folder / "page.html"]
            arguments += ["--question", "Ann 3", "lives in", "?"]
        assert name == "pykeen-adamf"
        output = invoke(*arguments, "--device", "cpu")
        assert arguments[0] != "explain" or "test triples of the run:" in output
    assert (folder / "page.html").read_text(encoding="utf-8").count(", probability") == 10


def test_configuration(finished, tmp_path):
    """It is a plain one, which gives the same result."""
    folder, *_ = finished
    path = RunFolder(folder).configuration
    invoke("run", path, "--output", tmp_path / "again", "--device", "cpu", "--no-progress", "--validate-every", 4)
    results = [RunFolder(x).read_result() for x in (folder, tmp_path / "again")]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert results[0]["losses"] == results[1]["losses"]


def test_predict(finished, tmp_path):
    """Triples that the run has held out are known, and answers can be written."""
    folder, *_ = finished
    question = ["predict", folder, "--head", "Ann 3", "--relation", "parent of", "--device", "cpu"]
    invoke(*question, "--top", 100, "--keep-known", "--output", tmp_path / "all.csv")
    answers = pandas.read_csv(tmp_path / "all.csv")
    assert set(answers.loc[answers["known"], "entity"]) == {"Cleo 3", "Dan 3"}
    assert {"score", "rank without audio", "rank without structural"} <= set(answers)
    printed = invoke(*question, "--top", 2, "--candidates", "seen", "--calibrate", "validation")
    assert "probability" in printed
    assert "as likely to be true as" in printed
    assert "Cleo 3" not in printed
    assert "rank without visual" in printed
    scored = ["--score", "Cleo 3", "--score", "Dan 5", "--candidates", "seen"]
    invoke(*question, *scored, "--output", tmp_path / "scored.csv")
    assert pandas.read_csv(tmp_path / "scored.csv")[["entity", "known"]].values.tolist() == [
        ["Cleo 3", True],
        ["Dan 5", False],
    ]
    assert re.search(r"rank +of +entity|of +entity", invoke(*question, *scored))
    chosen = tmp_path / "chosen.csv"
    chosen.write_text("Dan 5\n", encoding="utf-8")
    some = invoke(*question, "--candidates", chosen, "--no-reasons")
    assert "Dan 5" in some
    assert "Dan 4" not in some
    assert "without" not in some
    known = tmp_path / "known.tsv"
    known.write_text("Ann 3\tparent of\tDan 5\n", encoding="utf-8")
    assert "There is no answer that is not known" in invoke(*question, "--candidates", chosen, "--known", known)
    # of the bundle itself, only the training triples are known
    question[1] = folder / "bundle"
    assert "'validation'" not in invoke(*question)
    assert "is no folder of a run with validation triples" in invoke(*question, "--calibrate", "validation", code=1)
    question[3] = "Anne 3"
    assert "Did you mean 'Ann 3'" in invoke(*question, code=1)
    question[2] = "--tail"
    assert "either --head or --tail" in invoke(*question, "--head", "Ann 3", code=2)


def test_triples_alone(tmp_path):
    """A graph without features has a model of its own."""
    directory = make_directory(tmp_path / "x", images=False, texts=False)
    (directory / "audio.npz").unlink()
    said = []
    result = run_directory(
        directory, tmp_path / "run", preset="MKG-Y", epochs=1, device="cpu", progress=False, report=said.append
    )
    assert result["configuration"]["pipeline"]["model"] == "Structural"
    assert "There are no features" in said[0]
    assert any(x.startswith("Settings MKG-Y: as asked for; by itself") for x in said)
    assert "Structural with LpRotatE" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="of another configuration"):
        run_directory(directory, tmp_path / "run", epochs=2, progress=False)


def test_refused_options(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"pipeline": {}}), encoding="utf-8")
    output = invoke("run", path, "--output", tmp_path / "run", "--text-model", "x", code=2)
    assert "--text-model is an option of directories, but" in output


def test_a_directory_called_like_a_preset(tmp_path, monkeypatch):
    """It is said which is taken, and how to have the other one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emojikg").mkdir()
    output = invoke("run", "emojikg", "--output", "run", "--device", "none", code=1)
    assert output.startswith("emojikg is the preset. To take the directory that is called so: ./emojikg\n")
    assert "There is no device 'none'" in output
    assert "emojikg has no file with triples" in invoke("run", "./emojikg", "--output", "run", code=1)


# --- settings


@pytest.mark.parametrize(
    ("num_triples", "num_entities", "preset"),
    [
        (21_310, 15_000, "MKG-Y"),  # MKG-Y
        (34_196, 15_000, "MKG-W"),
        (4_069, 2_176, "EmojiKG"),
        (79_222, 12_842, "DB15K"),
        (160, 40, "EmojiKG"),
    ],
)
def test_choice(num_triples, num_entities, preset):
    """The benchmarks get what is best for them."""
    name, reason = choose_preset(num_triples, num_entities)
    assert name == preset
    assert f"{num_triples / num_entities:.2f} training triples for each entity" in reason


@settings(max_examples=30, deadline=None)
@given(
    num_triples=st.integers(1, 10**7),
    num_entities=st.integers(1, 10**6),
    modalities=st.lists(st.sampled_from(["visual", "textual", "audio"]), unique=True),
    preset=st.sampled_from([None, "DB15K", "emojikg", "MKG-W", "MKG-Y"]),
)
def test_configurations(num_triples, num_entities, modalities, preset):
    """They are complete, whatever the graph; batches fit to it."""
    kwargs = {"triples": "triples.tsv", "features": {}}
    found = configure(kwargs, modalities, num_triples, num_entities, preset=preset)
    check_configuration(found, "x")
    pipeline = found["pipeline"]
    assert pipeline["model"] == ("AdaMF" if modalities else "Structural")
    assert pipeline["model_kwargs"].get("fusion_kwargs", {}).get("initial_scale", {}).keys() <= set(modalities)
    batch_size = pipeline["training_kwargs"]["batch_size"]
    assert 32 <= batch_size <= 1024
    assert batch_size == 32 or batch_size * 4 <= num_triples
    assert pipeline.get("lr_scheduler_kwargs", {"T_max": 0})["T_max"] in (0, pipeline["training_kwargs"]["num_epochs"])


def test_unknown_preset():
    with pytest.raises(ValueError, match=r"no preset 'DB15', but there are .*Did you mean 'db15k'"):
        configure({}, [], 10, 10, preset="DB15")
