"""All modalities side by side, for interactions that fuse them by themselves."""

from collections.abc import Mapping, Sequence

import torch

from ...typing import BoolTensor, FloatTensor
from .base import Fusion, select

__all__ = ["SideBySide"]


class SideBySide(Fusion):
    """The embeddings of all modalities, one after the other; a modality that does not take part is zero."""

    def __init__(self, dims: Mapping[str, int], with_mask: bool = False) -> None:
        """Initialize the fusion.

        :param dims: The dimension of each modality's embeddings.
        :param with_mask: Whether to append one number for each modality: one if it takes part, and zero otherwise.
        """
        super().__init__(dims)
        self.with_mask = with_mask

    @property
    def dim(self) -> int:  # noqa: D102
        return sum(self.dims.values()) + len(self.dims) * self.with_mask

    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        parts = [select(x, mask, i) for i, x in enumerate(embeddings)]
        return torch.cat([*parts, self.numbers(embeddings, mask)] if self.with_mask else parts, dim=-1)

    def numbers(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None) -> FloatTensor:
        """Return the number of each modality, shape: ``(*batch_dims, num_modalities)``, cf. :meth:`forward`."""
        first = embeddings[0]
        return first.new_ones((*first.shape[:-1], len(embeddings))) if mask is None else mask.to(first.dtype)
