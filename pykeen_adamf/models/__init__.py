"""Multi-modal models."""

from .adamf import AdaMFRotatE
from .anchored import AnchoredScoringModel
from .rotate import LpRotatE
from .synthetic import SyntheticScoringModel, supports_synthetic_scoring

__all__ = [
    "AdaMFRotatE",
    "AnchoredScoringModel",
    "LpRotatE",
    "SyntheticScoringModel",
    "supports_synthetic_scoring",
]
