"""The demonstration, from the command line to what it leaves behind."""

import importlib.util
import json
import logging
import signal
import subprocess
import sys
import time

import pandas
import pytest
from click.testing import CliRunner
from PIL import Image

from pykeen_adamf.bundle import load
from pykeen_adamf.cli import main
from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.evaluation import METRICS
from pykeen_adamf.experiments.demo.demo import demo, get_configurations
from pykeen_adamf.experiments.demo.questions import choose_questions, format_question
from pykeen_adamf.experiments.recording import VALIDATION, Recorder
from pykeen_adamf.models import MultimodalModel

METHODS = list(get_configurations())

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Return where the demonstration writes to."""
    return tmp_path_factory.mktemp("demo") / "output"


@pytest.fixture(scope="module")
def run(directory):
    """Return the result of the command, run once for all tests."""
    level = logging.getLogger("pykeen").level
    result = CliRunner().invoke(main, ["demo", "--epochs", "1", "--device", "cpu", "--output", str(directory)])
    assert result.exit_code == 0, result.output
    assert logging.getLogger("pykeen").level == level
    return result


@pytest.fixture(scope="module")
def data(run, directory):
    """Return the written results."""
    return json.loads((directory / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def models(run, directory):
    """Return the written models."""
    return {name: load(directory / name / "bundle", device="cpu").model for name in METHODS}


def test_printed(run, data, directory):
    assert "EmojiKG: 2,176 entities, 4,069 training triples" in run.output
    rows = {line.split("|")[1].strip(): line.split() for line in run.output.splitlines() if line.startswith("|")}
    for name, result in data["results"].items():
        assert f"Training {name} for 1 epoch ..." in run.output
        for metric in METRICS:
            assert f"{result['metrics']['both']['realistic'][metric]:.3f}" in rows[name]
    for question in data["questions"]:
        assert question["text"] in run.output
    assert f"Wrote the results, the models and the pictures to {directory}. It took " in run.output
    assert "WARNING" not in run.output
    assert "INFO" not in run.output


def test_results(data, directory):
    assert list(data["results"]) == list(METHODS)
    assert (data["epochs"], data["seed"]) == (1, 0)
    assert data["seconds"] > sum(result["seconds"]["training"] for result in data["results"].values()) > 0
    configurations = get_configurations(epochs=1)
    for name, result in data["results"].items():
        for side in ("both", "head", "tail"):
            metrics = result["metrics"][side]["realistic"]
            assert 0 < metrics["MRR"] < 1
            assert metrics["Hits@1"] <= metrics["Hits@3"] <= metrics["Hits@10"]
        assert result["configuration"]["pipeline"] == {**configurations[name]["pipeline"], "random_seed": 0}
        assert len(result["losses"]) == 1
        curve = pandas.read_csv(directory / name / "curve.csv")
        assert curve["epoch"].tolist() == [1]
        assert 0 < curve[VALIDATION].item() < 1
    assert [bool(s["adversarial_losses"]) for s in data["results"].values()] == [False, True, False]


def test_questions(data):
    dataset = EmojiKG()
    questions = choose_questions(dataset)
    assert [question["text"] for question in data["questions"]] == [format_question(dataset, q) for q in questions]
    for question in data["questions"]:
        assert list(question["answers"]) == list(METHODS)
        for name, answer in question["answers"].items():
            assert len(set(answer["best"])) == 5
            # of the right type
            kind = question[question["side"]].partition(":")[0]
            assert all(label.startswith(f"{kind}:") for label in answer["best"])
            assert 1 <= answer["rank"] <= dataset.num_entities
            expected = question[question["side"]]
            assert (expected in answer["best"]) == (answer["rank"] <= 5)
            if name != "AdaMF-MAT":
                # a sum has no weights
                assert not answer["weights"]
            else:
                assert set(answer["weights"]) == {"structural", "visual", "textual"}
                assert sum(answer["weights"].values()) == pytest.approx(1)


def test_page(run, data, directory):
    """All models answer the same questions there, with pictures."""
    page = (directory / "answers.html").read_text(encoding="utf-8")
    assert f"as a page: {directory / 'answers.html'}" in run.output
    for name in METHODS:
        assert page.count(f"<h3>{name}</h3>") == len(data["questions"])
    assert page.count('class="place"') == 5 * len(METHODS) * len(data["questions"])
    assert "data:image/webp" in page


def test_models(models, directory, data):
    """They are as they were evaluated, with triples and features beside them."""
    for name, model in models.items():
        assert isinstance(model, MultimodalModel) == (name != "RotatE")
        assert model.num_parameters == data["results"][name]["num_parameters"]
    assert load(directory / "AdaMF-MAT" / "bundle").training == EmojiKG().training
    written = json.loads((directory / "AdaMF-MAT" / "result.json").read_text())
    assert written["metrics"] == data["results"]["AdaMF-MAT"]["metrics"]


@pytest.mark.parametrize("name", ["modality_weights.png", "learning_curves.png"])
def test_pictures(run, directory, name):
    with Image.open(directory / name) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert 800 < picture.width < 2000
        assert 400 < picture.height < 1200
        # it is not empty
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 20)) > 50


@pytest.mark.slow
def test_same_seed_same_results(data, tmp_path, monkeypatch):
    """Also without a picture of it."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *args: None if name == "matplotlib" else find_spec(name, *args)
    )
    lines = []
    again = demo(tmp_path, epochs=1, device="cpu", report=lines.append)
    for name, result in again["results"].items():
        for key in ("metrics", "losses"):
            assert result[key] == data["results"][name][key]
    for one, two in zip(again["questions"], data["questions"], strict=True):
        assert one["text"] == two["text"]
        assert {n: a["rank"] for n, a in one["answers"].items()} == {n: a["rank"] for n, a in two["answers"].items()}
    assert not list(tmp_path.glob("*.png"))
    assert 'There are no pictures without matplotlib: pip install "pykeen-adamf[plots]"' in "\n".join(lines)
    assert "Wrote the results and the models to" in lines[-1]


