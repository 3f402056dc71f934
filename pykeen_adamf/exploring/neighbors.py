"""The entities that are most similar to one, by modality."""

from typing import NamedTuple

import torch

from ..chunking import row_chunks, rows_per_chunk
from ..typing import BoolTensor, FloatTensor

__all__ = ["Neighbor", "Neighbors"]


class Neighbor(NamedTuple):
    """The ID of an entity, and the cosine of the angle between its vector and another one."""

    entity: int
    similarity: float


class Neighbors:
    """Cosine similarities of the rows of one matrix.

    The matrix is neither copied nor normalized, as it may be as large as a file: there are norms beside it.
    """

    def __init__(self, matrix: FloatTensor, presence: BoolTensor | None = None) -> None:
        """Initialize the similarities.

        :param matrix: shape: ``(num_entities, dim)``, a vector of each entity.
        :param presence: shape: ``(num_entities,)``, which entities have one. Defaults to all.
        """
        self.matrix = matrix.detach()
        self.presence = torch.ones(len(matrix), dtype=torch.bool) if presence is None else presence
        parts = [x.float().norm(dim=-1) for x in self._chunks()]
        self.norms = torch.cat(parts).clamp(min=torch.finfo(torch.float32).tiny) if parts else matrix.new_zeros(0)

    def _chunks(self) -> list[FloatTensor]:
        size = rows_per_chunk(self.matrix.shape[1], self.matrix.device)
        return [self.matrix[start:stop] for start, stop in row_chunks(len(self.matrix), size)]

    def find(self, entity: int, k: int) -> list[Neighbor]:
        """Return the k most similar other entities, the best first; none if the entity has no vector."""
        if not bool(self.presence[entity]):
            return []
        query = self.matrix[entity].float() / self.norms[entity]
        similarities = torch.cat([x.float() @ query for x in self._chunks()]) / self.norms
        candidates = self.presence.to(similarities.device).clone()
        candidates[entity] = False
        similarities = similarities.masked_fill(~candidates, float("-inf"))
        values, ids = similarities.topk(min(k, int(candidates.sum())))
        return [Neighbor(*pair) for pair in zip(ids.tolist(), values.tolist(), strict=True)]
