"""Bernoulli negative sampling that never samples known triples."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pykeen.sampling import NegativeSampler
from pykeen.typing import MappedTriples

from ..typing import BoolTensor, FloatTensor, LongTensor
from .complement import ComplementSampler

__all__ = ["FilteredBernoulliNegativeSampler", "head_corruption_probability"]


def head_corruption_probability(mapped_triples: MappedTriples, num_relations: int) -> FloatTensor:
    r"""Calculate the probability to corrupt the head for each relation, cf. [wang2014]_.

    It is $\frac{tph}{tph + hpt}$, where $tph$ is the average number of tails for each head of the relation, and $hpt$
    the average number of heads for each tail.

    There is one for each relation, in the order of IDs; one half for relations without triples.
    """
    pairs = [mapped_triples[:, :2].unique(dim=0)[:, 1], mapped_triples[:, 1:].unique(dim=0)[:, 0]]
    # the average number of tails for each head is the number of triples divided by the number of heads
    num_heads, num_tails = (torch.bincount(relations, minlength=num_relations).double() for relations in pairs)
    total = num_heads + num_tails
    return torch.where(total > 0, num_tails / total.clamp(min=1), 0.5).to(dtype=torch.get_default_dtype())


class FilteredBernoulliNegativeSampler(NegativeSampler):
    r"""Bernoulli negative sampling [wang2014]_ from exactly those entities that do not make a known triple.

    As in :class:`pykeen.sampling.BernoulliNegativeSampler`, the head is corrupted with a probability that depends on
    the relation. In contrast to it,

    - the replacement is drawn uniformly from the entities that do *not* make up a training triple, as in OpenKE, on
      which the code of AdaMF-MAT is based. There is hence always the full number of negatives, and no mask, except for
      the rare triples for which *every* entity would make a training triple.
    - relations without training triples are no problem.

    Set ``filtered=False`` to allow false negatives.

    With ``pool_size``, the replacements of a batch are drawn from that many entities, which are drawn anew for each
    batch. Each single negative still is uniformly distributed, but those of different positives now have entities in
    common. In a large graph, a batch touches fewer entities then, and costs less.
    """

    #: shape: ``(num_relations,)``, the probability to corrupt the head
    corrupt_head_probability: FloatTensor

    #: The default strategy for optimizing the negative sampler's hyper-parameters: the grid of the AdaMF-MAT paper
    hpo_default: ClassVar[Mapping[str, Mapping[str, Any]]] = dict(
        num_negs_per_pos=dict(type="categorical", choices=[32, 64, 128])
    )

    def __init__(
        self,
        *,
        mapped_triples: MappedTriples,
        num_negs_per_pos: int | None = 128,
        filtered: bool = True,
        pool_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Initialize the sampler.

        :param mapped_triples: shape: ``(n, 3)``, the ID-based training triples.
        :param num_negs_per_pos: >0
            The number of negatives for each positive triple.
        :param filtered: Whether to draw only from entities that do not make a known triple.
        :param pool_size: >1
            From how many entities, at most, to draw all replacements of a batch; from all, if ``None``.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.sampling.NegativeSampler`. An
            additional ``filterer`` is applied on top.
        :raises ValueError: if there are less than two entities to draw from
        """
        super().__init__(
            mapped_triples=mapped_triples,
            num_negs_per_pos=128 if num_negs_per_pos is None else num_negs_per_pos,
            **kwargs,
        )
        if self.num_entities < 2:
            raise ValueError("Negative sampling needs at least two entities.")
        if pool_size is not None and pool_size < 2:
            raise ValueError(f"pool_size must be at least two, but is {pool_size!r}. Use None for all entities.")
        self.pool_size = pool_size
        probability = head_corruption_probability(mapped_triples, self.num_relations)
        self.register_buffer("corrupt_head_probability", probability)
        if not filtered:
            mapped_triples = mapped_triples[:0]
        h, r, t = mapped_triples.unbind(dim=-1)
        self.heads = ComplementSampler(keys=r * self.num_entities + t, values=h, num_values=self.num_entities)
        self.tails = ComplementSampler(keys=h * self.num_relations + r, values=t, num_values=self.num_entities)

    def sample(self, positive_batch: LongTensor) -> tuple[LongTensor, BoolTensor | None]:  # noqa: D102
        negatives, valid = self._corrupt(positive_batch)
        if self.filterer is not None:
            mask = self.filterer(negatives)
            valid = mask if valid is None else valid & mask
        return negatives, valid

    def corrupt_batch(self, positive_batch: LongTensor) -> LongTensor:  # noqa: D102
        return self._corrupt(positive_batch)[0]

    def _corrupt(self, positives: LongTensor) -> tuple[LongTensor, BoolTensor | None]:
        """Corrupt triples, and tell which of the negatives are no known triples (or None if all)."""
        h, r, t = positives.unsqueeze(dim=-2).unbind(dim=-1)
        shape = (*positives.shape[:-1], self.num_negs_per_pos)
        probability = self.corrupt_head_probability.to(positives.device)[r]
        corrupt_head = torch.rand(shape, device=positives.device) < probability
        pool = None
        if self.pool_size is not None and self.pool_size < self.num_entities:
            pool = torch.randint(self.num_entities, (self.pool_size,), device=positives.device).unique()
        replaced_heads, heads_valid = _replace(self.heads, r * self.num_entities + t, h, shape[-1], pool)
        replaced_tails, tails_valid = _replace(self.tails, h * self.num_relations + r, t, shape[-1], pool)
        valid: BoolTensor | None = None
        if heads_valid is not None or tails_valid is not None:
            everywhere = torch.ones_like(corrupt_head)
            heads_valid = everywhere if heads_valid is None else heads_valid
            tails_valid = everywhere if tails_valid is None else tails_valid
            # if there is no entity to draw on one side, use the other one
            corrupt_head = (corrupt_head & heads_valid) | ~tails_valid
            valid = torch.where(corrupt_head, heads_valid, tails_valid)
        heads = torch.where(corrupt_head, replaced_heads, h)
        tails = torch.where(corrupt_head, t, replaced_tails)
        return torch.stack([heads, r.expand(shape), tails], dim=-1), valid


def _replace(
    sampler: ComplementSampler, keys: LongTensor, excluded: LongTensor, num: int, pool: LongTensor | None
) -> tuple[LongTensor, BoolTensor | None]:
    """Draw from a pool, or from all entities, cf. :meth:`ComplementSampler.sample`."""
    if pool is None:
        return sampler.sample(keys=keys, excluded=excluded, num=num)
    flat = keys.flatten()
    positions = torch.arange(len(flat), device=keys.device).view(keys.shape)
    drawn, valid = sampler.to(keys.device).restrict(flat, excluded.flatten(), pool).sample(positions, excluded, num)
    if valid is None:
        return pool[drawn], None
    # where there is none to draw, what was drawn is the excluded value rather than a position
    return torch.where(valid, pool[drawn.clamp(max=len(pool) - 1)], excluded), valid
