r"""Distances between many pairs of rows, without keeping anything of their size for the backward pass.

Scoring $B$ triples against $K$ negatives each, with $d$ coordinates, autograd stores several tensors of
$B \cdot K \cdot d$ numbers, and reads and writes each of them from main memory a few times. Here, pairs are processed
in chunks that stay in the processor's cache; what the backward pass needs of a chunk is calculated anew. Only the rows
themselves, the indices and one number for each pair are kept.
"""

from typing import Any, Final

import torch
from torch.autograd.function import once_differentiable

from ..typing import FloatTensor, LongTensor

__all__ = ["as_planar", "pair_power_sums"]

#: The numbers in a chunk of rows: two such buffers of 32 bit fit into the second-level cache of most processors ...
CHUNK_NUMEL_CPU: Final[int] = 2**18

#: ... while GPUs rather want fewer, larger operations.
CHUNK_NUMEL_GPU: Final[int] = 2**25


def as_planar(x: FloatTensor) -> FloatTensor:
    """Return all real parts of a row, followed by all imaginary parts.

    :param x: shape: ``(n, dim)``
        Complex numbers.
    :returns: shape: ``(n, 2 * dim)``
        Real numbers. In contrast to interleaved ones, moduli can be calculated with contiguous reads.
    """
    return torch.cat([x.real, x.imag], dim=-1)


def pair_power_sums(
    left: FloatTensor,
    right: FloatTensor,
    left_index: LongTensor,
    right_index: LongTensor,
    *,
    p: float = 1.0,
    planar: bool = False,
) -> FloatTensor:
    r"""Return $\sum_i |x_i - y_i|^p$ for pairs of rows.

    The gradient of a coordinate's modulus at zero is zero, as PyTorch's. There is no second derivative.

    :param left: shape: ``(num_left, width)``
        The rows to choose $x$ from.
    :param right: shape: ``(num_right, width)``
        The rows to choose $y$ from.
    :param left_index: shape: ``(num_pairs,)``
        The row of $x$ of each pair.
    :param right_index: shape: ``(num_pairs,)``
        The row of $y$ of each pair.
    :param p: >0
        The power.
    :param planar: Whether the rows are complex numbers, given as by :func:`as_planar`.
    :returns: shape: ``(num_pairs,)``
        The sums.
    """
    result: FloatTensor = _PairPowerSums.apply(left, right, left_index, right_index, p, planar)  # type: ignore[no-untyped-call]
    return result


class _Chunks:
    """Iterates over chunks of pairs: their range and differences, in buffers that are used again."""

    def __init__(
        self, left: FloatTensor, right: FloatTensor, left_index: LongTensor, right_index: LongTensor, planar: bool
    ) -> None:
        self.left, self.right, self.left_index, self.right_index = left, right, left_index, right_index
        width = left.shape[1]
        self.dim = width // 2 if planar else width
        numel = CHUNK_NUMEL_CPU if left.device.type == "cpu" else CHUNK_NUMEL_GPU
        self.size = max(1, numel // width)
        rows = min(self.size, len(left_index))
        self.buffers = [left.new_empty(rows, width) for _ in range(2)]
        self.planar = planar

    def __iter__(self) -> Any:
        for start in range(0, len(self.left_index), self.size):
            stop = min(start + self.size, len(self.left_index))
            difference, scratch = (buffer[: stop - start] for buffer in self.buffers)
            torch.index_select(self.left, 0, self.left_index[start:stop], out=difference)
            torch.index_select(self.right, 0, self.right_index[start:stop], out=scratch)
            difference.sub_(scratch)
            yield start, stop, difference, self._squares(difference, scratch)

    def _squares(self, difference: FloatTensor, out: FloatTensor) -> FloatTensor:
        """Return the squares of the coordinates' moduli, shape: ``(size, dim)``."""
        result = out[:, : self.dim]
        first = difference[:, : self.dim]
        torch.mul(first, first, out=result)
        if self.planar:
            second = difference[:, self.dim :]
            result.addcmul_(second, second)
        return result


class _PairPowerSums(torch.autograd.Function):
    """The function, with its backward pass written by hand."""

    @staticmethod
    def forward(
        ctx: Any,
        left: FloatTensor,
        right: FloatTensor,
        left_index: LongTensor,
        right_index: LongTensor,
        p: float,
        planar: bool,
    ) -> FloatTensor:
        ctx.save_for_backward(left, right, left_index, right_index)
        ctx.p, ctx.planar = p, planar
        result = left.new_empty(len(left_index))
        for start, stop, _, squares in _Chunks(left, right, left_index, right_index, planar):
            powers = squares if p == 2 else squares.sqrt_() if p == 1 else squares.pow_(p / 2)
            torch.sum(powers, dim=-1, out=result[start:stop])
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: FloatTensor) -> tuple[FloatTensor | None, ...]:
        left, right, left_index, right_index = ctx.saved_tensors
        p, planar = ctx.p, ctx.planar
        needs_left, needs_right = ctx.needs_input_grad[:2]
        grad_left = torch.zeros_like(left) if needs_left else None
        grad_right = torch.zeros_like(right) if needs_right else None
        # the factor of p, and the sign for the right rows, once for each pair rather than for each coordinate
        weight = (p * grad).unsqueeze(dim=-1)
        for start, stop, difference, squares in _Chunks(left, right, left_index, right_index, planar):
            if p == 2:
                difference.mul_(weight[start:stop])
            else:
                # the derivative of |z|^p is p |z|^(p - 2) z, and defined as zero for z = 0
                zero = squares == 0
                factors = squares.rsqrt_() if p == 1 else squares.pow_(p / 2 - 1)
                factors.masked_fill_(zero, 0.0).mul_(weight[start:stop])
                for part in difference.split(factors.shape[1], dim=1):
                    part.mul_(factors)
            if grad_left is not None:
                grad_left.index_add_(0, left_index[start:stop], difference)
            if grad_right is not None:
                grad_right.index_add_(0, right_index[start:stop], difference, alpha=-1)
        return grad_left, grad_right, None, None, None, None
