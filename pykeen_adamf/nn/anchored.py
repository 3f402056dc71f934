r"""Interactions that compare one entity of a triple with an anchor made of the others.

RotatE, for instance, is $\|\mathbf{h} \mathbf{r} - \mathbf{t}\|$. With the anchor $\mathbf{h} \mathbf{r}$, all tails
of a head and relation are compared to one vector; and since rotations keep lengths, all heads are compared to
$\mathbf{t} \bar{\mathbf{r}}$. A batch with many negatives for each positive has few anchors, so that the relation is
applied once for each positive, and what remains are distances between pairs of rows.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn

from ..typing import BoolTensor, FloatTensor, LongTensor
from .distance import all_power_sums, as_planar, pair_power_sums

__all__ = ["AnchoredInteraction", "find_anchors"]


class AnchoredInteraction(nn.Module, ABC):
    r"""An interaction $f(h, r, t) = -\|a(h, r) - \mathbf{t}\|_p = -\|\bar a(t, r) - \mathbf{h}\|_p$."""

    # set by PyKEEN's norm-based interactions
    p: Any
    power_norm: bool

    @property
    def can_score_pairs(self) -> bool:
        """Return whether :meth:`score_pairs` knows the norm, i.e., whether it is a sum of powers."""
        return math.isfinite(self.p)

    @abstractmethod
    def anchor(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor) -> FloatTensor:
        r"""Return the anchors.

        :param entity: shape: ``(num_anchors, dim)``
            The representations of the entities.
        :param relation: shape: ``(num_anchors, dim)``
            The representations of the relations.
        :param is_head: shape: ``(num_anchors,)``
            Whether the entity is a head, i.e., whether $a(h, r)$ is to be returned rather than $\bar a(t, r)$.
        :returns: shape: ``(num_anchors, dim)``
            What the other entity is compared to.
        """

    def score_pairs(
        self, anchors: FloatTensor, entities: FloatTensor, anchor_index: LongTensor, entity_index: LongTensor
    ) -> FloatTensor:
        """Score pairs of anchors and entities.

        :param anchors: shape: ``(num_anchors, dim)``
            The anchors.
        :param entities: shape: ``(num_entities, width)``
            The entity representations; complex ones as by :func:`pykeen_adamf.nn.distance.as_planar`.
        :param anchor_index: shape: ``(num_pairs,)``
            The anchor of each pair.
        :param entity_index: shape: ``(num_pairs,)``
            The entity of each pair.
        :returns: shape: ``(num_pairs,)``
            The scores.
        """
        planar = anchors.is_complex()
        left = as_planar(anchors) if planar else anchors
        return self._as_scores(pair_power_sums(left, entities, anchor_index, entity_index, p=self.p, planar=planar))

    def score_all(self, anchors: FloatTensor, entities: FloatTensor) -> FloatTensor:
        """Score all pairs of anchors and entities, without gradients.

        :param anchors: shape: ``(num_anchors, dim)``
            The anchors.
        :param entities: shape: ``(num_entities, width)``
            The entity representations; complex ones as by :func:`pykeen_adamf.nn.distance.as_planar`.
        :returns: shape: ``(num_anchors, num_entities)``
            The scores.
        """
        planar = anchors.is_complex()
        return self._as_scores(
            all_power_sums(as_planar(anchors) if planar else anchors, entities, p=self.p, planar=planar)
        )

    def _as_scores(self, sums: FloatTensor) -> FloatTensor:
        if self.power_norm or self.p == 1:
            return sums.neg()
        # the gradient of a norm at zero is zero, as PyTorch's
        return -sums.clamp(min=torch.finfo(sums.dtype).tiny).pow(1 / self.p)


def unique_with_inverse(keys: LongTensor) -> tuple[LongTensor, LongTensor]:
    """Return the sorted distinct keys, and the position of each key among them.

    The same as :func:`torch.unique`, which takes several times as long on the CPU.

    :param keys: shape: ``(n,)``
        The keys.
    :returns: shapes: ``(num_distinct,)``, ``(n,)``
        The distinct keys, and the positions.
    """
    if keys.device.type != "cpu":
        distinct, inverse = keys.unique(return_inverse=True)
        return distinct, inverse
    ordered, order = keys.sort()
    is_first = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=is_first[1:])
    inverse = torch.empty_like(order)
    inverse[order] = is_first.cumsum(dim=0) - 1
    return ordered[is_first], inverse


def find_anchors(
    h: LongTensor, r: LongTensor, t: LongTensor, num_relations: int
) -> tuple[LongTensor, LongTensor, BoolTensor, LongTensor, LongTensor]:
    """Choose for each triple whether its tail is compared with an anchor made of its head, or the other way round.

    The side that more triples share is chosen: for corrupted triples, the one that was not corrupted. No knowledge of
    how the triples were made is needed, so that this works for every negative sampler, and for any other triples.

    :param h: shape: ``(n,)``
        The heads.
    :param r: shape: ``(n,)``
        The relations.
    :param t: shape: ``(n,)``
        The tails.
    :param num_relations: A number greater than all relations.
    :returns: shapes: ``(num_anchors,)`` thrice, and ``(n,)`` twice
        The anchors' entities and relations, and whether the entity is a head; and for each triple its anchor, and the
        entity to compare with it.
    """
    tail_keys, tail_row = unique_with_inverse(h * num_relations + r)
    head_keys, head_row = unique_with_inverse(t * num_relations + r)
    from_head = tail_row.bincount()[tail_row] >= head_row.bincount()[head_row]
    # number those that are used; there may be as many again which are not
    used, anchor = unique_with_inverse(torch.where(from_head, tail_row, head_row + len(tail_keys)))
    keys = torch.cat([tail_keys, head_keys])[used]
    return keys // num_relations, keys % num_relations, used < len(tail_keys), anchor, torch.where(from_head, t, h)
