"""Options that several commands have in common."""

from pathlib import Path

import click

__all__ = ["directory_option", "features_option"]


def _parse_features(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> dict[str, str | None]:
    """Parse options of the form NAME=PATH."""
    pairs = [item.partition("=") for item in value]
    for name, _, path in pairs:
        if not name or not path:
            raise click.BadParameter("must be of the form NAME=PATH, e.g., textual=name-minilm.npy")
    return {name: None if path == "missing" else path for name, _, path in pairs}


directory_option = click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A directory with the dataset's files. If not given, they are downloaded.",
)

features_option = click.option(
    "--features",
    multiple=True,
    callback=_parse_features,
    metavar="NAME=PATH",
    help="A modality and the file with its features, or NAME=missing; repeatable. Defaults to the published features.",
)
