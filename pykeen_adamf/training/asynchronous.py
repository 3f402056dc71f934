"""A training loop which does not make the processor wait for the device in every step."""

import math
from typing import Any, Literal

from class_resolver import HintOrType
from pykeen.sampling import NegativeSampler, negative_sampler_resolver
from pykeen.training import NonFiniteLossError, SLCWATrainingLoop
from pykeen.training.callbacks import MultiTrainingCallback
from pykeen.triples import CoreTriplesFactory
from pykeen.triples.instances import SLCWABatch
from torch.utils.data import DataLoader

from ..garbage import cheap_garbage_collection
from ..sampling import FilteredBernoulliNegativeSampler
from .instances import DeviceInstances, SharedInstances

__all__ = ["AsynchronousSLCWATrainingLoop"]


class AsynchronousSLCWATrainingLoop(SLCWATrainingLoop):
    """PyKEEN's sLCWA training loop, without waiting for a GPU in each step.

    PyKEEN's loop waits thrice: to look whether the loss is finite, to read the loss, and to copy the batch. On a GPU,
    this loop looks at the end of each epoch, where it raises the same error; and if the negatives are sampled by
    :class:`pykeen_adamf.sampling.FilteredBernoulliNegativeSampler`, batches are made on the device. Callbacks get the
    loss of a batch as a tensor there. On the CPU, it is PyKEEN's loop.

    Still, there is waiting where the number of something is only known on the device: of the entities in a pool of
    negatives, of negatives with masks, and of rows with sparse gradients.
    """

    @property
    def asynchronous(self) -> bool:
        """Return whether there is a device that works on its own."""
        return bool(self.device.type == "cuda")

    # docstr-coverage: inherited
    def _create_training_data_loader(
        self,
        triples_factory: CoreTriplesFactory,
        *,
        sampler: Literal["schlichtkrull"] | None,
        batch_size: int,
        drop_last: bool,
        **kwargs: Any,
    ) -> DataLoader[SLCWABatch]:
        num_workers = kwargs.get("num_workers") or 0
        if sampler is None and num_workers > 1:
            shared = SharedInstances.from_triples_factory(
                triples_factory,
                batch_size=batch_size,
                drop_last=drop_last,
                negative_sampler=self.negative_sampler,
                negative_sampler_kwargs=self.negative_sampler_kwargs,
                loss_weighter=self.loss_weighter,
                loss_weighter_kwargs=self.loss_weighter_kwargs,
            )
            pin_memory = bool(kwargs.get("pin_memory", False))
            return DataLoader(shared, batch_size=None, num_workers=num_workers, pin_memory=pin_memory)
        if not self.asynchronous or sampler is not None or num_workers or not self._can_sample_on_device:
            return super()._create_training_data_loader(
                triples_factory, sampler=sampler, batch_size=batch_size, drop_last=drop_last, **kwargs
            )
        instances = DeviceInstances.from_triples_factory(
            triples_factory,
            batch_size=batch_size,
            drop_last=drop_last,
            negative_sampler=self.negative_sampler,
            negative_sampler_kwargs=self.negative_sampler_kwargs,
        ).move(self.device)
        # what is on the device already cannot be pinned
        return DataLoader(dataset=instances, batch_size=None, batch_sampler=None)

    @property
    def _can_sample_on_device(self) -> bool:
        hint: HintOrType[NegativeSampler] = self.negative_sampler
        known = not isinstance(hint, NegativeSampler) and (
            negative_sampler_resolver.lookup(hint) is FilteredBernoulliNegativeSampler
        )
        return bool(known) and self.loss_weighter is None and not (self.negative_sampler_kwargs or {}).get("filterer")

    # docstr-coverage: inherited
    def _forward_pass(
        self,
        batch: SLCWABatch,
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
