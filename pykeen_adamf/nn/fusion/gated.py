"""Fusion with gates."""

from collections.abc import Mapping, Sequence

import torch
from docdata import parse_docdata
from torch import nn

from ...typing import BoolTensor, FloatTensor
from .base import Fusion, select

__all__ = ["GatedFusion"]


@parse_docdata
class GatedFusion(Fusion):
    r"""A sum with a sigmoid gate for each modality and coordinate, which depends on the embedding.

    .. math ::
        \mathbf{e} = \sum_m \sigma(\mathbf{w}_m \odot \mathbf{e}_m + \mathbf{b}_m) \odot \mathbf{e}_m

    In the beginning, all gates are half open.

    ---
    name: Gated sum
    citation:
        author: Arevalo
        year: 2017
        link: https://arxiv.org/abs/1702.01992
    """

    def __init__(self, dims: Mapping[str, int]) -> None:
        super().__init__(dims)
        self.weight = nn.Parameter(torch.empty(len(dims), self.dim))
        self.bias = nn.Parameter(torch.empty(len(dims), self.dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:  # noqa: D102
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        parts = [
            select(torch.addcmul(self.bias[i], self.weight[i], x).sigmoid() * x, mask, i)
            for i, x in enumerate(embeddings)
        ]
        return torch.stack(parts).sum(dim=0)
