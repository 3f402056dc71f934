"""How queries are compared with candidates: by a distance, or by a dot product.

A comparison calculates scores of some pairs, and of all pairs, both with gradients. A dot product of all pairs is a
matrix product; distances are calculated in chunks that stay in the processor's cache. Rows of both are real: complex
numbers are written in the order that suits the comparison, cf. :meth:`Comparison.to_real`.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ..chunking import row_chunks, rows_per_chunk
from ..typing import FloatTensor, LongTensor
from .distance import all_power_sums, all_power_sums_backward, as_planar, pair_power_sums

__all__ = ["Comparison", "Distance", "Dot"]


class Comparison(ABC):
    """A score for a query and a candidate, which may be complex."""

    #: whether gradients are calculated from scores
    needs_scores: bool = False

    #: whether rows of queries have weights of the candidates' coordinates behind them
    is_weighted: bool = False

    def __init__(self, is_complex: bool = False) -> None:
        self.is_complex = is_complex

    @abstractmethod
    def to_real(self, x: FloatTensor) -> FloatTensor:
        """Write rows, real or complex, shape: ``(n, *shape)``, as this comparison takes them, shape: ``(n, width)``."""

    @abstractmethod
    def from_real(self, x: FloatTensor, shape: tuple[int, ...]) -> FloatTensor:
        """Undo :meth:`to_real`, from shape ``(*batch_dims, width)`` to ``(*batch_dims, *shape)``."""

    @abstractmethod
    def score_pairs(
        self, queries: FloatTensor, candidates: FloatTensor, query_index: LongTensor, candidate_index: LongTensor
    ) -> FloatTensor:
        """Score pairs of a query and a candidate.

        :param queries: shape: ``(num_queries, width)``, the queries.
        :param candidates: shape: ``(num_candidates, width)``, the candidates.
        :param query_index: shape: ``(num_pairs,)``, the query of each pair.
        :param candidate_index: shape: ``(num_pairs,)``, the candidate of each pair.
        :returns: shape: ``(num_pairs,)``, the scores.
        """

    @abstractmethod
    def score_all(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:
        """Score all pairs, without gradients.

        :param queries: shape: ``(num_queries, width)``, the queries.
        :param candidates: shape: ``(num_candidates, width)``, the candidates.
        :returns: shape: ``(num_queries, num_candidates)``, a new tensor of scores.
        """

    @abstractmethod
    def backward_all(
        self,
        queries: FloatTensor,
        candidates: FloatTensor,
        scores: FloatTensor | None,
        grad: FloatTensor,
        *,
        weight: FloatTensor | None = None,
        offset: float = 0.0,
    ) -> tuple[FloatTensor, FloatTensor]:
        """Return the gradients of :meth:`score_all` with respect to queries and candidates, each of its tensor's shape.

        :param queries: The queries.
        :param candidates: The candidates.
        :param scores: shape: ``(num_queries, num_candidates)``, the scores, if :attr:`needs_scores`.
        :param grad: shape: ``(num_queries, num_candidates)``, the gradient of the scores, which may be overwritten.
        :param weight: shape: ``(num_queries,)``, what to multiply the gradient of each query's scores by, after
            ``offset`` has been subtracted from it.
        :param offset: What to subtract from all gradients.
        :returns: The gradients.
        """

    @property
    def part(self) -> "Comparison":
        """Return how to compare a part of queries with a part of candidates, where parts have losses of their own."""
        return self

    @abstractmethod
    def compare(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:
        """Score pairs in plain PyTorch, shape: ``batch_dims``, broadcast from both, ``(*batch_dims, width)``."""

    def all_pairs(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:
        """Score all pairs, with gradients; cf. :meth:`score_all`."""
        if torch.is_grad_enabled() and (queries.requires_grad or candidates.requires_grad):
            result: FloatTensor = _AllPairs.apply(queries, candidates, self)  # type: ignore[no-untyped-call]
            return result
        return self.score_all(queries, candidates)


class _AllPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: FloatTensor, candidates: FloatTensor, comparison: Comparison) -> FloatTensor:
        scores = comparison.score_all(queries, candidates)
        ctx.save_for_backward(queries, candidates, *([scores] if comparison.needs_scores else []))
        ctx.comparison = comparison
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: FloatTensor) -> tuple[FloatTensor | None, ...]:
        queries, candidates, *scores = ctx.saved_tensors
        # the gradient is somebody else's, too
        grad = grad.clone() if ctx.comparison.needs_scores else grad
        return *ctx.comparison.backward_all(queries, candidates, scores[0] if scores else None, grad), None


class Dot(Comparison):
    r"""The real part of the inner product $\langle q, \bar e \rangle$."""

    def to_real(self, x: FloatTensor) -> FloatTensor:  # noqa: D102
        # any order will do, and no copy is needed for this one
        x = torch.view_as_real(x.resolve_conj()) if self.is_complex else x
        return x.flatten(start_dim=1)

    def from_real(self, x: FloatTensor, shape: tuple[int, ...]) -> FloatTensor:  # noqa: D102
        if self.is_complex:
            return torch.view_as_complex(x.reshape(*x.shape[:-1], *shape, 2))
        return x.view(*x.shape[:-1], *shape)

    def compare(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:  # noqa: D102
        return torch.einsum("...d,...d->...", queries, candidates)

    def score_pairs(  # noqa: D102
        self, queries: FloatTensor, candidates: FloatTensor, query_index: LongTensor, candidate_index: LongTensor
    ) -> FloatTensor:
        result: FloatTensor = _PairDots.apply(queries, candidates, query_index, candidate_index)  # type: ignore[no-untyped-call]
        return result

    def score_all(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:  # noqa: D102
        return queries.detach() @ candidates.detach().t()

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
        # weights and offsets of rows and columns, rather than passes over all gradients
        weighted = queries if weight is None else queries * weight.unsqueeze(dim=1)
        of_queries, of_candidates = grad @ candidates, grad.t() @ weighted
        if offset:
            of_queries -= offset * candidates.sum(dim=0)
            of_candidates -= offset * weighted.sum(dim=0)
        return of_queries if weight is None else of_queries.mul_(weight.unsqueeze(dim=1)), of_candidates


class Distance(Comparison):
    r"""The negative distance $-\|q - e\|_p$, or its $p$-th power."""

    def __init__(self, p: float, power_norm: bool = False, is_complex: bool = False) -> None:
        """Initialize the comparison.

        :param p: >0, the norm over coordinates, or over their moduli, if they are complex; it must be finite.
        :param power_norm: Whether to use the p-th power.
        :param is_complex: Whether queries and candidates are complex.
        """
        super().__init__(is_complex)
        self.p, self.power_norm = float(p), power_norm
        # otherwise, scores are sums
        self.needs_scores = not power_norm and p != 1

    def to_real(self, x: FloatTensor) -> FloatTensor:  # noqa: D102
        return as_planar(x) if self.is_complex else x.flatten(start_dim=1).contiguous()

    def from_real(self, x: FloatTensor, shape: tuple[int, ...]) -> FloatTensor:  # noqa: D102
        return torch.complex(*x.chunk(2, dim=-1)) if self.is_complex else x.view(*x.shape[:-1], *shape)

    def compare(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:  # noqa: D102
        difference = queries - candidates
        moduli = torch.complex(*difference.chunk(2, dim=-1)).abs() if self.is_complex else difference
        norm: FloatTensor = torch.linalg.vector_norm(moduli, ord=self.p, dim=-1)
        return -norm.pow(self.p) if self.power_norm else -norm

    def score_pairs(  # noqa: D102
        self, queries: FloatTensor, candidates: FloatTensor, query_index: LongTensor, candidate_index: LongTensor
    ) -> FloatTensor:
        sums = pair_power_sums(queries, candidates, query_index, candidate_index, p=self.p, planar=self.is_complex)
        if not self.needs_scores:
            return sums.neg()
        # the gradient of a norm at zero is zero, as PyTorch's
        return -sums.clamp(min=torch.finfo(sums.dtype).tiny).pow(1 / self.p)

    def score_all(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:  # noqa: D102
        sums = all_power_sums(queries, candidates, p=self.p, planar=self.is_complex)
        if self.needs_scores:
            sums.clamp_(min=torch.finfo(sums.dtype).tiny).pow_(1 / self.p)
        return sums.neg_()

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
        if offset:
            grad = grad.sub_(offset)
        if weight is not None:
            grad = grad.mul_(weight.unsqueeze(dim=1))
        if self.needs_scores:
            assert scores is not None
            # the derivative of s^(1/p) is s^(1/p - 1) / p, and s is the score's p-th power
            tiny = torch.finfo(scores.dtype).tiny ** (1 / self.p)
            slope = scores.neg().pow_(1 - self.p).masked_fill_(scores >= -tiny, 0.0).div_(self.p)
            grad = grad.mul_(slope)
        return all_power_sums_backward(queries, candidates, grad, p=self.p, planar=self.is_complex)


class _PairDots(torch.autograd.Function):
    """Dot products of pairs of rows, without copies of these rows for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, left: FloatTensor, right: FloatTensor, left_index: LongTensor, right_index: LongTensor
    ) -> FloatTensor:
        ctx.save_for_backward(left, right, left_index, right_index)
        result = left.new_empty(len(left_index))
        for start, stop in row_chunks(len(left_index), rows_per_chunk(left.shape[1], left.device)):
            x = left.index_select(0, left_index[start:stop])
            y = right.index_select(0, right_index[start:stop])
            torch.sum(x.mul_(y), dim=-1, out=result[start:stop])
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: FloatTensor) -> tuple[FloatTensor | None, ...]:
        left, right, left_index, right_index = ctx.saved_tensors
        needs_left, needs_right = ctx.needs_input_grad[:2]
        grads = [torch.zeros_like(left) if needs_left else None, torch.zeros_like(right) if needs_right else None]
        sides = ((left_index, right, right_index), (right_index, left, left_index))
        for start, stop in row_chunks(len(left_index), rows_per_chunk(left.shape[1], left.device)):
            weight = grad[start:stop].unsqueeze(dim=-1)
            for target, (index, other, other_index) in zip(grads, sides, strict=True):
                if target is not None:
                    rows = other.index_select(0, other_index[start:stop]).mul_(weight)
                    target.index_add_(0, index[start:stop], rows)
        return *grads, None, None
