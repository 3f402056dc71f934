"""Hooks of MkDocs: pages and files from outside of ``docs/``, help texts of commands, and formulas without scripts."""

import re
from html import unescape
from pathlib import Path
from typing import Any, Final

import click
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parents[2]

#: What of the repository is part of the site, beside ``docs/``: pages, and files that pages link to.
INCLUDED: Final = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/results/**/*.json*",
    "benchmarks/results/**/*.md",
    "benchmarks/results/**/*.png",
    "benchmarks/results/**/*.tsv",
    "benchmarks/searches/*.json",
    "notebooks/*.ipynb",
)

#: A link from a page in a folder of ``docs/`` to a file above ``docs/``; such links work where the repository is read.
_UP = re.compile(r"(?<=\]\()\.\./((?:\.\./)*)(?=CHANGELOG|CONTRIBUTING|benchmarks/|notebooks/)")

#: The place of a command's help text
_HELP = re.compile(r"^<!-- help: ?(.*) -->$", flags=re.MULTILINE)

#: What pymdownx.arithmatex makes of a formula
_FORMULA = re.compile(r"<(span|div) class=\"arithmatex\">\\[(\[](.*?)\\[)\]]</\1>", flags=re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add what is outside of ``docs/``, by its path in the repository."""
    for pattern in INCLUDED:
        for path in sorted(ROOT.glob(pattern)):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Write help texts of commands, and correct links out of ``docs/``."""
    return _HELP.sub(lambda match: f"```text\n{_help(match[1])}\n```", _UP.sub(r"\1", markdown))


def on_page_content(html: str, **kwargs: Any) -> str:
    """Write formulas as MathML, which browsers show by themselves."""
    return _FORMULA.sub(
        lambda match: convert(unescape(match[2]).strip(), display="block" if match[1] == "div" else "inline"), html
    )


def _help(name: str) -> str:
    """Return the help text of a command, or of all, if there is no name."""
    from pykeen_adamf.cli import main

    context = click.Context(main, info_name="pykeen-adamf", max_content_width=100, terminal_width=100)
    if not name:
        return main.get_help(context)
    command = main.get_command(context, name)
    if command is None:
        raise ValueError(f"There is no command {name!r} for <!-- help: {name} -->.")
    return command.get_help(click.Context(command, info_name=name, parent=context, terminal_width=100))
