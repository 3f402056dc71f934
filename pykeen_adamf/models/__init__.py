"""Multi-modal models."""

from .adamf import AdaMFRotatE
from .anchored import AnchoredScoringModel
from .ikrl import IKRL
from .multimodal import MultimodalModel
from .rotate import LpRotatE
from .synthetic import SyntheticScoringModel, supports_synthetic_scoring
from .tbkgc import TBKGC

__all__ = [
    "IKRL",
    "TBKGC",
    "AdaMFRotatE",
    "AnchoredScoringModel",
    "LpRotatE",
    "MultimodalModel",
    "SyntheticScoringModel",
    "supports_synthetic_scoring",
]
