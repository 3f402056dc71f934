"""Interactions in which what an entity is depends on the relation."""

import math
from abc import abstractmethod
from typing import Final

import torch
from pykeen.nn.modules import Interaction

from ..typing import BoolTensor, FloatTensor

__all__ = ["RelationalInteraction", "masked_softmax", "temperature"]

#: How many numbers there may be at once in one tensor of predictions.
MAX_NUMEL: Final = 2**24


class RelationalInteraction(Interaction[FloatTensor, FloatTensor, FloatTensor]):
    """An interaction that makes one embedding of an entity's modalities, in a way that depends on the relation.

    Entities are the embeddings of all modalities, side by side, and a number of each, e.g., whether it takes part, cf.
    :class:`pykeen_adamf.nn.fusion.SideBySide`. Relations end with a number whose sigmoid is the temperature of weights.
    Predictions that need much memory are made in pieces.
    """

    entity_shape = ("e",)
    relation_shape = ("f",)

    def __init__(self, num_modalities: int, dim: int) -> None:
        """Initialize the interaction module.

        :param num_modalities: The number of modalities.
        :param dim: The dimension of each modality's embeddings, as real numbers.
        """
        super().__init__()
        self.num_modalities, self.dim = num_modalities, dim

    @property
    def width(self) -> int:
        """Return the number of real numbers in an entity representation."""
        return self.num_modalities * (self.dim + 1)

    @property
    def numel(self) -> int:
        """Return how many numbers the largest intermediate result for one triple has."""
        return self.width

    def split(self, x: FloatTensor) -> tuple[FloatTensor, BoolTensor]:
        """Return the embeddings, shape: ``(*s, num_modalities, dim)``, and what takes part, ``(*s, num_modalities)``.

        :param x: shape: ``(*s, width)``, the entities.
        """
        embeddings, mask = x.split([self.num_modalities * self.dim, self.num_modalities], dim=-1)
        return embeddings.unflatten(-1, (self.num_modalities, self.dim)), mask > 0

    def forward(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:  # noqa: D102
        dims = torch.broadcast_shapes(*(x.shape[:-1] for x in (h, r, t)))
        if not torch.is_grad_enabled() and len(dims) > 1:
            size = max(1, MAX_NUMEL * dims[1] // max(1, math.prod(dims) * self.numel))
            if size < dims[1]:
                return self.score(h, r, t, slice_size=size, slice_dim=1)
        return self.compare(h, r, t)

    @abstractmethod
    def compare(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:
        """Score triples with all that is needed in memory at once.

        :param h: shape: ``(*batch_dims, width)``, the heads.
        :param r: shape: ``(*batch_dims, relation_width)``, the relations.
        :param t: shape: ``(*batch_dims, width)``, the tails.
        :returns: shape: ``batch_dims``, broadcast from all, the scores.
        """


def temperature(r: FloatTensor) -> FloatTensor:
    """Return the temperatures of relations, shapes: ``(*s, relation_width)`` to ``(*s, 1)``."""
    return r[..., -1:].sigmoid()


def masked_softmax(logits: FloatTensor, mask: BoolTensor, dim: int = -1) -> FloatTensor:
    """Return the softmax over what takes part; the others' weights are zero.

    :param logits: Any shape.
    :param mask: A shape that is broadcast to it; at least one takes part.
    :param dim: The dimension to take the softmax over.
    """
    return logits.masked_fill(~mask, float("-inf")).softmax(dim=dim)
