"""The command line, one file for each command; all logic is elsewhere."""

from typing import Any

import click

from .. import __version__
from .compare import compare
from .demo import demo
from .encode import encode
from .ensemble import ensemble
from .explain import explain
from .explore import explore
from .predict import predict
from .reproduce import reproduce
from .run import run

__all__ = ["main"]


class Commands(click.Group):
    """Commands that say in a sentence what is wrong, rather than by a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.Abort, click.exceptions.Exit, BrokenPipeError):
            # no errors of ours, but errors of these types
            raise
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, context_settings={"show_default": True})
@click.version_option(__version__)
def main() -> None:
    """Multi-modal knowledge graph completion with PyKEEN."""


for command in (run, predict, explain, explore, ensemble, demo, encode, compare, reproduce):
    main.add_command(command)
