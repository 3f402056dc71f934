"""Fusion by adding up."""

from collections.abc import Mapping, Sequence

import torch
from docdata import parse_docdata
from torch import nn

from ...typing import BoolTensor, FloatTensor
from .base import Fusion, select

__all__ = ["SumFusion"]


@parse_docdata
class SumFusion(Fusion):
    r"""A sum, in which each modality has a learned scale.

    .. math ::
        \mathbf{e} = \sum_m s_m \mathbf{e}_m

    In contrast to a mean, nothing gets smaller because an entity has something else, too.

    ---
    name: Scaled sum
    citation:
        author: Wang
        year: 2021
        link: https://dl.acm.org/doi/10.1145/3474085.3475470
    """

    def __init__(
        self, dims: Mapping[str, int], initial_scale: float | Mapping[str, float] = 1.0, trainable: bool = True
    ) -> None:
        """Initialize the fusion.

        :param dims: The dimension of each modality's embeddings.
        :param initial_scale: The scale of all modalities before training, or of each by its name; one without is 1.
        :param trainable: Whether to train the scales. With a large learning rate, the one of structural embeddings may
            grow fast, and with it what is learned by heart.
        :raises ValueError: if there is a scale of no modality
        """
        super().__init__(dims)
        given = initial_scale if isinstance(initial_scale, Mapping) else dict.fromkeys(dims, initial_scale)
        unknown = sorted(set(given).difference(dims))
        if unknown:
            raise ValueError(f"There are scales of {unknown}, but the modalities are {list(dims)}.")
        self.initial_scales = [float(given.get(name, 1.0)) for name in dims]
        self.scales = nn.Parameter(torch.empty(len(dims)), requires_grad=trainable)
        self.reset_parameters()

    def reset_parameters(self) -> None:  # noqa: D102
        with torch.no_grad():
            self.scales.copy_(torch.tensor(self.initial_scales))

    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        # the first one is not added to zeros
        first, *others = (select(self.scales[i] * x, mask, i) for i, x in enumerate(embeddings))
        for x in others:
            first = first + x
        return first
