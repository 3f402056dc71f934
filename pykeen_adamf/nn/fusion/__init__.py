"""Fusions: how the embeddings of an entity's modalities become one."""

from typing import Final

from class_resolver import ClassResolver

from .adaptive import AdaptiveFusion
from .base import Fusion
from .complementarity import ComplementarityFusion
from .concatenation import ConcatenationFusion
from .cross_modal import CrossModalFusion
from .gated import GatedFusion
from .mean import MeanFusion
from .side_by_side import SideBySide
from .sum import SumFusion

__all__ = [
    "FUSIONS",
    "AdaptiveFusion",
    "ComplementarityFusion",
    "ConcatenationFusion",
    "CrossModalFusion",
    "Fusion",
    "GatedFusion",
    "MeanFusion",
    "SideBySide",
    "SumFusion",
    "fusion_resolver",
]

#: The fusions for any interaction. :class:`CrossModalFusion` is one for those of IKRL and TBKGC alone.
FUSIONS: Final[tuple[type[Fusion], ...]] = (
    AdaptiveFusion,
    MeanFusion,
    SumFusion,
    GatedFusion,
    ConcatenationFusion,
    ComplementarityFusion,
)

#: A resolver for fusions
fusion_resolver: ClassResolver[Fusion] = ClassResolver(
    [*FUSIONS, CrossModalFusion],
    base=Fusion,  # type: ignore[type-abstract]
    default=AdaptiveFusion,
)
