"""The command."""

import json

import pytest
import torch
from click.testing import CliRunner

from pykeen_adamf.cli import main
from pykeen_adamf.encoders import encode_source
from pykeen_adamf.features import read_features

from .cases import make_folder, run_python


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs the command in a folder with images, texts and a table."""
    make_folder(tmp_path / "images")
    (tmp_path / "texts").mkdir()
    for name in ("berlin", "paris"):
        (tmp_path / "texts" / f"{name}.txt").write_text(f"{name} is a capital")
    (tmp_path / "texts.tsv").write_text("berlin\tberlin is a capital\nparis\tparis is a capital\nnone\t \n")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(main, ["encode", *map(str, arguments)])

    return run


def test_images(run, tmp_path):
    result = run("images", "--output", "f.safetensors", "--encoder", "descriptor", "--option", "size=64")
    assert result.exit_code == 0, result.output
    assert "8 entities: 7 encoded with 2,212 dimensions, 1 missing" in result.output
    assert "broken: images/broken.png: is a broken image" in result.output
    assert "Wrote f.safetensors" in result.output
    encode_source("images", "g.safetensors", "descriptor", {"size": 64}, progress=False)
    assert (tmp_path / "f.safetensors").read_bytes() == (tmp_path / "g.safetensors").read_bytes()


@pytest.mark.parametrize("encoder", ["sentence-transformers", "huggingface"])
def test_texts(run, tmp_path, bert, encoder):
    for source in ("texts", "texts.tsv"):
        result = run(
            *(source, "--output", f"{source}.safetensors", "--encoder", encoder, "--model", bert),
            *("--device", "cpu", "--no-progress"),
        )
        assert result.exit_code == 0, result.output
    folder, table = read_features("texts.safetensors"), read_features("texts.tsv.safetensors")
    assert folder.dim == 16
    assert folder.labels == ("berlin", "paris")
    assert table.align(folder.labels, unknown="ignore") == folder
    assert "none: texts.tsv, line 3: the text is empty" in result.output


def test_dim_and_dtype(run):
    result = run(
        *("images", "--output", "f.safetensors", "--encoder", "Descriptor", "--dim", 3, "--dtype", "float16"),
        *("--batch-size", 2),
    )
    assert result.exit_code == 0, result.output
    features = read_features("f.safetensors")
    assert (features.dim, features.matrix.dtype) == (3, torch.float16)


def test_every_problem_can_be_had(run, tmp_path):
    for i in range(15):
        (tmp_path / "images" / f"x{i}.png").write_bytes(b"broken")
    arguments = ("images", "--output", "f.safetensors", "--encoder", "descriptor")
    result = run(*arguments)
    assert "16 inputs could not be used" in result.output
    assert "... and 6 more" in result.output
    assert "Use --report FILE to get all of them" in result.output
    result = run(*arguments, "--report", "report.json")
    assert "Wrote the report to report.json" in result.output
    problems = json.loads((tmp_path / "report.json").read_text())["problems"]
    assert {problem["source"] for problem in problems} == {
        "images/broken.png",
        *(f"images/x{i}.png" for i in range(15)),
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--encoder", "vgg"], "There is no encoder called 'vgg'. Use one of: descriptor"),
        (["--encoder", "descriptor", "--model", "x"], "DescriptorEncoder has no option 'model'. Its options are: size"),
        (["--encoder", "descriptor", "--device", "cpu"], "no option 'device'"),
        (["--encoder", "descriptor", "--option", "size=100"], "multiple of 8"),
        (
            ["--encoder", "descriptor", "--option", "size=wide"],
            "DescriptorEncoder cannot use size='wide': it must be int",
        ),
        (["--encoder", "descriptor", "--option", "size=true"], "cannot use size=True"),
        (["--encoder", "timm", "--option", "pretrained=no"], "cannot use pretrained='no': it must be bool"),
        (["--encoder", "timm", "--option", "checkpoint_path=3"], "checkpoint_path=3: it must be str | pathlib.Path"),
        (["--encoder", "descriptor", "--dim", "100"], "dim=100"),
        (["--encoder", "sentence-transformers"], "choose a visual encoder"),
        (["--encoder", "descriptor", "--output", "no/f.safetensors"], "Cannot write no/f.safetensors"),
        (["--encoder", "descriptor", "--output", "f.pth"], "Features are written as .safetensors files"),
        (["--encoder", "descriptor", "--report", "no/report.json"], "Cannot write the report"),
    ],
)
def test_bad_input(run, tmp_path, arguments, message):
    before = set(tmp_path.rglob("*"))
    result = run("images", "--output", "f.safetensors", *arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--output", "f.safetensors", "--encoder", "descriptor"], "'nowhere' does not exist"),
        (["images", "--encoder", "descriptor"], "Missing option '--output'"),
        (["images", "--output", "f.safetensors"], "Missing option '--encoder'"),
        (["images", "--output", "f.safetensors", "--encoder", "x", "--option", "size"], "KEY=VALUE"),
        (["images", "--output", "f.safetensors", "--encoder", "x", "--option", "=3"], "KEY=VALUE"),
        (["images", "--output", "f.safetensors", "--encoder", "x", "--batch-size", "0"], "0 is not in the range"),
        (["images", "--output", "f.safetensors", "--encoder", "x", "--dtype", "int8"], "'int8' is not one of"),
    ],
)
def test_bad_arguments(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("content", "message"), [("a\tx\nb\n", "line 2: there must be two fields"), ("", "texts.tsv is empty")]
)
def test_bad_table(run, tmp_path, content, message):
    (tmp_path / "texts.tsv").write_text(content)
    result = run("texts.tsv", "--output", "f.safetensors", "--encoder", "huggingface")
    assert result.exit_code == 1
    assert message in result.output


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["descriptor", "huggingface"])
def test_missing_dependency(run, tmp_path, encoder):
    module = {"descriptor": "skimage", "huggingface": "transformers"}[encoder]
    source = {"descriptor": "images", "huggingface": "texts"}[encoder]
    result = run_python(
        f"import sys; sys.modules[{module!r}] = None\n"
        "from pykeen_adamf.cli import main\n"
        f"main(['encode', {source!r}, '--output', 'f.safetensors', '--encoder', {encoder!r}])"
    )
    assert result.returncode == 1
    assert f'pip install "pykeen-adamf[{encoder}]"' in result.stderr
    assert "Traceback" not in result.stderr


def test_help():
    result = CliRunner().invoke(main, ["encode", "--help"])
    assert result.exit_code == 0
    for part in ("SOURCE", "--output", "--encoder", "--option", "--dim", "--report", "descriptor", "timm"):
        assert part in result.output
