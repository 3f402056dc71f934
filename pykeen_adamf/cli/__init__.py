"""The command line, one file for each command; all logic is elsewhere."""

import click

from .. import __version__
from .compare import compare
from .demo import demo
from .encode import encode
from .explain import explain
from .reproduce import reproduce
from .run import run

__all__ = ["main"]


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Multi-modal knowledge graph completion with PyKEEN."""


for command in (run, demo, encode, compare, explain, reproduce):
    main.add_command(command)
