"""PyTorch's fused optimizers, which update large tables several times as fast."""

from torch.optim import Adam, AdamW, Optimizer

__all__ = ["prefer_fused"]


def prefer_fused(optimizer: Optimizer) -> None:
    """Let an optimizer use PyTorch's fused implementation, unless another one was chosen.

    The result is the same, up to rounding. PyTorch itself prefers it on no device, since it is rather new; on the CPU,
    the default makes some ten passes over parameters, gradients and moments, and the fused one makes one.

    :param optimizer: The optimizer; nothing changes unless it is exactly Adam or AdamW.
    """
    if type(optimizer) not in {Adam, AdamW}:
        return
    unspecified = all(
        group.get("fused") is None and group.get("foreach") is None and not group.get("differentiable")
        for group in optimizer.param_groups
    )
    supported = all(
        parameter.is_floating_point() and parameter.device.type in {"cpu", "cuda"}
        for group in optimizer.param_groups
        for parameter in group["params"]
    )
    if unspecified and supported:
        for group in (optimizer.defaults, *optimizer.param_groups):
            group["fused"] = True
