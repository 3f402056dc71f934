"""What each model was configured with, where that is from, and what of it differs between models that are compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from .blocks import Block, Table
from .options import BUDGET, TUNED, format_value, get_option, get_values
from .pairs import Pair
from .points import Point

__all__ = ["describe_tuning", "format_configurations"]


def format_configurations(points: Sequence[Point]) -> list[Block]:
    """Format the options by which models differ, and where they are from; the files of the runs have all of them.

    :param points: The points of one dataset that have results.
    :returns: A table, and how the configurations were chosen.
    """
    rows = []
    for point in points:
        for result in point.results.values():
            configuration = result["configuration"]
            pipeline = configuration["pipeline"]
            rows.append(
                (
                    point.variant,
                    f"{pipeline.get('model') or pipeline['interaction']}, {pipeline.get('training_loop') or 'sLCWA'}",
                    (configuration.get("metadata") or {}).get("source") or "not recorded",
                    *(format_value(get_option(result, name)) for name in (*BUDGET, *TUNED)),
                    f"{result['num_parameters']:,}",
                )
            )
    names = ["dimension" if name == "embedding dimension" else name for name in (*BUDGET, *TUNED)]
    header = ["", "model, training loop", "configuration", *names, "parameters"]
    # the seeds of a point, and the points of a line, are configured alike
    table = Table(header, list(dict.fromkeys(rows)))
    return [table, "How the configurations were chosen, as their files say:", _describe_sources(points)]


def _describe_sources(points: Sequence[Point]) -> str:
    """Say how the configurations were chosen, in their own words."""
    models: dict[str, dict[str, None]] = {}
    for point in points:
        for configuration in point.configurations:
            metadata = configuration.get("metadata") or {}
            text = " ".join(str(metadata.get("comments") or "how its configuration was chosen is not recorded").split())
            overrides = metadata.get("overrides") or {}
            if overrides:
                text = f"{text.removesuffix('.')}. {_describe_overrides(configuration['pipeline'], overrides)}"
            models.setdefault(text, {})[point.variant] = None
    return "\n".join(
        f"- {', '.join(names)}: {text}{'' if text.endswith('.') else '.'}" for text, names in models.items()
    )


def _describe_overrides(pipeline: Mapping[str, Any], overrides: Mapping[str, Any]) -> str:
    """Say what the command has set to something else than the file."""
    parts = []
    for place, old in overrides.items():
        group, _, name = place.partition(".")
        parts.append(f"{name} is {format_value(pipeline[group][name])} instead of {format_value(old)}")
    return f"**But not with this:** {', and '.join(parts)}."


def describe_tuning(pairs: Sequence[Pair]) -> str | None:
    """Say which of the compared models have other learning rates, margins or temperatures.

    :param pairs: What is compared.
    :returns: A sentence for each difference, or ``None`` if all of these options are the same.
    """
    # once for all points of a line, and for all variants that differ alike
    models: dict[tuple[str, str], dict[str, None]] = {}
    for pair in pairs:
        differences = []
        for name in TUNED:
            first, second = (" or ".join(get_values(name, [point])) or "none" for point in pair)
            if first != second:
                differences.append(f"{name}s, {first} and {second}")
        if differences:
            key = pair.second.variant, f"have different {', and different '.join(differences)}: each its own"
            models.setdefault(key, {})[pair.first.variant] = None
    sentences = [
        f"{next(iter(names))} and {reference} {text}."
        if len(names) == 1
        else f"These and {reference} {text}. They are: {'; '.join(names)}."
        for (reference, text), names in models.items()
    ]
    return " ".join(sentences) or None
