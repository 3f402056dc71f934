"""What modalities contribute to predictions: their weights, and what changes without them."""

from .entities import explain_entities
from .model import ModalityModel, ModalityWeighting
from .plotting import plot_changes, plot_explanation, plot_weights
from .relations import ALL_RELATIONS, explain_relations
from .triples import explain_triples

__all__ = [
    "ALL_RELATIONS",
    "ModalityModel",
    "ModalityWeighting",
    "explain_entities",
    "explain_relations",
    "explain_triples",
    "plot_changes",
    "plot_explanation",
    "plot_weights",
]
