r"""The softmax cross-entropy of queries over all candidates, with one block of scores at most.

Of a batch with $B$ queries and $N$ candidates, autograd would keep scores, their logarithmic softmax, and a gradient of
each. Here, the block of $B \cdot N$ scores is turned into probabilities where it is, and these into the gradient. If
even that is too large, scores are calculated in pieces, twice: first for the normalization (a running logarithm of the
sum of exponentials), and once more for the gradient.
"""

from typing import Any, Final

import torch
from torch.autograd.function import once_differentiable

from ..chunking import row_chunks
from ..typing import FloatTensor, LongTensor
from .comparison import Comparison

__all__ = ["MAX_BLOCK_NUMEL", "softmax_loss"]

#: How many scores there may be at once: half a gigabyte in single precision.
MAX_BLOCK_NUMEL: Final = 2**27

#: How many exponentials there may be beside them.
ROW_NUMEL: Final = 2**22


def softmax_loss(
    queries: FloatTensor,
    candidates: FloatTensor,
    targets: LongTensor,
    comparison: Comparison,
    *,
    label_smoothing: float = 0.0,
    max_block_numel: int = MAX_BLOCK_NUMEL,
) -> FloatTensor:
    r"""Calculate the cross-entropy between the softmax over all candidates and the targets.

    With the score $s_{bn}$ of query $b$ and candidate $n$, and label smoothing $\varepsilon$,

    .. math ::
        \ell_b = \log \sum_n \exp(s_{bn}) - (1 - \varepsilon) s_{b t_b} - \frac{\varepsilon}{N} \sum_n s_{bn}

    There is no second derivative.

    :param queries: shape: ``(batch_size, width)``, the queries.
    :param candidates: shape: ``(num_candidates, width)``, the candidates.
    :param targets: shape: ``(batch_size,)``, the candidate that ought to have the highest score.
    :param comparison: How to compare queries and candidates.
    :param label_smoothing: The share of the target that is distributed equally over all candidates.
    :param max_block_numel: >0, how many scores there may be at once. If there are more, they are calculated twice.
    :returns: shape: ``(batch_size,)``, the loss of each query.
    """
    losses: FloatTensor = _SoftmaxLoss.apply(  # type: ignore[no-untyped-call]
        queries, candidates, targets, comparison, label_smoothing, max_block_numel
    )
    return losses


def _normalize(block: FloatTensor, highest: FloatTensor) -> None:
    """Turn scores into probabilities, where they are."""
    if block.device.type == "cpu":
        # reads each number before it is written
        torch.softmax(block, dim=1, out=block)
        return
    block.sub_(highest.unsqueeze(dim=1)).exp_()
    block.div_(block.sum(dim=1, keepdim=True))


class _SoftmaxLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        queries: FloatTensor,
        candidates: FloatTensor,
        targets: LongTensor,
        comparison: Comparison,
        label_smoothing: float,
        max_block_numel: int,
    ) -> FloatTensor:
        num_queries, num_candidates = len(queries), len(candidates)
        size = max(1, max_block_numel // max(1, num_queries))
        needs_grad = any(ctx.needs_input_grad)
        positive = queries.new_empty(num_queries)
        # of the scores, for label smoothing
        total = queries.new_zeros(num_queries)
        kept = None
        if size >= num_candidates and not comparison.needs_scores:
            block = comparison.score_all(queries, candidates)
            positive = block.gather(1, targets.unsqueeze(dim=1)).squeeze(dim=1)
            if label_smoothing:
                total = block.sum(dim=1)
            highest = block.amax(dim=1)
            _normalize(block, highest)
            # the largest probability is never too small for a logarithm
            normalizer = highest - block.amax(dim=1).log()
            kept = block if needs_grad else None
        else:
            size = min(size, num_candidates)
            normalizer = queries.new_full((num_queries,), float("-inf"))
            for start, stop in row_chunks(num_candidates, size):
                block = comparison.score_all(queries, candidates[start:stop])
                inside = (targets >= start) & (targets < stop)
                index = (targets - start).clamp(0, stop - start - 1).unsqueeze(dim=1)
                positive = torch.where(inside, block.gather(1, index).squeeze(dim=1), positive)
                if label_smoothing:
                    total += block.sum(dim=1)
                # some rows at a time, since exponentials take as much memory as scores
                parts = block.split(max(1, ROW_NUMEL // (stop - start)))
                normalizer = torch.logaddexp(normalizer, torch.cat([x.logsumexp(dim=1) for x in parts]))
        losses: FloatTensor = normalizer - (1 - label_smoothing) * positive - (label_smoothing / num_candidates) * total
        ctx.save_for_backward(queries, candidates, targets, normalizer, *([] if kept is None else [kept]))
        ctx.comparison, ctx.label_smoothing, ctx.size = comparison, label_smoothing, size
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: FloatTensor) -> tuple[FloatTensor | None, ...]:
        queries, candidates, targets, normalizer, *kept = ctx.saved_tensors
        comparison, num_candidates = ctx.comparison, len(candidates)
        grad_queries = grad_candidates = None
        for start, stop in row_chunks(num_candidates, max(1, ctx.size)):
            part = candidates[start:stop]
            scores = None
            if kept:
                block = kept[0]
            else:
                block = comparison.score_all(queries, part)
                scores = block.clone() if comparison.needs_scores else None
                block.sub_(normalizer.unsqueeze(dim=1)).exp_()
            whole = (start, stop) == (0, num_candidates)
            if whole:
                # to count the targets inside would mean to wait for a GPU
                row = torch.arange(len(targets), device=targets.device)
            else:
                row = ((targets >= start) & (targets < stop)).nonzero().squeeze(dim=1)
            block[row, targets[row] - start] -= 1 - ctx.label_smoothing
            offset = ctx.label_smoothing / num_candidates
            of_queries, of_part = comparison.backward_all(queries, part, scores, block, weight=grad, offset=offset)
            if whole:
                return of_queries, of_part, None, None, None, None
            if grad_queries is None or grad_candidates is None:
                grad_queries, grad_candidates = torch.zeros_like(queries), torch.empty_like(candidates)
            grad_queries += of_queries
            grad_candidates[start:stop] = of_part
        return grad_queries, grad_candidates, None, None, None, None
