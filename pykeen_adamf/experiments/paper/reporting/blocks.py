"""The parts of a report, and what they look like as Markdown and as a page."""

import dataclasses
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import pandas
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup, escape

__all__ = ["Block", "Figure", "Heading", "Table", "render"]


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading."""

    level: int
    text: str


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of texts and numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        rows = [[" ".join(str(cell).replace("|", r"\|").split()) for cell in row] for row in self.rows]
        frame = pandas.DataFrame(rows, columns=[str(name) for name in self.header], dtype=str)
        return str(frame.to_markdown(index=False, disable_numparse=True))


@dataclasses.dataclass(frozen=True)
class Figure:
    """A picture."""

    title: str

    #: the name of the file beside the report
    name: str


#: A part of a report; texts are paragraphs, or lists with a line for each item.
Block = Heading | Table | Figure | str

#: The names of the templates by format.
TEMPLATES: Final = {"md": "report.md.j2", "html": "report.html.j2"}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__name__.rpartition(".")[0]),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests |= {
        "heading": lambda x: isinstance(x, Heading),
        "table": lambda x: isinstance(x, Table),
        "figure": lambda x: isinstance(x, Figure),
    }
    environment.filters |= {"inline": _inline}
    return environment


def _inline(text: object) -> Markup:
    """Turn a text with bold type in Markdown into one in HTML."""
    # escaped before
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(str(text)))))  # noqa: S704


def render(kind: str, blocks: Sequence[Block], **kwargs: Any) -> str:
    """Return a report as text.

    :param kind: The format: ``"md"`` or ``"html"``.
    :param blocks: Its parts; the first is the title.
    :param kwargs: What else the template shows.
    :returns: The content of a file.
    """
    return _environment().get_template(TEMPLATES[kind]).render(blocks=blocks, **kwargs)
