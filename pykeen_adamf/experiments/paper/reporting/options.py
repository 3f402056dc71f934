"""The options of models and training: what was in force in runs, beside what the paper says of them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..published import PAPER_EMBEDDING_DIM
from .points import Point

__all__ = [
    "BUDGET",
    "MODEL_OPTIONS",
    "NOT_STATED",
    "TUNED",
    "collect",
    "describe_options",
    "format_value",
    "get_option",
    "get_values",
]

#: What the paper does not say is not said to be the same.
NOT_STATED: Final = "not stated"

#: The learning rates that the paper searches, of the model and of the generators alike.
LEARNING_RATES: Final = "one of 0.001, 0.0001, 1e-05"

#: What training costs, and what the paper says of it; the names are those of
#: :func:`pykeen_adamf.experiments.recording.describe_options`.
BUDGET: Final = {
    "epochs": NOT_STATED,
    "embedding dimension": f"{PAPER_EMBEDDING_DIM}",
    "batch size": "1024",
    "negatives": "one of 32, 64, 128",
}

#: What is tuned for each model.
TUNED: Final = {
    "learning rate": LEARNING_RATES,
    "margin": "one of 1, 2, 4, 8, 12",
    "temperature": "one of 0.5, 1, 2",
}

#: What only some models have.
MODEL_OPTIONS: Final = {
    "attention": "per-modality (eq. 4); shared is the reference code's",
    "trained features": NOT_STATED,
    "learning rate of the generators": LEARNING_RATES,
    "weight λ of the adversarial loss": "one of 0.1, 0.01, 0.001",
    "groups L of synthetic triples": "1",
    "dimension of the noise": "64",
    "hidden dimension of the generators": NOT_STATED,
    "weighting of synthetic triples": "uniform (eq. 10); self-adversarial is the reference code's",
    "objective of the generators": "minimax (eq. 11); non-saturating is the reference code's",
    "margin of the adversarial loss": "the model's (eq. 10)",
    "temperature of the adversarial loss": "none (eq. 10)",
}


def get_option(result: Mapping[str, Any], name: str) -> Any:
    """Return the value of an option that was in force in a run, or ``None`` if it has no such option."""
    return len(result["losses"]) if name == "epochs" else result["effective"]["options"].get(name)


def format_value(value: Any) -> str:
    """Format the value of an option: the same number has the same text."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # 15 digits: no number that somebody would write is rounded
    return f"{value:.15g}" if isinstance(value, int | float) else str(value)


def get_values(name: str, points: Iterable[Point]) -> dict[str, list[str]]:
    """Return the values of an option in the order of size, each with the models that have it.

    :param name: The option.
    :param points: The points, of which all finished runs are looked at.
    :returns: The names of models by value, without those that have no such option.
    """
    found: dict[Any, dict[str, None]] = {}
    for point in points:
        for result in point.results.values():
            value = get_option(result, name)
            if value is not None:
                found.setdefault(value, {})[point.variant] = None
    # numbers by size, then texts
    order = sorted(found, key=lambda x: (isinstance(x, str), str(x) if isinstance(x, str) else x))
    return {format_value(value): list(found[value]) for value in order}


def collect(name: str, points: Iterable[Point]) -> str:
    """Return the values of an option as text."""
    return ", ".join(get_values(name, points))


def describe_options(points: Iterable[Point]) -> list[tuple[str, str, str]]:
    """Describe the options that only some models have.

    :param points: The points with results.
    :returns: For each option that any of them has: its name, its values, and what the paper says. If there are several
        values, each with its models.
    """
    rows = []
    points = list(points)
    for name, paper in MODEL_OPTIONS.items():
        values = get_values(name, points)
        # the points of a figure have the same name
        distinct = len({tuple(names) for names in values.values()}) > 1
        texts = [f"{value} ({', '.join(names)})" if distinct else value for value, names in values.items()]
        if texts:
            rows.append((name, ", ".join(texts), paper))
    return rows
