"""Which replacements of an entity make known triples."""

import torch
from pykeen.typing import MappedTriples
from torch import nn

from ..typing import BoolTensor, LongTensor
from .complement import ComplementSampler

__all__ = ["KnownTriples"]


class KnownTriples(nn.Module):
    """An index of known triples by all but their head, and by all but their tail."""

    def __init__(self, mapped_triples: MappedTriples, num_entities: int, num_relations: int) -> None:
        """Index triples.

        :param mapped_triples: shape: ``(n, 3)``, the ID-based triples.
        :param num_entities: The number of entities.
        :param num_relations: The number of relations.
        """
        super().__init__()
        self.num_entities, self.num_relations = num_entities, num_relations
        sides = torch.tensor([True, False]).repeat_interleave(len(mapped_triples))
        keys = self._get_keys(mapped_triples.repeat(2, 1), sides)
        self.index = ComplementSampler(keys, mapped_triples[:, [0, 2]].t().flatten(), num_entities)
        #: how many entities, at most, make known triples in one place
        self.max_num = int(self.index.offsets.diff().max()) if len(keys) else 0

    def _get_keys(self, triples: LongTensor, is_head: BoolTensor) -> LongTensor:
        kept = torch.where(is_head, triples[:, 2] + self.num_entities, triples[:, 0])
        return kept * self.num_relations + triples[:, 1]

    def find(self, triples: LongTensor, is_head: BoolTensor, candidates: LongTensor) -> BoolTensor:
        """Find out which candidates make a known triple.

        :param triples: shape: ``(n, 3)``, the ID-based triples, which count as known.
        :param is_head: shape: ``(n,)``, whether it is the head of each which candidates replace, or the tail.
        :param candidates: shape: ``(num_candidates,)``, the candidates, sorted and distinct.
        :returns: shape: ``(n, num_candidates)``, whether they do.
        """
        replaced = torch.where(is_head, triples[:, 0], triples[:, 2])
        return self.index.find_occurring(self._get_keys(triples, is_head), replaced, candidates)
