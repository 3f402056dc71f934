"""The command that makes an ensemble of runs."""

from pathlib import Path
from typing import Any

import click

from .options import EXISTING_DIRECTORY, device_option, no_progress_option, output_option

__all__ = ["ensemble"]


@click.command()
@click.argument("directories", nargs=-1, required=True, type=EXISTING_DIRECTORY, metavar="RUN_OR_BUNDLE...")
@output_option("The directory of the ensemble.")
@click.option(
    "--method",
    type=click.Choice(["average", "boosting", "meta", "selection"]),
    default="selection",
    help="How to find weights. average: equal ones; boosting: for each relation; meta: the same for all relations, by "
    "the cross-entropy; selection: the same for all, by the MRR.",
)
@click.option("--test", is_flag=True, help="Rank the test triples, too.")
@device_option
@no_progress_option
def ensemble(directories: tuple[Path, ...], output: Path, no_progress: bool, **options: Any) -> None:
    """Make an ensemble of runs on the same triples, with weights by their validation triples.

    `predict` and `explain` take it like a run. The parts stay where they are.
    """
    # importing PyKEEN takes seconds; --help should not
    from ..experiments.ensembling import make_ensemble
    from ..experiments.quiet import quiet

    with quiet():
        table = make_ensemble(directories, output, progress=not no_progress, **options)
    table.columns = table.columns.str.replace("_", " ")
    click.echo(table.round(4).to_string(index=False, na_rep=""))
    click.echo(f"Wrote {output}")
