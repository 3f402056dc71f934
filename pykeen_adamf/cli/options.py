"""Types of options, and options that several commands have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

__all__ = [
    "EXISTING_DIRECTORY",
    "FILE",
    "POSITIVE",
    "POSITIVE_FLOAT",
    "budget_options",
    "calibrate_option",
    "candidates_option",
    "dataset_options",
    "device_option",
    "no_progress_option",
    "output_option",
    "parse_pairs",
    "take_dataset_kwargs",
    "take_overrides",
    "trained_argument",
]

F = TypeVar("F", bound=Callable[..., Any])

POSITIVE: Final = click.IntRange(min=1)
POSITIVE_FLOAT: Final = click.FloatRange(min=0, min_open=True)
FILE: Final = click.Path(dir_okay=False, path_type=Path)
EXISTING_DIRECTORY: Final = click.Path(exists=True, file_okay=False, path_type=Path)


#: The options of a budget, and where they are in a configuration of PyKEEN's pipeline.
BUDGET: Final = {
    "epochs": ("training_kwargs", "num_epochs"),
    "embedding_dim": ("model_kwargs", "embedding_dim"),
    "batch_size": ("training_kwargs", "batch_size"),
    "negatives": ("negative_sampler_kwargs", "num_negs_per_pos"),
    "learning_rate": ("optimizer_kwargs", "lr"),
}


def parse_pairs(parameter: click.Parameter, value: tuple[str, ...], example: str) -> dict[str, str]:
    """Parse options of the form KEY=VALUE."""
    pairs = [item.partition("=") for item in value]
    if not all(key and text for key, _, text in pairs):
        raise click.BadParameter(f"must be of the form {parameter.metavar}, e.g., {example}")
    return {key: text for key, _, text in pairs}


def _parse_features(_: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str | None]:
    pairs = parse_pairs(parameter, value, "textual=name-minilm.npy")
    return {name: None if path == "missing" else path for name, path in pairs.items()}


def dataset_options(function: F) -> F:
    """Add the options of a dataset's files, cf. :func:`take_dataset_kwargs`."""
    function = click.option(
        "--features",
        multiple=True,
        callback=_parse_features,
        metavar="NAME=PATH",
        help="A modality and the file with its features, or NAME=missing; repeatable. Defaults to the published ones.",
    )(function)
    return click.option(
        "--directory",
        type=EXISTING_DIRECTORY,
        help="A directory with the dataset's files. If not given, they are downloaded.",
    )(function)


device_option = click.option("--device", help="The device, e.g., cpu or cuda. If not given, a GPU if there is one.")
candidates_option = click.option(
    "--candidates",
    metavar="seen|FILE",
    help="Rank those entities only that are of the right type: that the relation has had on this side in training; or "
    "that have a type which it has had, by a file with an entity and a type in each line; or that "
    "are in a file of entities. If not given, all.",
)
calibrate_option = click.option(
    "--calibrate",
    metavar="FILE.tsv",
    help="Add probabilities, by true triples that the model was not trained on, or 'validation' for those of the run.",
)
trained_argument = click.argument("directory", type=EXISTING_DIRECTORY, metavar="RUN_OR_BUNDLE")
no_progress_option = click.option("--no-progress", is_flag=True, help="Show no progress bar.")


def output_option(text: str, default: str | None = None) -> Callable[[F], F]:
    """Return the option of the directory to write to, which must be given if there is no default."""
    kind: Any = click.Path(file_okay=False, path_type=Path)
    # for click, a default of None is one
    if default is None:
        return click.option("--output", type=kind, required=True, help=text)
    return click.option("--output", type=kind, default=default, help=text)


def budget_options(**defaults: Any) -> Callable[[F], F]:
    """Return the options that override a budget, with defaults; what has none is as configured."""
    known = {
        "epochs": (POSITIVE, "Epochs."),
        "embedding_dim": (POSITIVE, "Complex numbers an embedding; margins of moduli stay as they are."),
        "batch_size": (POSITIVE, "Triples in a batch."),
        "negatives": (POSITIVE, "Negatives for each triple."),
        "learning_rate": (POSITIVE_FLOAT, "The learning rate of all models."),
    }

    def decorate(function: F) -> F:
        for name, (kind, text) in reversed(known.items()):
            default = defaults.get(name)
            text = text if default is not None else f"{text.removesuffix('.')}, if not as configured."
            function = click.option(f"--{name.replace('_', '-')}", type=kind, default=default, help=text)(function)
        return function

    return decorate


def take_overrides(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Take the options of :func:`budget_options` out, and return those that were given as parameters of a pipeline."""
    overrides: dict[str, dict[str, Any]] = {}
    for option, (group, name) in BUDGET.items():
        value = options.pop(option, None)
        if value is not None:
            overrides.setdefault(group, {})[name] = value
    return overrides


def take_dataset_kwargs(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options of a dataset out, and return those that were given, such that they can be written as JSON."""
    taken = {name: options.pop(name, None) for name in ("directory", "features", "validation")}
    return {name: str(value) if isinstance(value, Path) else value for name, value in taken.items() if value}
