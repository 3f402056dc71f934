"""Numbers and tables as texts, and the report as Markdown and as a page."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

import pandas
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup, escape

from .settings import format_value

__all__ = ["FILE_NAMES", "format_mean", "render", "tabulate"]

#: The report in Markdown, and as a page; the names of the templates are these, and a suffix.
FILE_NAMES: Final = ("report.md", "report.html")


def format_mean(mean: float, deviation: float) -> str:
    """Format a mean in percent, if there is any, with its standard deviation, if there is any."""
    if math.isnan(mean):
        return "-"
    return f"{mean:.2f}" if math.isnan(deviation) else f"{mean:.2f} ± {deviation:.2f}"


def render(context: Mapping[str, Any]) -> dict[str, str]:
    """Return the content of the files of a report by name, from what the templates show."""
    environment = Environment(
        loader=PackageLoader(__name__.rpartition(".")[0]),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.do"],
    )
    environment.filters |= {"cells": _split_row, "difference": _format_difference, "inline": _inline}
    environment.filters |= {"table": tabulate, "thousands": "{:,}".format, "value": format_value}
    environment.filters["file_name"] = lambda path: PurePath(path).name
    markdown, page = (environment.get_template(f"{name}.j2") for name in FILE_NAMES)
    blocks = [_join(block.splitlines()) for block in re.split(r"\n\s*\n", markdown.render(context).strip())]
    texts = "\n\n".join(blocks) + "\n", page.render(context, blocks=blocks)
    return dict(zip(FILE_NAMES, texts, strict=True))


def _join(lines: Sequence[str]) -> str:
    """Join the lines of a block, unless they are rows of a table or items of a list."""
    return ("\n" if lines[0].startswith(("|", "- ")) else " ").join(line.strip() for line in lines)


def tabulate(rows: pandas.DataFrame | Sequence[Sequence[object]], header: list[str] | None = None) -> str:
    """Turn rows into a table in Markdown."""
    frame = pandas.DataFrame(rows, columns=header, dtype=object)
    texts = frame.map(lambda cell: " ".join(str(cell).replace("|", r"\|").split()))
    return str(texts.to_markdown(index=False, disable_numparse=True))


def _split_row(line: str) -> list[str]:
    """Return the cells of a row of a table in Markdown."""
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _inline(text: object) -> Markup:
    """Turn a text with bold type in Markdown into one in HTML."""
    # escaped before
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(str(text)))))  # noqa: S704


def _format_difference(row: Mapping[str, float]) -> str:
    """Format a difference of parts of one as percentage points, in bold type if there is an interval without zero."""
    # without negative zeros
    difference, low, high = (round(100 * row[x], 2) + 0.0 for x in ("difference", "low", "high"))
    if math.isnan(low):
        return f"{difference:+.2f}"
    text = f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]"
    return f"**{text}**" if row["low"] > 0 or row["high"] < 0 else text
