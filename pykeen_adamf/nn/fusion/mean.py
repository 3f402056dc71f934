"""Fusion with equal weights."""

from collections.abc import Sequence

import torch
from docdata import parse_docdata

from ...typing import BoolTensor, FloatTensor
from .base import Fusion
from .formulas import fuse, mean_weights

__all__ = ["MeanFusion"]


@parse_docdata
class MeanFusion(Fusion):
    r"""The mean of what an entity has, i.e., the ablation "mean" in table 3 of the AdaMF-MAT paper.

    .. math ::
        \mathbf{e} = \frac{1}{|\mathcal{M}|} \sum_{m \in \mathcal{M}} \mathbf{e}_m

    ---
    name: Mean
    citation:
        author: Zhang
        year: 2024
        link: https://arxiv.org/abs/2402.15444
        github: zjukg/AdaMF-MAT
    """

    has_weights = True

    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        x = torch.stack(list(embeddings), dim=-2)
        return fuse(x, mean_weights(x, mask))

    def weights(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        return mean_weights(torch.stack(list(embeddings), dim=-2), mask)
