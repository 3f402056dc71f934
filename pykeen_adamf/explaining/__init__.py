"""What modalities contribute to predictions: their weights, and what changes without them."""

from .candidates import Candidates
from .explanations import ALL_RELATIONS, explain_entities, explain_relations, explain_triples
from .model import ModalityModel, ModalityWeighting
from .plotting import plot_changes, plot_explanation, plot_weights

__all__ = [
    "ALL_RELATIONS",
    "Candidates",
    "ModalityModel",
    "ModalityWeighting",
    "explain_entities",
    "explain_relations",
    "explain_triples",
    "plot_changes",
    "plot_explanation",
    "plot_weights",
]
