"""Multi-modal models."""

from .adamf import AdaMFRotatE
from .synthetic import SyntheticScoringModel, supports_synthetic_scoring

__all__ = [
    "AdaMFRotatE",
    "SyntheticScoringModel",
    "supports_synthetic_scoring",
]
