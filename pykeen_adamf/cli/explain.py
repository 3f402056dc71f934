"""The command that explains predictions."""

from pathlib import Path
from typing import Any

import click

from .options import FILE, POSITIVE, candidates_option, device_option, no_progress_option, trained_argument

__all__ = ["explain"]


@click.command()
@trained_argument
@click.option("--entity", "entities", multiple=True, metavar="LABEL", help="An entity to explain; repeatable.")
@click.option(
    "--triple",
    "triples",
    multiple=True,
    nargs=3,
    metavar="HEAD RELATION TAIL",
    help="A triple to explain, be it true or not; repeatable.",
)
@click.option(
    "--relation",
    "relations",
    multiple=True,
    metavar="LABEL",
    help="A relation to explain; repeatable. If nothing is to be explained, all of them, and their average.",
)
@click.option(
    "--triples",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.tsv",
    help="Average over the triples in this file, which has head, relation and tail in each line, separated by tabs.",
)
@click.option(
    "--dataset", metavar="NAME", help="Average over the test triples of this dataset, e.g., the one trained on."
)
@candidates_option
@click.option(
    "--output",
    type=FILE,
    metavar="FILE",
    help="Where to write the table to rather than printing it: a .tsv, .csv or .json file.",
)
@click.option("--plot", type=FILE, metavar="FILE", help="Draw a .png or .svg file, too.")
@click.option("--batch-size", type=POSITIVE, help="Triples to rank at once. If not given, what fits.")
@device_option
@no_progress_option
def explain(directory: Path, output: Path | None, plot: Path | None, no_progress: bool, **options: Any) -> None:
    """Explain a model's predictions: how it weights modalities, and what changes without each of them.

    RUN_OR_BUNDLE is the folder of a run, over whose test triples averages are, or a directory that a model or an
    ensemble was saved to, e.g., by PyKEEN's pipeline. Without a modality, all entities are represented by their others;
    ranks are filtered by all known triples: those of training, of the run, and of --triples or --dataset.
    """
    if options["path"] is not None and options["dataset"] is not None:
        raise click.UsageError("Use either --triples or --dataset.")
    if sum(bool(options[kind]) for kind in ("entities", "triples", "relations")) > 1 and (output or plot):
        raise click.UsageError("Entities, triples and relations have tables of their own: write one at a time.")
    # importing PyKEEN takes seconds; --help should not
    from ..experiments.quiet import quiet
    from ..explaining.directory import explain_directory
    from ..explaining.output import TABLE_SUFFIXES, check_path, format_table, write_table
    from ..explaining.plotting import PICTURE_SUFFIXES, plot_explanation, require_matplotlib

    # now rather than after everything is calculated
    if output is not None:
        check_path(output, TABLE_SUFFIXES)
    if plot is not None:
        check_path(plot, PICTURE_SUFFIXES)
        require_matplotlib()
    with quiet():
        explanations = explain_directory(directory, progress=not no_progress, **options)
    for title, table in explanations.items():
        click.echo(f"{title}:")
        if output is None:
            click.echo(f"\n{format_table(table)}\n")
        else:
            click.echo(f"Wrote {write_table(table, output)}")
        if plot is not None:
            plot_explanation(table, plot)
            click.echo(f"Wrote {plot}")
