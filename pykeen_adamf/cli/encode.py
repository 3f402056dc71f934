"""The command that encodes images, texts and attributes."""

import json
from pathlib import Path
from typing import Any

import click

from .options import POSITIVE, device_option, no_progress_option, parse_pairs

__all__ = ["encode"]

#: The names of encoders, repeated here since importing them takes seconds; --help should not.
ENCODERS = ("descriptor", "huggingface", "numeric", "sentence-transformers", "timm")


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parse_options(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, Any]:
    """Parse options of the form KEY=VALUE; values are JSON where they can be, and strings otherwise."""
    return {key: _parse_value(text) for key, text in parse_pairs(parameter, value, "max_pixels=10000000").items()}


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Where to write the features, a .safetensors file."
)
@click.option(
    "--encoder", required=True, metavar="NAME", help=f"The encoder: {', '.join(ENCODERS[:-1])} or {ENCODERS[-1]}."
)
@click.option(
    "--model", help="The model, by name, or, for texts, a directory with it. If not given, the encoder's own."
)
@click.option(
    "--option",
    "options",
    multiple=True,
    callback=_parse_options,
    metavar="KEY=VALUE",
    help="Another option of the encoder; repeatable.",
)
@click.option("--batch-size", type=POSITIVE, default=32, help="Images or texts in a batch.")
@device_option
@click.option(
    "--dtype", type=click.Choice(["float32", "float16"]), default="float32", help="The data type of the features."
)
@click.option(
    "--entities",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="If SOURCE has IDs instead of labels: a file with the label and the ID of each entity, such as entity2id.txt.",
)
@click.option("--dim", type=POSITIVE, help="Reduce the features to that many principal components.")
@no_progress_option
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Where to write the whole report, with everything that could not be used, as JSON.",
)
def encode(
    source: Path,
    output: Path,
    encoder: str,
    options: dict[str, Any],
    entities: Path | None,
    no_progress: bool,
    **kwargs: Any,
) -> None:
    """Encode images, texts, or tables of attributes into a feature file.

    SOURCE is a folder, or a table. Images in a folder are ENTITY.png (or any other format), or, if there are several of
    an entity, ENTITY/*.png; texts are ENTITY.txt. Each line of a table, tab-separated or .csv, has an entity and the
    path of an image, or an entity and a text. For the encoder 'numeric', it has an entity and its attributes (numbers,
    dates, categories, with holes) after a line that names the columns, or an entity, an attribute and a value.

    If it is interrupted, the same command continues where it has stopped.
    """
    # importing PyTorch takes seconds; --help should not
    from ..encoders import encode_source

    own = {name: kwargs.pop(name) for name in ("model", "device")}
    options |= {name: value for name, value in own.items() if value is not None}
    if entities is not None:
        from ..datasets.openke import read_mapping

        kwargs["entities"] = {str(number): label for label, number in read_mapping(entities).items()}
    result = encode_source(source, output, encoder, options, progress=not no_progress, **kwargs)
    click.echo(result.summarize(max_problems=10))
    if kwargs["report"] is not None:
        click.echo(f"Wrote the report to {kwargs['report']}")
    elif len(result.problems) > 10:
        click.echo("Use --report FILE to get all of them.")
    click.echo(f"Wrote {output}")
