r"""Linear projections of some rows of a large table, without copies of these rows for the backward pass.

The same as ``F.linear(F.embedding(indices, table).to(weight.dtype), weight, bias)``, which stores the selected rows in
full precision. Here, a few rows at a time are selected, converted and multiplied; and selected once more in the
backward pass. Hence, a frozen table may be stored in half precision, or in a file that is mapped to memory.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ..chunking import row_chunks, rows_per_chunk
from ..typing import BoolTensor, FloatTensor, LongTensor

__all__ = ["project_rows"]

#: Matrix products of fewer rows than this waste time.
MIN_ROWS = 1024


def project_rows(
    table: FloatTensor,
    indices: LongTensor | None,
    weight: FloatTensor,
    bias: FloatTensor,
    *,
    presence: BoolTensor | None = None,
    sparse: bool = False,
    compute_dtype: torch.dtype | None = None,
) -> FloatTensor:
    r"""Calculate $\mathbf{W} \mathbf{f} + \mathbf{b}$ for rows $\mathbf{f}$ of a table.

    :param table: shape: ``(num_rows, in_dim)``, the table, of any floating point data type.
    :param indices: shape: ``(n,)``, the rows, or ``None`` for all.
    :param weight: shape: ``(out_dim, in_dim)``, the weights.
    :param bias: shape: ``(out_dim,)``, the bias.
    :param presence: shape: ``(num_rows,)``, which rows to use. The others are taken as zeros, and get no gradient.
    :param sparse: Whether the table's gradient is to be a sparse tensor with only the selected rows.
    :param compute_dtype: The data type of the factors of products. Defaults to the weight's.
    :returns: shape: ``(n, out_dim)``, the projections.
    """
    result: FloatTensor = _ProjectRows.apply(  # type: ignore[no-untyped-call]
        table, indices, weight, bias, presence, sparse, compute_dtype or weight.dtype
    )
    return result


class _Rows:
    """Selects, converts and masks rows."""

    def __init__(
        self, table: FloatTensor, indices: LongTensor | None, presence: BoolTensor | None, dtype: torch.dtype
    ) -> None:
        self.table, self.indices, self.presence, self.dtype = table, indices, presence, dtype
        self.num = len(table) if indices is None else len(indices)
        self.size = max(MIN_ROWS, rows_per_chunk(table.shape[1], table.device))

    def select(self, x: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        return x[start:stop] if self.indices is None else x.index_select(0, self.indices[start:stop])

    def mask(self, x: FloatTensor, start: int, stop: int) -> FloatTensor:
        return x if self.presence is None else x * self.select(self.presence, start, stop).unsqueeze(dim=-1)

    def get(self, start: int, stop: int) -> FloatTensor:
        return self.mask(self.select(self.table, start, stop).to(self.dtype), start, stop)


class _ProjectRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        table: FloatTensor,
        indices: LongTensor | None,
        weight: FloatTensor,
        bias: FloatTensor,
        presence: BoolTensor | None,
        sparse: bool,
        dtype: torch.dtype,
    ) -> FloatTensor:
        ctx.save_for_backward(table, indices, weight, presence)
        ctx.sparse, ctx.dtype = sparse, dtype
        rows = _Rows(table, indices, presence, dtype)
        result = weight.new_empty(rows.num, weight.shape[0])
        factor = weight.to(dtype).t()
        for start, stop in row_chunks(rows.num, rows.size):
            part = rows.get(start, stop)
            if dtype == weight.dtype:
                torch.addmm(bias, part, factor, out=result[start:stop])
            else:
                torch.add(torch.mm(part, factor), bias, out=result[start:stop])
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: FloatTensor) -> tuple[FloatTensor | None, ...]:
        table, indices, weight, presence = ctx.saved_tensors
        needs_table, _, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        rows = _Rows(table, indices, presence, ctx.dtype)
        factor = weight.to(ctx.dtype)
        grad_weight = torch.zeros_like(weight) if needs_weight else None
        selected = indices is None or ctx.sparse
        grad_rows = table.new_empty(rows.num, table.shape[1]) if needs_table and selected else None
        grad_table = torch.zeros_like(table) if needs_table and not selected else None
        for start, stop in row_chunks(rows.num, rows.size):
            part = grad[start:stop].to(ctx.dtype)
            if grad_weight is not None:
                if ctx.dtype == weight.dtype:
                    grad_weight.addmm_(part.t(), rows.get(start, stop))
                else:
                    grad_weight += torch.mm(part.t(), rows.get(start, stop))
            if grad_rows is not None and presence is None and ctx.dtype == table.dtype:
                # straight to where it belongs
                torch.mm(part, factor, out=grad_rows[start:stop])
            elif needs_table:
                product = rows.mask(torch.mm(part, factor), start, stop).to(table.dtype)
                if grad_rows is not None:
                    grad_rows[start:stop] = product
                elif grad_table is not None:
                    grad_table.index_add_(0, indices[start:stop], product)
        if ctx.sparse and grad_rows is not None:
            where = torch.arange(rows.num, device=table.device) if indices is None else indices
            grad_table = torch.sparse_coo_tensor(where.unsqueeze(dim=0), grad_rows, table.shape, check_invariants=False)
        elif grad_rows is not None:
            grad_table = grad_rows
        return grad_table, None, grad_weight, grad.sum(dim=0) if needs_bias else None, None, None, None
