"""Building blocks: representations of features and their fusion, the interaction, the generators."""

from .adaptive_fusion import AdaptiveFusionRepresentation
from .anchored import AnchoredInteraction
from .cross_modal import CrossModalRepresentation, IKRLInteraction, TBKGCInteraction
from .features import ProjectedFeatureRepresentation
from .generator import ModalityGenerator
from .interaction import LpRotatEInteraction
from .phase import PhaseRepresentation

__all__ = [
    "AdaptiveFusionRepresentation",
    "AnchoredInteraction",
    "CrossModalRepresentation",
    "IKRLInteraction",
    "LpRotatEInteraction",
    "ModalityGenerator",
    "PhaseRepresentation",
    "ProjectedFeatureRepresentation",
    "TBKGCInteraction",
]
