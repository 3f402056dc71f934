"""Fusion by a linear layer."""

from collections.abc import Mapping, Sequence

import torch
from docdata import parse_docdata
from torch import nn

from ...typing import BoolTensor, FloatTensor
from .base import Fusion, select

__all__ = ["ConcatenationFusion"]


@parse_docdata
class ConcatenationFusion(Fusion):
    r"""A linear layer on all modality embeddings, which may have different dimensions.

    .. math ::
        \mathbf{e} = \mathbf{W} [\mathbf{e}_1; \dots; \mathbf{e}_{|\mathcal{M}|}] + \mathbf{b}

    A modality that does not take part is zero.

    ---
    name: Concatenation
    citation:
        author: Ngiam
        year: 2011
        link: https://dl.acm.org/doi/10.5555/3104482.3104569
    """

    needs_equal_dims = False

    def __init__(self, dims: Mapping[str, int], dim: int | None = None) -> None:
        """Initialize the fusion.

        :param dims: The dimension of each modality's embeddings.
        :param dim: The dimension of joint embeddings. Defaults to the one of the first modality.
        """
        super().__init__(dims)
        self.linear = nn.Linear(sum(dims.values()), super().dim if dim is None else dim)

    @property
    def dim(self) -> int:  # noqa: D102
        return self.linear.out_features

    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        result: FloatTensor = self.linear(torch.cat([select(x, mask, i) for i, x in enumerate(embeddings)], dim=-1))
        return result
