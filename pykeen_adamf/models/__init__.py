"""Multi-modal models."""

from .adamf import AdaMF, AdaMFRotatE
from .ensemble import Ensemble
from .gcote import GCOTE
from .ikrl import IKRL
from .mmkrl import MMKRL
from .mocme import MoCME
from .momok import MoMoK
from .mose import MoSE
from .multimodal import MultimodalModel
from .native import NativE
from .ote import OTE
from .otkge import OTKGE
from .query import QueryScoringModel
from .rsme import RSME
from .structural import LpRotatE, Structural
from .synthetic import SyntheticScoringModel, supports_synthetic_scoring
from .tbkgc import TBKGC
from .transae import TransAE
from .vbkgc import VBKGC

__all__ = [
    "GCOTE",
    "IKRL",
    "MMKRL",
    "OTE",
    "OTKGE",
    "RSME",
    "TBKGC",
    "VBKGC",
    "AdaMF",
    "AdaMFRotatE",
    "Ensemble",
    "LpRotatE",
    "MoCME",
    "MoMoK",
    "MoSE",
    "MultimodalModel",
    "NativE",
    "QueryScoringModel",
    "Structural",
    "SyntheticScoringModel",
    "TransAE",
    "supports_synthetic_scoring",
]
