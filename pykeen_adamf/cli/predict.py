"""The command that answers questions."""

from pathlib import Path
from typing import Any

import click

from .options import FILE, POSITIVE, calibrate_option, candidates_option, device_option, trained_argument

__all__ = ["predict"]


@click.command()
@trained_argument
@click.option("--head", metavar="LABEL", help="The head of a triple whose tail is asked for.")
@click.option("--relation", metavar="LABEL", required=True, help="The relation.")
@click.option("--tail", metavar="LABEL", help="The tail of a triple whose head is asked for.")
@click.option("--top", type=POSITIVE, default=10, help="How many answers there are at most.")
@click.option(
    "--score",
    "entities",
    multiple=True,
    metavar="LABEL",
    help="Say the score and the rank of this answer, rather than the best ones; repeatable.",
)
@candidates_option
@click.option(
    "--known",
    "known_paths",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.tsv",
    help="Known triples beside those that the model was trained on; repeatable.",
)
@click.option("--keep-known", is_flag=True, help="Answer with what is known, too.")
@calibrate_option
@click.option("--no-reasons", is_flag=True, help="Do not say what the answers rest on.")
@click.option(
    "--output",
    type=FILE,
    metavar="FILE",
    help="Where to write the answers to rather than printing them: a .tsv, .csv or .json file.",
)
@device_option
def predict(directory: Path, output: Path | None, no_reasons: bool, entities: tuple[str, ...], **options: Any) -> None:
    """Answer a question: the best tails of a head and a relation, or the best heads of a relation and a tail.

    RUN_OR_BUNDLE is the folder of a run, whose validation and test triples are known, too, or a directory that a model
    or an ensemble was saved to. What is known is left out unless --keep-known is given.

    The weights say how much of an answer's representation is from which modality. The rank without a modality is the
    answer's place if the modality is left out of the fusion of every entity.
    """
    if (options["head"] is None) == (options["tail"] is None):
        raise click.UsageError("Give either --head or --tail; the other one is what is asked for.")
    # importing PyKEEN takes seconds; --help should not
    from ..experiments.answering import answer, asked_for, format_answers
    from ..experiments.quiet import quiet
    from ..explaining.output import TABLE_SUFFIXES, check_path, write_table

    if output is not None:
        check_path(output, TABLE_SUFFIXES)
    with quiet():
        answers = answer(directory, reasons=not no_reasons, entities=entities or None, **options)
    if output is not None:
        click.echo(f"Wrote {write_table(answers, output)}")
    else:
        click.echo(format_answers(answers, asked_for(options["tail"])))
