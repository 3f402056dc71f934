"""Building blocks: representations of features and their fusion, interactions and their queries, the generators."""

from .autoencoder import AutoencodedRepresentation
from .cross_modal import IKRLInteraction, MMKRLInteraction, TBKGCInteraction
from .features import ProjectedFeatureRepresentation
from .fused import FusedRepresentation
from .fusion import Fusion, fusion_resolver
from .generator import ModalityGenerator
from .interaction import LpRotatEInteraction
from .orthogonal import OTEInteraction
from .phase import PhaseRepresentation
from .query import QueryForm, get_query_form, query_form_of
from .regularized import RegularizedInteraction
from .structural import StructuralEmbedding

__all__ = [
    "AutoencodedRepresentation",
    "FusedRepresentation",
    "Fusion",
    "IKRLInteraction",
    "LpRotatEInteraction",
    "MMKRLInteraction",
    "ModalityGenerator",
    "OTEInteraction",
    "PhaseRepresentation",
    "ProjectedFeatureRepresentation",
    "QueryForm",
    "RegularizedInteraction",
    "StructuralEmbedding",
    "TBKGCInteraction",
    "fusion_resolver",
    "get_query_form",
    "query_form_of",
]
