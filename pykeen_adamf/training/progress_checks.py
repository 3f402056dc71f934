"""What a checkpoint says of early stopping, and of how far training has come."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pykeen.stoppers import EarlyStopper, Stopper

from .checkpoint_checks import PerEpoch, at_least, is_number, same_as
from .configuration import STOPPER_OPTIONS

__all__ = ["check_progress", "expect_stopper"]


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
    if best_epoch is not None and summary["best_metric"] not in summary["results"]:
        yield "its best result is none of those that it has"
    if isinstance(stopper, EarlyStopper):
        patience = summary["remaining_patience"]
        if patience > stopper.patience or (patience and summary["stopped"]):
            what = "stopped" if summary["stopped"] else "not stopped"
            yield f"it has {what} with a patience of {patience:,} of {stopper.patience:,}"
