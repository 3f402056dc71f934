r"""Distances between many pairs of rows, without keeping anything of their size for the backward pass.

Scoring $B$ triples against $K$ negatives each, with $d$ coordinates, autograd stores several tensors of
$B \cdot K \cdot d$ numbers, and reads and writes each of them from main memory a few times. Here, pairs are processed
in chunks that stay in the processor's cache; what the backward pass needs of a chunk is calculated anew. Only the rows
themselves, the indices and one number for each pair are kept.
"""

import importlib.util
import os
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch.autograd.function import once_differentiable

from ..chunking import row_chunks, rows_per_chunk
from ..typing import FloatTensor, LongTensor

__all__ = ["all_power_sums", "all_power_sums_backward", "as_planar", "pair_power_sums"]

#: Set it to anything for PyTorch's own operations on CUDA devices, too.
NO_TRITON_ENVIRONMENT_VARIABLE: Final = "PYKEEN_ADAMF_NO_TRITON"


def as_planar(x: FloatTensor) -> FloatTensor:
    """Return all real parts of complex rows, followed by all imaginary parts: from ``(n, dim)`` to ``(n, 2 * dim)``.

    In contrast to interleaved numbers, moduli can be calculated with contiguous reads.
    """
    result: FloatTensor = _AsPlanar.apply(x)  # type: ignore[no-untyped-call]
    return result


