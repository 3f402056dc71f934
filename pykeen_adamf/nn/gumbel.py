"""Choices without replacement, through which gradients flow to the weights of what there is to choose from."""

import torch
from torch.nn import functional as F

from ..typing import FloatTensor, LongTensor

__all__ = ["choose_rows", "gumbel_top_k"]


def gumbel_top_k(log_weights: FloatTensor, num: int) -> tuple[FloatTensor, LongTensor]:
    """Choose without replacement, with probabilities proportional to weights.

    The largest of all log-weights with Gumbel noise is a choice with these probabilities, the second largest is one
    among the others, and so on (Kool et al., 2019): the same as one choice after another with new noise each time.

    :param log_weights: shape: ``(n, num_candidates)``, the finite logarithms of weights.
    :param num: The number of choices, at most the number of candidates.
    :returns: shapes: ``(n, num_candidates)`` and ``(n, num)``, the log-weights with noise, and the positions of what
        was chosen, in the order of choices.
    """
    noisy = log_weights - torch.empty_like(log_weights).exponential_().log()
    return noisy, noisy.detach().topk(num, dim=-1).indices


def choose_rows(noisy: FloatTensor, chosen: LongTensor, table: FloatTensor) -> FloatTensor:
    r"""Return the chosen rows of a table, with the gradient of a straight-through Gumbel softmax (Jang et al., 2017).

    In the backward pass, the $i$-th choice with respect to the log-weights is the mean of the rows that were left,

    .. math ::
        \sum_{j \notin \{c_1, \dots, c_{i-1}\}} p_j \mathbf{x}_j \; / \sum_{j \notin \{c_1, \dots, c_{i-1}\}} p_j

    where $p$ is the softmax of log-weights with noise. There is never a row for each pair of a choice and a candidate.

    :param noisy: shape: ``(n, num_candidates)``, log-weights with noise, cf. :func:`gumbel_top_k`.
    :param chosen: shape: ``(n, num)``, the positions of what was chosen, in the order of choices.
    :param table: shape: ``(num_candidates, dim)``, a row of real numbers for each candidate.
    :returns: shape: ``(n, num, dim)``, the chosen rows.
    """
    rows = F.embedding(chosen, table)
    if not noisy.requires_grad:
        return rows
    p = noisy.softmax(dim=-1)
    first, rest = p.gather(1, chosen), p.scatter(1, chosen, 0.0)
    # sums over what comes later, and over what was never chosen: differences of almost the same would be noise
    total = _sum_of_later(first) + rest.sum(dim=-1, keepdim=True)
    mean = _sum_of_later(first.unsqueeze(dim=-1) * rows.detach()) + (rest @ table.detach()).unsqueeze(dim=1)
    # if nothing is left, or too little to be divided by, there is no gradient
    is_left = total > torch.finfo(total.dtype).tiny ** 0.75
    soft = mean / torch.where(is_left, total, 1.0).unsqueeze(dim=-1)
    soft = torch.where(is_left.unsqueeze(dim=-1), soft, rows.detach())
    return rows + (soft - soft.detach())


def _sum_of_later(x: FloatTensor) -> FloatTensor:
    """Return sums from each position to the last one, along the second dimension."""
    return x.flip(1).cumsum(dim=1).flip(1)
