"""Adaptive fusion, the one of AdaMF."""

from collections.abc import Mapping, Sequence

import torch
from docdata import parse_docdata
from torch import nn

from ...constants import ATTENTIONS
from ...typing import Attention, BoolTensor, FloatTensor
from ..weighted_sum import fuse_adaptively
from .base import Fusion
from .formulas import attention_weights

__all__ = ["AdaptiveFusion"]


@parse_docdata
class AdaptiveFusion(Fusion):
    r"""A mean with weights of the entity's own (eq. 4 and 5 of the AdaMF-MAT paper).

    .. math ::
        \mathbf{e} = \sum_m \alpha_m \mathbf{e}_m,
        \qquad \alpha_m = \mathrm{softmax}_m(\mathbf{w}_m^T \tanh(\mathbf{e}_m))

    ---
    name: Adaptive fusion
    citation:
        author: Zhang
        year: 2024
        link: https://arxiv.org/abs/2402.15444
        github: zjukg/AdaMF-MAT
    """

    has_weights = True

    def __init__(self, dims: Mapping[str, int], attention: Attention = "shared") -> None:
        """Initialize the fusion.

        :param dims: The dimension of each modality's embeddings.
        :param attention: ``"shared"`` for one attention vector shared by all modalities as in the reference code, or
            ``"per-modality"`` for one vector each as in the paper.
        :raises ValueError: if the option is unknown
        """
        super().__init__(dims)
        if attention not in ATTENTIONS:
            raise ValueError(f"attention must be one of {ATTENTIONS}, but is {attention!r}")
        self.attention = nn.Parameter(torch.empty(1 if attention == "shared" else len(dims), self.dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:  # noqa: D102
        # as a linear layer to one number, which it is in the reference code
        nn.init.uniform_(self.attention, -(self.dim**-0.5), self.dim**-0.5)

    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        batch_dims = embeddings[0].shape[:-1]
        rows = [x.reshape(-1, self.dim) for x in embeddings]
        if mask is not None:
            mask = mask.reshape(-1, len(rows))
        return fuse_adaptively(rows, self.attention, mask).view(*batch_dims, self.dim)

    def weights(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        return attention_weights(torch.stack(list(embeddings), dim=-2), self.attention, mask)
