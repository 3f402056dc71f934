r"""Sums of distances between groups of coordinates, of which a query may stretch the candidates.

As in :mod:`.distance`, pairs are processed in chunks, and what the backward pass needs of a chunk is calculated anew.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ..chunking import row_chunks, rows_per_chunk
from ..typing import FloatTensor, LongTensor
from .comparison import Comparison

__all__ = ["GroupDistance"]


class GroupDistance(Comparison):
    r"""The negative sum of distances $-\sum_g \|\mathbf{q}_g - \mathbf{w}_g \odot \mathbf{e}_g\|_2$ between groups.

    A query has its weights $\mathbf{w}$ behind $\mathbf{q}$, if there are any: its rows are twice as wide then.
    """

    def __init__(self, group_size: int, is_weighted: bool = False) -> None:
        """Initialize the comparison.

        :param group_size: >0, the number of coordinates in a group.
        :param is_weighted: Whether queries have weights.
        """
        super().__init__()
        self.group_size, self.is_weighted = group_size, is_weighted

    def to_real(self, x: FloatTensor) -> FloatTensor:  # noqa: D102
        return x.flatten(start_dim=1)

    def from_real(self, x: FloatTensor, shape: tuple[int, ...]) -> FloatTensor:  # noqa: D102
        return x.view(*x.shape[:-1], *shape)

    def _subtract(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:
        """Return the differences, shape: ``(*batch_dims, num_groups, group_size)``."""
        if self.is_weighted:
            queries, weights = queries.chunk(2, dim=-1)
            difference = torch.addcmul(queries, weights, candidates, value=-1)
        else:
            difference = queries - candidates
        groups: FloatTensor = difference.unflatten(-1, (-1, self.group_size))
        return groups

    def compare(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:  # noqa: D102
        norms: FloatTensor = torch.linalg.vector_norm(self._subtract(queries, candidates), dim=-1)
        return -norms.sum(dim=-1)

    def differentiate(
        self, queries: FloatTensor, candidates: FloatTensor, grad: FloatTensor
    ) -> tuple[FloatTensor, FloatTensor]:
        """Return the gradients of :meth:`compare`, before they are added up over broadcast dimensions.

        Those of a distance of zero are zero, as PyTorch's.

        :param queries: shape: ``(*batch_dims, width)``, the queries.
        :param candidates: shape: ``(*batch_dims, candidate_width)``, the candidates.
        :param grad: shape: ``batch_dims``, the gradient of the scores.
        :returns: The gradients with respect to queries and candidates.
        """
        difference = self._subtract(queries, candidates)
        norms = torch.linalg.vector_norm(difference, dim=-1, keepdim=True)
        difference.div_(norms.masked_fill_(norms == 0, torch.inf)).mul_(grad[..., None, None])
        slope = difference.flatten(start_dim=-2)
        if not self.is_weighted:
            return -slope, slope
        weights = queries.chunk(2, dim=-1)[1]
        return torch.cat([-slope, slope * candidates], dim=-1), slope * weights

    def score_pairs(  # noqa: D102
        self, queries: FloatTensor, candidates: FloatTensor, query_index: LongTensor, candidate_index: LongTensor
    ) -> FloatTensor:
        result: FloatTensor = _PairDistances.apply(queries, candidates, query_index, candidate_index, self)  # type: ignore[no-untyped-call]
        return result

    def score_all(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:  # noqa: D102
        queries, candidates = queries.detach(), candidates.detach()
        result = queries.new_empty(len(queries), len(candidates))
        for rows, columns in _blocks(queries, candidates):
            result[rows, columns] = self.compare(queries[rows, None], candidates[columns])
        return result

    def backward_all(  # noqa: D102
        self,
        queries: FloatTensor,
        candidates: FloatTensor,
        scores: FloatTensor | None,
        grad: FloatTensor,
        *,
        weight: FloatTensor | None = None,
        offset: float = 0.0,
    ) -> tuple[FloatTensor, FloatTensor]:
        of_queries, of_candidates = torch.zeros_like(queries), torch.zeros_like(candidates)
        for rows, columns in _blocks(queries, candidates):
            part = grad[rows, columns] - offset
            part = part if weight is None else part * weight[rows, None]
            first, second = self.differentiate(queries[rows, None], candidates[columns], part)
            of_queries[rows] += first.sum(dim=1)
            of_candidates[columns] += second.sum(dim=0)
        return of_queries, of_candidates


def _blocks(queries: FloatTensor, candidates: FloatTensor) -> Iterator[tuple[slice, slice]]:
    """Iterate over blocks of all pairs, which are no larger than a chunk."""
    size = rows_per_chunk(candidates.shape[1], candidates.device)
    num_columns = max(1, min(size, len(candidates)))
    # a chunk stays in the cache for all queries
    for start, stop in row_chunks(len(candidates), num_columns):
        for first, last in row_chunks(len(queries), max(1, size // num_columns)):
            yield slice(first, last), slice(start, stop)


class _PairDistances(torch.autograd.Function):
    """Scores of pairs of rows, without copies of these rows for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        queries: FloatTensor,
        candidates: FloatTensor,
        query_index: LongTensor,
        candidate_index: LongTensor,
        comparison: GroupDistance,
    ) -> FloatTensor:
        ctx.save_for_backward(queries, candidates, query_index, candidate_index)
        ctx.comparison = comparison
        result = queries.new_empty(len(query_index))
        for start, stop in row_chunks(len(query_index), rows_per_chunk(candidates.shape[1], candidates.device)):
            rows = queries[query_index[start:stop]], candidates[candidate_index[start:stop]]
            result[start:stop] = comparison.compare(*rows)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: FloatTensor) -> tuple[FloatTensor | None, ...]:
        queries, candidates, query_index, candidate_index = ctx.saved_tensors
        of_queries, of_candidates = torch.zeros_like(queries), torch.zeros_like(candidates)
        for start, stop in row_chunks(len(query_index), rows_per_chunk(candidates.shape[1], candidates.device)):
            query, candidate = query_index[start:stop], candidate_index[start:stop]
            first, second = ctx.comparison.differentiate(queries[query], candidates[candidate], grad[start:stop])
            of_queries.index_add_(0, query, first)
            of_candidates.index_add_(0, candidate, second)
        return of_queries, of_candidates, None, None, None
