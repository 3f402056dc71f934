"""The distances of :mod:`pykeen_adamf.nn.distance` as Triton kernels, for CUDA devices.

Each pair of rows is read once in the forward pass, and read once and added to two rows in the backward pass; there are
no intermediate results in memory. Needs the package ``triton``, which comes with PyTorch's builds for CUDA.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch
import triton
import triton.language as tl

from ..typing import FloatTensor, LongTensor

__all__ = ["pair_power_sums_backward", "pair_power_sums_forward"]

#: How many pairs and how many coordinates a program looks at at once.
BLOCK_PAIRS: Final = 16
BLOCK_DIM: Final = 64


@triton.jit  # type: ignore[untyped-decorator]
def _differences(left, right, left_rows, right_rows, columns, mask, dim, width: tl.constexpr, planar: tl.constexpr):  # type: ignore[no-untyped-def]
    """Load both parts of the differences, and calculate the squares of their moduli."""
    left_offset = left_rows[:, None] * width + columns[None, :]
    right_offset = right_rows[:, None] * width + columns[None, :]
    real = tl.load(left + left_offset, mask=mask, other=0.0) - tl.load(right + right_offset, mask=mask, other=0.0)
    imaginary = tl.zeros_like(real)
    if planar:
        imaginary = tl.load(left + left_offset + dim, mask=mask, other=0.0) - tl.load(
            right + right_offset + dim, mask=mask, other=0.0
        )
    return real, imaginary, real * real + imaginary * imaginary


@triton.jit  # type: ignore[untyped-decorator]
def _forward(  # type: ignore[no-untyped-def]
    left, right, left_index, right_index, result, num_pairs, dim, half_power,
    width: tl.constexpr, planar: tl.constexpr, power: tl.constexpr, block_pairs: tl.constexpr, block_dim: tl.constexpr,
):  # fmt: skip
    pairs = tl.program_id(0) * block_pairs + tl.arange(0, block_pairs)
    exists = pairs < num_pairs
    left_rows = tl.load(left_index + pairs, mask=exists, other=0)
    right_rows = tl.load(right_index + pairs, mask=exists, other=0)
    total = tl.zeros([block_pairs], dtype=result.dtype.element_ty)
    for start in range(0, dim, block_dim):
        columns = start + tl.arange(0, block_dim)
        mask = exists[:, None] & (columns < dim)[None, :]
        _, _, squares = _differences(left, right, left_rows, right_rows, columns, mask, dim, width, planar)
        if power == 1:
            powers = tl.sqrt(squares)
        elif power == 2:
            powers = squares
        else:
            powers = tl.where(squares > 0, tl.exp(half_power * tl.log(tl.where(squares > 0, squares, 1.0))), 0.0)
        total += tl.sum(powers, axis=1)
    tl.store(result + pairs, total, mask=exists)


@triton.jit  # type: ignore[untyped-decorator]
def _backward(  # type: ignore[no-untyped-def]
    left, right, left_index, right_index, weight, grad_left, grad_right, num_pairs, dim, exponent,
    width: tl.constexpr, planar: tl.constexpr, power: tl.constexpr, block_pairs: tl.constexpr, block_dim: tl.constexpr,
    needs_left: tl.constexpr, needs_right: tl.constexpr,
):  # fmt: skip
    pairs = tl.program_id(0) * block_pairs + tl.arange(0, block_pairs)
    exists = pairs < num_pairs
    left_rows = tl.load(left_index + pairs, mask=exists, other=0)
    right_rows = tl.load(right_index + pairs, mask=exists, other=0)
    factor = tl.load(weight + pairs, mask=exists, other=0.0)[:, None]
    for start in range(0, dim, block_dim):
        columns = start + tl.arange(0, block_dim)
        mask = exists[:, None] & (columns < dim)[None, :]
        real, imaginary, squares = _differences(left, right, left_rows, right_rows, columns, mask, dim, width, planar)
        # the derivative of |z|^p is p |z|^(p - 2) z, and defined as zero for z = 0
        if power == 2:
            scale = factor + tl.zeros_like(squares)
        elif power == 1:
            scale = factor * tl.where(squares > 0, 1.0 / tl.sqrt(tl.where(squares > 0, squares, 1.0)), 0.0)
        else:
            scale = factor * tl.where(squares > 0, tl.exp(exponent * tl.log(tl.where(squares > 0, squares, 1.0))), 0.0)
        left_offset = left_rows[:, None] * width + columns[None, :]
        right_offset = right_rows[:, None] * width + columns[None, :]
        if needs_left:
            tl.atomic_add(grad_left + left_offset, scale * real, mask=mask)
            if planar:
                tl.atomic_add(grad_left + left_offset + dim, scale * imaginary, mask=mask)
        if needs_right:
            tl.atomic_add(grad_right + right_offset, -scale * real, mask=mask)
            if planar:
                tl.atomic_add(grad_right + right_offset + dim, -scale * imaginary, mask=mask)


def _power(p: float) -> int:
    """Return the power if there is a special case for it, and zero otherwise."""
    return int(p) if p in {1, 2} else 0


def _on_device_of(x: torch.Tensor) -> AbstractContextManager[Any]:
    """Kernels are started on the current device, which need not be the one of their input."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


def pair_power_sums_forward(
    left: FloatTensor, right: FloatTensor, left_index: LongTensor, right_index: LongTensor, p: float, planar: bool
) -> FloatTensor:
    """Calculate the sums, cf. :func:`pykeen_adamf.nn.distance.pair_power_sums`."""
    left, right, left_index, right_index = (x.contiguous() for x in (left, right, left_index, right_index))
    num_pairs, width = len(left_index), left.shape[1]
    result = left.new_empty(num_pairs)
    if num_pairs:
        with _on_device_of(left):
            _forward[(triton.cdiv(num_pairs, BLOCK_PAIRS),)](
            left, right, left_index, right_index, result, num_pairs, width // 2 if planar else width, p / 2,
            width=width, planar=planar, power=_power(p), block_pairs=BLOCK_PAIRS, block_dim=BLOCK_DIM,
        )  # fmt: skip
    return result


def pair_power_sums_backward(
    left: FloatTensor,
    right: FloatTensor,
    left_index: LongTensor,
    right_index: LongTensor,
    grad: FloatTensor,
    p: float,
    planar: bool,
    needs_left: bool,
    needs_right: bool,
) -> tuple[FloatTensor | None, FloatTensor | None]:
    """Calculate the gradients with respect to the left and right rows, as far as they are needed."""
    left, right, left_index, right_index = (x.contiguous() for x in (left, right, left_index, right_index))
    num_pairs, width = len(left_index), left.shape[1]
    grad_left, grad_right = torch.zeros_like(left), torch.zeros_like(right)
    if num_pairs and (needs_left or needs_right):
        with _on_device_of(left):
            _backward[(triton.cdiv(num_pairs, BLOCK_PAIRS),)](
            left, right, left_index, right_index, (p * grad).contiguous(), grad_left, grad_right,
            num_pairs, width // 2 if planar else width, p / 2 - 1,
            width=width, planar=planar, power=_power(p), block_pairs=BLOCK_PAIRS, block_dim=BLOCK_DIM,
            needs_left=needs_left, needs_right=needs_right,
        )  # fmt: skip
    return grad_left if needs_left else None, grad_right if needs_right else None
