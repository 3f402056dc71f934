"""A step of training: what it calculates, and how it does not make the processor wait for the device."""

import math
from typing import Any, cast

from pykeen.training import NonFiniteLossError, TrainingLoop
from pykeen.training.callbacks import MultiTrainingCallback, TrainingCallback

from ..garbage_collection import cheap_garbage_collection
from ..typing import FloatTensor, LongTensor

__all__ = ["StepTrainingLoop"]


class AfterBatchCallback(TrainingCallback):
    """Lets a training loop do something after each step of the model's optimizer; it has to be the last callback."""

    def post_batch(self, epoch: int, batch: Any, **kwargs: Any) -> None:
        """Do it."""
        cast(StepTrainingLoop, self.training_loop).after_batch(batch)


class StepTrainingLoop(TrainingLoop[Any]):
    """A training loop without waiting for a GPU, whose loss of a batch others can use, e.g., with an adversarial loss.

    PyKEEN's loops wait thrice in each step: to look whether the loss is finite, to read the loss, and to copy the
    batch. On a GPU, this loop looks at the end of each epoch, where it raises the same error. Callbacks get the loss of
    a batch as a tensor there. On the CPU, it is PyKEEN's loop. Batches that are made on the device are a matter of
    subclasses.

    Still, there is waiting where the number of something is only known on the device: of the entities in a pool of
    negatives, of negatives with masks, and of rows with sparse gradients.
    """

    def get_positives(self, batch: Any) -> LongTensor:
        """Return the ID-based positive triples of a batch, shape: ``(batch_size, 3)``."""
        raise NotImplementedError

    def get_entities(self, batch: Any, start: int, stop: int) -> LongTensor | None:
        """Return the entities that the loss of a part of a batch needs, or ``None`` for all there are.

        They are on the model's device, possibly more than once. The part is that of some of the positive triples.
        """
        raise NotImplementedError

    def base_loss(
        self, batch: Any, start: int, stop: int, label_smoothing: float
    ) -> tuple[FloatTensor, FloatTensor | None]:
        """Calculate the loss of a part of a batch, cf. :meth:`get_entities`, including regularization.

        :returns: shapes: ``()`` and ``(stop - start,)``, the loss, and the scores of the positive triples, if they are
            known.
        """
        raise NotImplementedError

    def after_batch(self, batch: Any) -> None:
        """Do what else is to be done in training after each step of the model's optimizer."""

    @property
    def asynchronous(self) -> bool:
        """Return whether there is a device that works on its own."""
        return bool(self.device.type == "cuda")

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

    def _train_epoch(self, batches: Any, callbacks: MultiTrainingCallback, *args: Any, **kwargs: Any) -> float:
        for callback in callbacks.callbacks:
            # PyKEEN forgets these, so that clipping of gradients would fail
            for inner in getattr(callback, "pre_step_callbacks", ()):
                inner.register_training_loop(self)
        # not to measure the loss of other triples
        if kwargs.get("backward", True) and not any(isinstance(x, AfterBatchCallback) for x in callbacks.callbacks):
            callbacks.register_callback(AfterBatchCallback())  # type: ignore[no-untyped-call]
        loss = float(super()._train_epoch(batches, callbacks, *args, **kwargs))
        if self.asynchronous and not math.isfinite(loss):
            raise NonFiniteLossError("Loss is non-finite.")
        return loss

    def _train(self, *args: Any, **kwargs: Any) -> list[float] | None:
        with cheap_garbage_collection():
            return super()._train(*args, **kwargs)
