"""Optimizers whose steps take less time: as long as the batch, or a single pass over the parameters."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.adam import adam

from .chunking import row_chunks, rows_per_chunk

__all__ = ["LazyAdam", "prefer_fused"]


class LazyAdam(Optimizer):
    r"""Adam for parameters with dense gradients, and lazy Adam for those with sparse ones.

    For a dense gradient, it is :class:`torch.optim.Adam` in its fused implementation. For a sparse one, only the rows
    that occur in the gradient are touched: their moments decay and they are updated as in Adam; the moments of all
    others stay as they are, as in :class:`torch.optim.SparseAdam`, which in turn refuses dense gradients. Adam itself
    also moves rows that were not part of the batch, by their momentum; so that the results differ, and a step's time
    grows with the number of entities.

    Use it with ``model_kwargs=dict(sparse=True)`` for large graphs.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        """Initialize the optimizer; ``lr``, ``betas`` and ``eps`` are those of :class:`torch.optim.Adam`.

        :raises ValueError: if an option is out of its range
        """
        if not lr > 0:
            raise ValueError(f"lr must be positive, but is {lr!r}")
        if not eps > 0:
            raise ValueError(f"eps must be positive, but is {eps!r}")
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be two numbers from [0, 1), but are {betas!r}")
        super().__init__(params, dict(lr=lr, betas=tuple(betas), eps=eps))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step, and return the loss of a closure that calculates it and its gradients, if given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            options = {name: group[name] for name in ("lr", "betas", "eps")}
            dense = []
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    # where fused implementations want it
                    state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                    state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                    state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                # a state that was saved on another device
                state["step"] = state["step"].to(parameter.device)
                if parameter.grad.is_sparse:
                    _update_rows(parameter, state, **options)
                else:
                    dense.append(parameter)
            if dense:
                self._update_all(dense, **options)
        return loss

    def _update_all(self, parameters: list[Tensor], lr: float, betas: tuple[float, float], eps: float) -> None:
        states = [self.state[parameter] for parameter in parameters]
        adam(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=_can_be_fused(parameters),
            amsgrad=False,
            beta1=betas[0],
            beta2=betas[1],
            lr=lr,
            weight_decay=0.0,
            eps=eps,
            maximize=False,
        )


def _update_rows(
    parameter: Tensor, state: dict[str, Tensor], lr: float, betas: tuple[float, float], eps: float
) -> None:
    """Update the rows that occur in the gradient."""
    gradient = parameter.grad
    assert gradient is not None
    if gradient.sparse_dim() != 1:
        raise ValueError("LazyAdam needs gradients that are sparse in their first dimension only.")
    rows = gradient._indices()[0]
    # rows that are selected in order, each of them once, need no sum
    if rows.device.type != "cpu" or not bool((rows[1:] > rows[:-1]).all()):
        gradient = gradient.coalesce()
        rows = gradient._indices()[0]
    values = gradient._values()
    state["step"] += 1
    step = state["step"].item() if parameter.device.type == "cpu" else state["step"]
    beta1, beta2 = betas
    mean, square = state["exp_avg"], state["exp_avg_sq"]
    # few rows at a time, which stay in the processor's cache
    for start, stop in row_chunks(len(rows), rows_per_chunk(max(1, values[:1].numel()), parameter.device)):
        selected, change = rows[start:stop], values[start:stop]
        new_mean = mean.index_select(0, selected).lerp_(change, 1 - beta1)
        mean.index_copy_(0, selected, new_mean)
        new_square = square.index_select(0, selected).mul_(beta2).addcmul_(change, change, value=1 - beta2)
        square.index_copy_(0, selected, new_square)
        denominator = new_square.div_(1 - beta2**step).sqrt_().add_(eps)
        parameter.index_add_(0, selected, new_mean.div_(denominator).mul_(-lr / (1 - beta1**step)))


def prefer_fused(optimizer: Optimizer) -> None:
    """Let Adam or AdamW, and nothing else, use PyTorch's fused implementation, unless another one was chosen.

    The result is the same, up to rounding. PyTorch itself prefers it on no device, since it is rather new; on the CPU,
    the default makes some ten passes over parameters, gradients and moments, and the fused one makes one.
    """
    groups = optimizer.param_groups
    if (
        type(optimizer) in {Adam, AdamW}
        and all(x.get("fused") is None and x.get("foreach") is None and not x.get("differentiable") for x in groups)
        and all(_can_be_fused(group["params"]) for group in groups)
    ):
        for group in (optimizer.defaults, *groups):
            group["fused"] = True


def _can_be_fused(parameters: list[Tensor]) -> bool:
    return all(x.device.type in {"cpu", "cuda"} and x.is_floating_point() for x in parameters)
