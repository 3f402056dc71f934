"""A training loop which does not make the processor wait for the device in every step."""

import math
from typing import Any

from pykeen.training import NonFiniteLossError, TrainingLoop
from pykeen.training.callbacks import MultiTrainingCallback

from ..garbage_collection import cheap_garbage_collection

__all__ = ["AsynchronousTrainingLoop"]


class AsynchronousTrainingLoop(TrainingLoop[Any]):
    """A training loop of PyKEEN, without waiting for a GPU in each step.

    PyKEEN's loops wait thrice: to look whether the loss is finite, to read the loss, and to copy the batch. On a GPU,
    this loop looks at the end of each epoch, where it raises the same error. Callbacks get the loss of a batch as a
    tensor there. On the CPU, it is PyKEEN's loop. Batches that are made on the device are a matter of subclasses.

    Still, there is waiting where the number of something is only known on the device: of the entities in a pool of
    negatives, of negatives with masks, and of rows with sparse gradients.
    """

    @property
    def asynchronous(self) -> bool:
        """Return whether there is a device that works on its own."""
        return bool(self.device.type == "cuda")

    # docstr-coverage: inherited
    def _forward_pass(
        self,
        batch: Any,
        start: int,
        stop: int,
        current_batch_size: int,
        label_smoothing: float,
        slice_size: int | None,
        backward: bool = True,
    ) -> float:
        if not self.asynchronous:
            return super()._forward_pass(
                batch, start, stop, current_batch_size, label_smoothing, slice_size, backward=backward
            )
        loss = self._process_batch(batch, start, stop, label_smoothing=label_smoothing, slice_size=slice_size)
        if self.model.loss.reduction == "mean":
            loss = loss * ((stop - start) / current_batch_size)
        if backward:
            loss.backward()
        self.model.post_forward_pass()
        # a tensor, which can be added up like a number
        return loss.detach()  # type: ignore[return-value]

    # docstr-coverage: inherited
    def _train_epoch(self, batches: Any, callbacks: MultiTrainingCallback, *args: Any, **kwargs: Any) -> float:
        for callback in callbacks.callbacks:
            # PyKEEN forgets these, so that clipping of gradients would fail
            for inner in getattr(callback, "pre_step_callbacks", ()):
                inner.register_training_loop(self)
        loss = float(super()._train_epoch(batches, callbacks, *args, **kwargs))
        if self.asynchronous and not math.isfinite(loss):
            raise NonFiniteLossError("Loss is non-finite.")
        return loss

    # docstr-coverage: inherited
    def _train(self, *args: Any, **kwargs: Any) -> list[float] | None:
        with cheap_garbage_collection():
            return super()._train(*args, **kwargs)
