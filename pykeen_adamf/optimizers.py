"""An optimizer whose step costs what the batch costs, rather than what the graph costs."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adam import adam

from .chunking import row_chunks, rows_per_chunk

__all__ = ["LazyAdam"]


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
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        r"""Initialize the optimizer.

        :param params: The parameters.
        :param lr: >0
            The learning rate.
        :param betas: The decays of the two moments.
        :param eps: >0
            Added to the denominator.
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
        """Make one step.

        :param closure: Calculates the loss and its gradients, if given.
        :returns: The loss of the closure.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
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
                    _update_rows(parameter, state, **_options(group))
                else:
                    dense.append(parameter)
            if dense:
                self._update_all(dense, _options(group))
        return loss

    def _update_all(self, parameters: list[Tensor], options: dict[str, Any]) -> None:
        states = [self.state[parameter] for parameter in parameters]
        beta1, beta2 = options.pop("betas")
        adam(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=all(x.device.type in _FUSED and x.is_floating_point() for x in parameters),
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            weight_decay=0.0,
            maximize=False,
            **options,
        )


#: The kinds of devices with fused implementations.
_FUSED: Final[frozenset[str]] = frozenset({"cpu", "cuda"})


def _options(group: dict[str, Any]) -> dict[str, Any]:
    return {name: group[name] for name in ("lr", "betas", "eps")}


def _update_rows(
    parameter: Tensor, state: dict[str, Tensor], lr: float, betas: tuple[float, float], eps: float
) -> None:
    """Update the rows that occur in the gradient."""
    rows, gradient = _coalesce(parameter.grad)
    state["step"] += 1
    step = state["step"].item() if parameter.device.type == "cpu" else state["step"]
    beta1, beta2 = betas
    mean, square = state["exp_avg"], state["exp_avg_sq"]
    # few rows at a time, which stay in the processor's cache
    for start, stop in row_chunks(len(rows), rows_per_chunk(max(1, gradient[:1].numel()), parameter.device)):
        selected, change = rows[start:stop], gradient[start:stop]
        new_mean = mean.index_select(0, selected).lerp_(change, 1 - beta1)
        mean.index_copy_(0, selected, new_mean)
        new_square = square.index_select(0, selected).mul_(beta2).addcmul_(change, change, value=1 - beta2)
        square.index_copy_(0, selected, new_square)
        denominator = new_square.div_(1 - beta2**step).sqrt_().add_(eps)
        parameter.index_add_(0, selected, new_mean.div_(denominator).mul_(-lr / (1 - beta1**step)))


def _coalesce(gradient: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the rows of a sparse gradient, each of them once, and their values."""
    assert gradient is not None
    if gradient.sparse_dim() != 1:
        raise ValueError("LazyAdam needs gradients that are sparse in their first dimension only.")
    rows = gradient._indices()[0]
    # rows that are selected in order, each of them once, need no sum
    if rows.device.type != "cpu" or not bool((rows[1:] > rows[:-1]).all()):
        gradient = gradient.coalesce()
        rows = gradient._indices()[0]
    return rows, gradient._values()
