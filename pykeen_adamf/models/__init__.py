"""Multi-modal models."""

from .adamf import AdaMFRotatE
from .rotate import LpRotatE
from .synthetic import SyntheticScoringModel, supports_synthetic_scoring

__all__ = [
    "AdaMFRotatE",
    "LpRotatE",
    "SyntheticScoringModel",
    "supports_synthetic_scoring",
]
