"""Predictions of several decoders, and their mean."""

import torch
from torch.nn import functional as F

from ..typing import FloatTensor, LongTensor
from .comparison import Comparison, Dot

__all__ = ["MeanProbability"]


class MeanProbability(Comparison):
    r"""The logit of the mean probability of dot products, $\operatorname{logit} \frac{1}{P} \sum_p \sigma(s_p)$.

    Queries and candidates are made of $P$ parts of the same width, one after the other.
    """

    def __init__(self, num_parts: int) -> None:
        """Initialize the comparison.

        :param num_parts: The number of parts $P$.
        """
        super().__init__()
        self.num_parts = num_parts
        self._dot = Dot()

    @property
    def part(self) -> Comparison:  # noqa: D102
        return self._dot

    def to_real(self, x: FloatTensor) -> FloatTensor:  # noqa: D102
        return self._dot.to_real(x)

    def from_real(self, x: FloatTensor, shape: tuple[int, ...]) -> FloatTensor:  # noqa: D102
        return self._dot.from_real(x, shape)

    def _pairs(self, queries: FloatTensor, candidates: FloatTensor) -> list[tuple[FloatTensor, FloatTensor]]:
        return list(zip(queries.chunk(self.num_parts, dim=-1), candidates.chunk(self.num_parts, dim=-1), strict=True))

    def score_pairs(  # noqa: D102
        self, queries: FloatTensor, candidates: FloatTensor, query_index: LongTensor, candidate_index: LongTensor
    ) -> FloatTensor:
        parts = self._pairs(queries, candidates)
        return _decide([self._dot.score_pairs(x, y, query_index, candidate_index) for x, y in parts])

    def score_all(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:  # noqa: D102
        return _decide([self._dot.score_all(x, y) for x, y in self._pairs(queries, candidates)])

    def all_pairs(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:  # noqa: D102
        return _decide([self._dot.all_pairs(x, y) for x, y in self._pairs(queries, candidates)])

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
        grad = grad - offset if weight is None else (grad - offset) * weight.unsqueeze(dim=1)
        with torch.enable_grad():
            x, y = (tensor.detach().requires_grad_() for tensor in (queries, candidates))
            of_queries, of_candidates = torch.autograd.grad(self.all_pairs(x, y), (x, y), grad)
        return of_queries, of_candidates

    def compare(self, queries: FloatTensor, candidates: FloatTensor) -> FloatTensor:  # noqa: D102
        return _decide([self._dot.compare(x, y) for x, y in self._pairs(queries, candidates)])


def _decide(logits: list[FloatTensor]) -> FloatTensor:
    """Return the logit of the mean of the probabilities of logits of the same shape."""
    x = torch.stack(logits)
    return torch.logsumexp(F.logsigmoid(x), dim=0) - torch.logsumexp(F.logsigmoid(-x), dim=0)