class _AsPlanar(torch.autograd.Function):
    """One copy forth, and one back; autograd would fill and add a tensor for each part."""

    @staticmethod
    def forward(ctx: Any, x: FloatTensor) -> FloatTensor:
        num_rows, dim = x.shape
        result = torch.empty(num_rows, 2, dim, dtype=x.real.dtype, device=x.device)
        result.copy_(torch.view_as_real(x.resolve_conj()).transpose(1, 2))
        return result.view(num_rows, 2 * dim)

    @staticmethod
    def backward(ctx: Any, grad: FloatTensor) -> FloatTensor:
        num_rows, width = grad.shape
        # contiguous() would leave tensors without, or with only one number in a row as they are
        interleaved = grad.new_empty(num_rows, width // 2, 2)
        interleaved.copy_(grad.reshape(num_rows, 2, width // 2).transpose(1, 2))
        return torch.view_as_complex(interleaved)


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

    :param left: shape: ``(num_left, width)``, the rows to choose $x$ from.
    :param right: shape: ``(num_right, width)``, the rows to choose $y$ from.
    :param left_index: shape: ``(num_pairs,)``, the row of $x$ of each pair.
    :param right_index: shape: ``(num_pairs,)``, the row of $y$ of each pair.
    :param p: >0, the power.
    :param planar: Whether the rows are complex numbers, given as by :func:`as_planar`.
    :returns: shape: ``(num_pairs,)``, the sums.
    """
    result: FloatTensor = _PairPowerSums.apply(left, right, left_index, right_index, p, planar)  # type: ignore[no-untyped-call]
    return result


def all_power_sums(left: FloatTensor, right: FloatTensor, *, p: float = 1.0, planar: bool = False) -> FloatTensor:
    """Return the sums of :func:`pair_power_sums` for every pair of rows, without gradients.

    :param left: shape: ``(num_left, width)``, the left rows.
    :param right: shape: ``(num_right, width)``, the right rows.
    :param p: >0, the power.
    :param planar: Whether the rows are complex numbers, given as by :func:`as_planar`.
    :returns: shape: ``(num_left, num_right)``, the sums.
    """
    left, right = left.detach(), right.detach()
    result = left.new_empty(len(left), len(right))
    for row, start, stop, _, squares in _all_pairs(left, right, planar):
        torch.sum(_powers(squares, p), dim=-1, out=result[row, start:stop])
    return result


def _all_pairs(left: FloatTensor, right: FloatTensor, planar: bool) -> Iterator[tuple[int, int, int, Any, Any]]:
    """Iterate over pairs of a left row and a chunk of right rows: which, and differences and squares in buffers."""
    width = left.shape[1]
    size = rows_per_chunk(width, left.device)
    buffer = left.new_empty(min(size, len(right)), width)
    scratch = torch.empty_like(buffer[:, : width // 2 if planar else width])
    # a chunk stays in the cache for all left rows
    for start, stop in row_chunks(len(right), size):
        difference, out = buffer[: stop - start], scratch[: stop - start]
        for row in range(len(left)):
            torch.sub(left[row], right[start:stop], out=difference)
            yield row, start, stop, difference, _square_moduli(difference, out, planar)


def all_power_sums_backward(
    left: FloatTensor, right: FloatTensor, grad: FloatTensor, *, p: float = 1.0, planar: bool = False
) -> tuple[FloatTensor, FloatTensor]:
    """Return the gradients of the negatives of :func:`all_power_sums`.

    :param left: The left rows.
    :param right: The right rows.
    :param grad: shape: ``(num_left, num_right)``, the gradient of the negative sums.
    :param p: >0, the power.
    :param planar: Whether the rows are complex numbers.
    :returns: The gradients with respect to the left and right rows.
    """
    grad_left, grad_right = torch.zeros_like(left), torch.zeros_like(right)
    weights = grad if p == 1 else p * grad
    for row, start, stop, difference, squares in _all_pairs(left, right, planar):
        _differentiate(difference, squares, weights[row, start:stop, None], p)
        grad_left[row] -= difference.sum(dim=0)
        grad_right[start:stop] += difference
    return grad_left, grad_right


def _differentiate(difference: FloatTensor, squares: FloatTensor, weight: FloatTensor, p: float) -> None:
    """Turn differences into derivatives, times a weight for each row, which includes the factor p.

    The derivative of $|z|^p$ is $p |z|^{p - 2} z$, and defined as zero for $z = 0$. Squares are overwritten.
    """
    if p == 2:
        difference.mul_(weight)
        return
    zero = squares == 0
    factors = squares.rsqrt_() if p == 1 else squares.pow_(p / 2 - 1)
    factors.masked_fill_(zero, 0.0).mul_(weight)
    for part in difference.split(factors.shape[1], dim=1):
        part.mul_(factors)


def _square_moduli(x: FloatTensor, out: FloatTensor, planar: bool) -> FloatTensor:
    """Calculate the squares of the coordinates' moduli."""
    dim = out.shape[1]
    torch.mul(x[:, :dim], x[:, :dim], out=out)
    return out.addcmul_(x[:, dim:], x[:, dim:]) if planar else out


def _powers(squares: FloatTensor, p: float) -> FloatTensor:
    """Turn squares into powers, in place."""
    return squares if p == 2 else squares.sqrt_() if p == 1 else squares.pow_(p / 2)


def load_triton(x: FloatTensor) -> Any:
    """Return the module with kernels for a tensor's device, or None if there are none, or they cannot be had."""
    # the kernels add up in any order
    unwanted = os.environ.get(NO_TRITON_ENVIRONMENT_VARIABLE) or torch.are_deterministic_algorithms_enabled()
    supported = x.is_cuda and x.dtype in {torch.float32, torch.float64}
    if unwanted or not supported or importlib.util.find_spec("triton") is None:
        return None
    return importlib.import_module(f"{__package__}.triton_distance")


def _some_pairs(
    left: FloatTensor, right: FloatTensor, left_index: LongTensor, right_index: LongTensor, planar: bool
) -> Iterator[tuple[int, int, Any, Any]]:
    """Iterate over chunks of pairs: their range, and differences and squares in buffers."""
    width = left.shape[1]
    size = rows_per_chunk(width, left.device)
    buffers = [left.new_empty(min(size, len(left_index)), width) for _ in range(2)]
    for start, stop in row_chunks(len(left_index), size):
        difference, scratch = (buffer[: stop - start] for buffer in buffers)
        torch.index_select(left, 0, left_index[start:stop], out=difference)
        torch.index_select(right, 0, right_index[start:stop], out=scratch)
        difference.sub_(scratch)
        yield start, stop, difference, _square_moduli(difference, scratch[:, : width // 2 if planar else width], planar)


class _PairPowerSums(torch.autograd.Function):
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
        kernels = load_triton(left)
        if kernels is not None:
            sums: FloatTensor = kernels.pair_power_sums_forward(left, right, left_index, right_index, p, planar)
            return sums
        result = left.new_empty(len(left_index))
        for start, stop, _, squares in _some_pairs(left, right, left_index, right_index, planar):
            torch.sum(_powers(squares, p), dim=-1, out=result[start:stop])
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: FloatTensor) -> tuple[FloatTensor | None, ...]:
        left, right, left_index, right_index = ctx.saved_tensors
        p, planar = ctx.p, ctx.planar
        needs_left, needs_right = ctx.needs_input_grad[:2]
        kernels = load_triton(left)
        if kernels is not None:
            grads = kernels.pair_power_sums_backward(
                left, right, left_index, right_index, grad, p, planar, needs_left, needs_right
            )
            return *grads, None, None, None, None
        grad_left = torch.zeros_like(left) if needs_left else None
        grad_right = torch.zeros_like(right) if needs_right else None
        # the factor of p, and the sign for the right rows, once for each pair rather than for each coordinate
        weight = (p * grad).unsqueeze(dim=-1)
        for start, stop, difference, squares in _some_pairs(left, right, left_index, right_index, planar):
            _differentiate(difference, squares, weight[start:stop], p)
            if grad_left is not None:
                grad_left.index_add_(0, left_index[start:stop], difference)
            if grad_right is not None:
                grad_right.index_add_(0, right_index[start:stop], difference, alpha=-1)
        return grad_left, grad_right, None, None, None, None
