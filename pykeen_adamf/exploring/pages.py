"""Pages in HTML, be they served or written to files; everything from data is escaped."""

import functools
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..calibration import MEANING
from ..explaining.plotting import COLORS, OTHER_COLORS
from .explorer import Entity

__all__ = ["STATIC", "Site", "make_colors", "render"]

#: The directory with style, script and placeholder.
STATIC: Final = Path(__file__).parent / "static"

#: Longer texts are cut.
MAX_TEXT: Final = 1500


class Site(Protocol):
    """Where pages find what they refer to."""

    @property
    def title(self) -> str:
        """Return the title."""

    @property
    def is_live(self) -> bool:
        """Return whether questions can be asked, and entities have pages: ``entity`` returns their addresses."""

    @property
    def policy(self) -> str:
        """Return the Content-Security-Policy of files; what is served has it as a header."""

    @property
    def style(self) -> str:
        """Return the style that is to be part of the page, or nothing."""

    def asset(self, name: str) -> str:
        """Return the address of a static file."""

    def picture(self, entity: Entity, number: int) -> str:
        """Return the address of an entity's picture."""

    @property
    def colors(self) -> Mapping[str, str]:
        """Return the color of each modality."""


def make_colors(modalities: Iterable[str]) -> dict[str, str]:
    """Choose a color for each modality, those of plots."""
    others = itertools.cycle(OTHER_COLORS)
    return {name: COLORS.get(name) or next(others) for name in dict.fromkeys(modalities)}


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"initials": _initials, "number": _format_number, "rank": _format_rank, "shorten": _shorten}
    environment.filters["thousands"] = "{:,}".format
    environment.globals["meaning"] = MEANING
    return environment


def render(name: str, site: Site, **context: Any) -> str:
    """Return a page by the name of its template."""
    template = _environment().get_template(f"{name}.html.j2")
    return template.render(site=site, **{"query": "", **context})


def _initials(label: str) -> str:
    """Return what stands for a picture: the first letters of the first words, without what kind of thing it is."""
    words = "".join(x if x.isalnum() else " " for x in label.rpartition(":")[2]).split()
    return "".join(word[0] for word in words[:2]).upper() or "?"


def _format_number(number: float, form: str) -> str:
    """Format a number, with the sign that is as wide as a digit."""
    return f"{number:{form}}".replace("-", "\N{MINUS SIGN}")


def _format_rank(rank: float) -> str:
    return f"{rank:,.0f}" if rank == int(rank) else f"{rank:,.1f}"


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
