"""What pages show exists: commands with their options, modules with their names, configurations."""

import ast
import importlib
import json
import re
import shlex
from pathlib import Path

import click
import pytest

from pykeen_adamf.cli import main
from pykeen_adamf.experiments.configuration import read_configuration

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^( *)```(\w+)[^\n]*\n(.*?)^\1```", flags=re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[Path, str]]:
    """Return all blocks of code in a language."""
    found = [(page, block) for page in PAGES for block in _BLOCK.findall(page.read_text(encoding="utf-8"))]
    return [(page, code) for page, (_, name, code) in found if name == language and "--8<--" not in code]


def test_commands():
    """Each option of ``pykeen-adamf`` in a block or in a line is one of the command."""
    inline = [(page, code) for page in PAGES for code in re.findall(r"`(pykeen-adamf [^`]+)`", page.read_text())]
    seen, context = set(), click.Context(main)
    for page, code in [*blocks("shell"), *inline]:
        for line in code.replace("\\\n", " ").splitlines():
            if (words := shlex.split(line, comments=True)) and "pykeen-adamf" in words[0] and len(words) > 1:
                if words[1].startswith("-"):
                    continue
                command = main.get_command(context, words[1])
                assert command is not None, (page, line)
                known = {option for parameter in command.params for option in parameter.opts}
                unknown = {word for word in words[2:] if word.startswith("--")} - known
                assert not unknown, (page, line, unknown)
                seen.add(words[1])
    assert seen >= {"run", "encode", "explain", "reproduce", "demo", "compare"}


@pytest.mark.parametrize("page", sorted({page for page, _ in blocks("python")}), ids=lambda page: page.stem)
def test_imports(page):
    """Each block is Python, and what it imports from this package exists."""
    for origin, code in blocks("python"):
        for node in ast.walk(ast.parse(code)) if origin == page else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pykeen"):
                module = importlib.import_module(node.module)
                for name in node.names:
                    assert hasattr(module, name.name), (page, node.module, name.name)


def test_configurations(tmp_path):
    """Each configuration is one that ``pykeen-adamf run`` takes, as far as it is known without data."""
    examples = [path.read_text() for path in (ROOT / "docs" / "examples").glob("*.json")]
    for code in [*examples, *(code for _, code in blocks("json"))]:
        path = tmp_path / "configuration.json"
        path.write_text(code)
        assert read_configuration(path)["pipeline"]["dataset"] == json.loads(code)["pipeline"]["dataset"]