def test_help():
    result = CliRunner().invoke(main, ["demo", "--help"])
    assert result.exit_code == 0
    (options,) = (command.params for name, command in main.commands.items() if name == "demo")
    assert {option.name for option in options} == {"epochs", "seed", "any_type", "device", "output"}
    for option in options:
        assert option.opts[0] in result.output
        assert len(option.help) > 20
        assert option.help.split()[0] in result.output
    assert "EmojiKG" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("finished", [0, 1])
def test_interruption(tmp_path, monkeypatch, finished):
    """What is trained remains, and the same command goes on."""
    started = []
    post_epoch = Recorder.post_epoch

    def interrupt(self, *args, **kwargs):
        started.append(self)
        if len(started) > finished:
            raise KeyboardInterrupt
        post_epoch(self, *args, **kwargs)

    monkeypatch.setattr(Recorder, "post_epoch", interrupt)
    arguments = ["demo", "--epochs", "1", "--device", "cpu", "--output", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 130
    assert f"Interrupted. What is trained is kept in {tmp_path}: repeat the command to go on." in result.output
    names = list(METHODS)
    assert [path.parent.name for path in tmp_path.glob("*/result.json")] == names[:finished]
    assert {path.name for path in tmp_path.iterdir()} == set(names[: finished + 1])
    monkeypatch.setattr(Recorder, "post_epoch", post_epoch)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/result.json")}
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert {path.parent.name for path in tmp_path.glob("*/result.json")} == set(names)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


@pytest.mark.slow
def test_signal(tmp_path):
    """Pressing Ctrl-C while the second model is trained."""
    code = "from pykeen_adamf.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code, "demo", "--epochs", "1", "--device", "cpu", "--output", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # whoever runs the tests in the background lets them ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        for line in process.stdout:
            if line.startswith("Training AdaMF-MAT for"):
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130, error
    assert f"Interrupted. What is trained is kept in {tmp_path}" in error
    assert "Traceback" not in error
    assert [path.parent.name for path in tmp_path.glob("*/result.json")] == ["RotatE"]


def test_unwritable_output(tmp_path):
    """A message, and nothing is trained."""
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["demo", "--output", str(tmp_path / "file" / "output")])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert str(tmp_path / "file") in result.output
    assert "Training" not in result.output


def test_output_that_may_not_be_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OSError, match=f"Cannot write to {tmp_path}. Choose another directory."):
        demo(tmp_path, epochs=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["--epochs", "0"], ["--seed", "x"], ["--output", __file__]])
def test_bad_input(arguments):
    result = CliRunner().invoke(main, ["demo", *arguments])
    assert result.exit_code == 2
    assert f"Invalid value for '{arguments[0]}'" in result.output
