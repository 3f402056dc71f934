"""The command line, one file for each command; all logic is elsewhere."""

import click

from .. import __version__
from .compare import compare
from .demo import demo
from .encode import encode

__all__ = ["main"]


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Multi-modal knowledge graph completion with PyKEEN."""


for command in (demo, encode, compare):
    main.add_command(command)
