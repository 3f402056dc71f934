"""What a checkpoint says of schedules, of early stopping, and of how far training has come."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import torch
from pykeen.lr_schedulers import LRScheduler
from pykeen.stoppers import EarlyStopper, Stopper

from .checkpoint_checks import PerEpoch, at_least, is_number, same_as
from .checkpoint_file import to_plain
from .configuration import STOPPER_OPTIONS

__all__ = ["check_progress", "expect_schedule", "expect_stopper"]

#: What PyTorch's schedules count, and the least number of each; and what else changes.
COUNTERS: Final = {"last_epoch": 0, "_step_count": 0, "T_cur": 0, "T_i": 1, "num_bad_epochs": 0, "cooldown_counter": 0}
VARIABLES: Final = frozenset({"_last_lr", "best", "_schedulers"})


def expect_schedule(scheduler: LRScheduler | None) -> Mapping[str, Any] | None:
    """Return what the state of a schedule is compared with: options are those that it has here."""
    if scheduler is None:
        return None
    state = scheduler.state_dict()
    if type(scheduler).__module__ != torch.optim.lr_scheduler.__name__:
        # what others count is not known
        return state
    return {
        key: at_least(COUNTERS[key]) if key in COUNTERS else x if key in VARIABLES else same_as(to_plain(x))
        for key, x in state.items()
    }


def expect_stopper(stopper: Stopper | None) -> Mapping[str, Any]:
    """Return what the state of a stopper is compared with: options are those that it has here."""
    if stopper is None:
        return {}
    summary = dict(stopper.get_summary_dict())
    if isinstance(stopper, EarlyStopper):
        options: dict[str, Callable[..., Any]] = {name: same_as(summary[name]) for name in STOPPER_OPTIONS}
        # metrics may be no numbers
        summary |= {**options, "remaining_patience": at_least(0), "results": PerEpoch()}
    return summary


def check_progress(state: Mapping[str, Any], stopper: Stopper | None) -> Iterator[str]:
    """Say what does not fit to how far training has come, of a state whose types and shapes are right."""
    epoch, losses, size = state["epoch"], len(state["losses"]), state["sub_batch_size"]
    if epoch != losses:
        yield f"it has {losses:,} losses of {epoch:,} epochs"
    if size is not None and (not is_number(size, int) or size < 1):
        yield f"it has sub-batches of {size}"
    best, summary = state["best"], state["stopper_dict"]
    best_epoch = summary.get("best_epoch")
    if best_epoch is not None and (not is_number(best_epoch, int) or not 1 <= best_epoch <= epoch):
        yield f"it has {best_epoch} as the best of {epoch:,} epochs"
    elif best_epoch != (None if best is None else best["epoch"]):
        yield "its best model is missing, or of another epoch"
    if isinstance(stopper, EarlyStopper) and summary["remaining_patience"] > stopper.patience:
        yield f"it has more patience than {stopper.patience:,}"
