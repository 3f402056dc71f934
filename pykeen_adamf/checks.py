"""Checks of options, for models and training loops, and of scores."""

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any, TypeVar

import torch

__all__ = ["ScoreError", "check_choice", "check_not_negative", "check_positive", "check_scores", "is_finite"]

X = TypeVar("X", bound=str)


class ScoreError(ValueError):
    """A model's scores are no numbers."""


def is_finite(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def check_choice(name: str, value: X, choices: Collection[X]) -> X:
    """Check that an option has one of the allowed values."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}, but is {value!r}")
    return value


def check_positive(name: str, value: Any, least: int = 1) -> int:
    """Check that a number is an integer, and at least one, or another number."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        what = "a positive integer" if least == 1 else f"an integer, and at least {least}"
        raise ValueError(f"{name} must be {what}, but is {value!r}")
    return int(value)


def check_not_negative(name: str, value: Any) -> float:
    """Check that a weight is finite and not negative."""
    if not is_finite(value) or value < 0:
        raise ValueError(f"{name} must be finite and not negative, but is {value!r}. Use 0 to do without.")
    return float(value)


def check_scores(scores: torch.Tensor) -> torch.Tensor:
    """Check that scores are numbers, which they are not if training has diverged.

    :raises ScoreError: if they are not
    """
    if bool(scores.isnan().any()):
        raise ScoreError("Some of the model's scores are no numbers. Train it anew, e.g., with a lower learning rate.")
    return scores
