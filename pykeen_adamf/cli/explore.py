"""The command that serves a page to look at a model."""

from pathlib import Path
from typing import Any

import click

from .options import POSITIVE, calibrate_option, candidates_option, device_option, trained_argument

__all__ = ["explore"]


@click.command()
@trained_argument
@click.option(
    "--images",
    type=click.Path(exists=True, path_type=Path),
    metavar="DIR_OR_ZIP",
    help="Pictures of entities, as `encode` reads them; also a .zip of such a folder.",
)
@click.option(
    "--texts",
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE.tsv",
    help="Texts of entities, as `encode` reads them.",
)
@click.option(
    "--triples",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.tsv",
    help="Mark answers that are in these triples, which the model was not trained on.",
)
@click.option(
    "--dataset",
    metavar="NAME",
    help="Mark those that are in the validation and test triples of this dataset. EmojiKG brings its pictures, too.",
)
@candidates_option
@calibrate_option
@click.option("--answers", "k", type=POSITIVE, default=10, help="How many answers to show.")
@click.option("--port", type=click.IntRange(0, 65535), default=8042, help="The port of the page; 0 for any free one.")
@click.option(
    "--export",
    "output",
    type=click.Path(path_type=Path),
    metavar="DIR_OR_FILE",
    help="Write the answers to the questions to a new directory or an .html file, rather than serving a page.",
)
@click.option(
    "--question",
    "questions",
    multiple=True,
    nargs=3,
    metavar="HEAD RELATION TAIL",
    help="A question to export, with ? in the place of the head or of the tail; repeatable.",
)
@device_option
def explore(
    directory: Path, output: Path | None, questions: tuple[tuple[str, str, str], ...], k: int, port: int, **options: Any
) -> None:
    """Look at a model in the browser: its entities, its answers, and what these are due to.

    RUN_OR_BUNDLE is the folder of a run, whose validation and test triples are marked, or a directory that a model was
    saved to. The page can be seen on this machine only.
    """
    if options["path"] is not None and options["dataset"] is not None:
        raise click.UsageError("Use either --triples or --dataset.")
    if (output is None) == bool(questions):
        raise click.UsageError("Use --export and --question together: what is exported are answers to questions.")
    # importing PyKEEN takes seconds; --help should not
    import torch

    from ..experiments.quiet import quiet
    from ..exploring import export, open_explorer, parse_question, require_server, serve

    # before anything is calculated
    asked = [parse_question(*question) for question in questions]
    if output is None:
        require_server()
    with quiet():
        explorer = open_explorer(directory, report=click.echo, **options)
        if output is not None:
            click.echo(f"Wrote {export({explorer.name: explorer}, asked, output, k=k)}")
            return
        # questions are too small to gain from more threads, which wait for each other if anything else is running
        torch.set_num_threads(1)
        serve(explorer, port, k=k, report=click.echo)
