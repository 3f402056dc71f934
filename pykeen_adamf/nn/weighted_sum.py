r"""Adaptive fusion of whole tables, without intermediate results of their size.

The same as :func:`pykeen_adamf.nn.fusion.formulas.attention_weights` and :func:`pykeen_adamf.nn.fusion.formulas.fuse`.
There, autograd stacks the modalities, and stores some six tensors of ``num_modalities`` times the table's size. Here,
rows are processed in chunks that stay in the processor's cache, with a backward pass written by hand, which calculates
the hyperbolic tangents anew.
"""

from collections.abc import Sequence
from typing import Any

import torch

from ..chunking import row_chunks, rows_per_chunk
from ..typing import BoolTensor, FloatTensor
from .fusion.formulas import attention_weights, fuse

__all__ = ["fuse_adaptively"]


def fuse_adaptively(
    modalities: Sequence[FloatTensor], attention: FloatTensor, presence: BoolTensor | None = None
) -> FloatTensor:
    r"""Calculate the joint embeddings (eq. 4 and 5 of the AdaMF-MAT paper).

    With $l_m = \mathbf{w}_m^T \tanh(\mathbf{e}_m)$, $\alpha = \mathrm{softmax}(l)$ and the gradient $\mathbf{g}$ of
    $\mathbf{e} = \sum_m \alpha_m \mathbf{e}_m$, the gradients are

    .. math ::
        \nabla l_m = \alpha_m \left(\mathbf{g}^T \mathbf{e}_m - \sum_n \alpha_n \mathbf{g}^T \mathbf{e}_n\right),
        \quad
        \nabla \mathbf{e}_m = \alpha_m \mathbf{g} + \nabla l_m \mathbf{w}_m \odot (1 - \tanh^2(\mathbf{e}_m)),
        \quad
        \nabla \mathbf{w}_m = \sum \nabla l_m \tanh(\mathbf{e}_m)

    Second derivatives, e.g., of a gradient penalty, are those of the plain formulas.

    :param modalities: shape of each: ``(n, dim)``, the modality embeddings.
    :param attention: shape: ``(num_modalities, dim)`` or ``(1, dim)``, the attention vectors.
    :param presence: shape: ``(n, num_modalities)``, which modalities take part, at least one in each row; or ``None``.
    :returns: shape: ``(n, dim)``, the joint embeddings.
    """
    result: FloatTensor = _FuseAdaptively.apply(attention, presence, *modalities)  # type: ignore[no-untyped-call]
    return result


class _FuseAdaptively(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, attention: FloatTensor, presence: BoolTensor | None, *modalities: FloatTensor) -> FloatTensor:
        num_rows, dim = modalities[0].shape
        vectors = attention.expand(len(modalities), -1).unbind(dim=0)
        weights = modalities[0].new_empty(num_rows, len(modalities))
        result = torch.empty_like(modalities[0], memory_format=torch.contiguous_format)
        size = rows_per_chunk(dim, result.device)
        scratch = result.new_empty(min(size, num_rows), dim)
        for start, stop in row_chunks(num_rows, size):
            alpha, buffer = weights[start:stop], scratch[: stop - start]
            for column, (x, vector) in enumerate(zip(modalities, vectors, strict=True)):
                torch.tanh(x[start:stop], out=buffer)
                alpha[:, column] = torch.mv(buffer, vector)
            if presence is not None:
                alpha.masked_fill_(~presence[start:stop], float("-inf"))
            alpha.copy_(torch.softmax(alpha, dim=-1))
            for column, x in enumerate(modalities):
                # out is not read for the first one
                if column:
                    result[start:stop].addcmul_(x[start:stop], alpha[:, column, None])
                else:
                    torch.mul(x[start:stop], alpha[:, column, None], out=result[start:stop])
        ctx.presence = presence
        ctx.save_for_backward(attention, weights, *modalities)
        return result

    @staticmethod
    def backward(ctx: Any, grad: FloatTensor) -> tuple[FloatTensor | None, ...]:
        attention, weights, *modalities = ctx.saved_tensors
        if torch.is_grad_enabled():
            # these gradients are going to be differentiated, too
            x = torch.stack(modalities, dim=-2)
            result = fuse(x, attention_weights(x, attention, ctx.presence))
            wanted = [t for t in (attention, *modalities) if t.requires_grad]
            found = iter(torch.autograd.grad(result, wanted, grad, create_graph=True))
            first, *others = [next(found) if t.requires_grad else None for t in (attention, *modalities)]
            return first, None, *others
        num_rows, dim = modalities[0].shape
        vectors = attention.expand(len(modalities), -1).unbind(dim=0)
        needs_attention, _, *needs = ctx.needs_input_grad
        grads = [torch.empty_like(grad) if needed else None for needed in needs]
        grad_vectors = torch.zeros_like(attention.expand(len(modalities), -1))
        size = rows_per_chunk(dim, grad.device)
        buffers = [grad.new_empty(min(size, num_rows), dim) for _ in range(2)]
        for start, stop in row_chunks(num_rows, size):
            alpha, g = weights[start:stop], grad[start:stop]
            tanh, scratch = (buffer[: stop - start] for buffer in buffers)
            products = [torch.mul(g, x[start:stop], out=scratch).sum(dim=-1) for x in modalities]
            grad_alpha = torch.stack(products, dim=-1)
            grad_logits = alpha * (grad_alpha - (alpha * grad_alpha).sum(dim=-1, keepdim=True))
            for column, (x, vector, target) in enumerate(zip(modalities, vectors, grads, strict=True)):
                logit = grad_logits[:, column]
                torch.tanh(x[start:stop], out=tanh)
                if needs_attention:
                    grad_vectors[column] += torch.mv(tanh.t(), logit)
                if target is not None:
                    part = torch.mul(g, alpha[:, column, None], out=target[start:stop])
                    torch.mul(logit.unsqueeze(dim=-1), vector, out=scratch)
                    part.add_(scratch).addcmul_(scratch, tanh.square_(), value=-1)
        grad_attention = grad_vectors.sum_to_size(attention.shape) if needs_attention else None
        return grad_attention, None, *grads
