"""The generators' part of a training step, as a training callback."""

from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

from pykeen.training.callbacks import TrainingCallback
from pykeen.triples.instances import SLCWABatch

from ..typing import FloatTensor

__all__ = [
    "NON_FINITE_GENERATOR_LOSS",
    "GeneratorTrainingCallback",
    "LossMeter",
]

NON_FINITE_GENERATOR_LOSS: Final = "The generators' loss is not finite. Try a smaller generator_lr."


class LossMeter:
    """Mean losses over batches, accumulated on the device: nobody waits for their values until they are read."""

    def __init__(self) -> None:
        self._sums: dict[str, FloatTensor] = {}
        self._weights: dict[str, float] = {}

    def add(self, weight: float, **losses: FloatTensor) -> None:
        """Add losses.

        :param weight: The weight of these losses, i.e., the share of the batch that they are from.
        :param losses: shape of each: ``()``
            The losses by name.
        """
        for name, loss in losses.items():
            value = weight * loss.detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._weights[name] = self._weights.get(name, 0.0) + weight

    def means(self) -> Mapping[str, float]:
        """Return the weighted means since the last reset."""
        return {name: value.item() / self._weights[name] for name, value in self._sums.items()}

    def reset(self) -> None:
        """Forget everything."""
        self._sums.clear()
        self._weights.clear()


class AdversarialLoop(Protocol):
    """What the callback needs of a training loop."""

    meter: LossMeter
    progress_bar: Any
    adversarial_losses_per_epoch: list[Mapping[str, float]]

    def step_generators(self, batch: SLCWABatch, only_size_probing: bool) -> None:
        """Make one step of the generators."""


class GeneratorTrainingCallback(TrainingCallback):
    """Update the generators after the model's update, and report the losses of both."""

    def __init__(self, only_size_probing: bool = False, update_progress_every: int = 10) -> None:
        """Initialize the callback.

        :param only_size_probing: Whether the parameters are to be left as they are.
        :param update_progress_every: After how many batches to refresh the losses in the progress bar.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self.only_size_probing = only_size_probing
        self.update_progress_every = update_progress_every
        self._num_batches = 0

    @property
    def _loop(self) -> AdversarialLoop:
        return cast(AdversarialLoop, self.training_loop)

    # docstr-coverage: inherited
    def post_batch(self, epoch: int, batch: SLCWABatch, **kwargs: Any) -> None:  # noqa: D102
        self._loop.step_generators(batch, only_size_probing=self.only_size_probing)
        if self._loop.progress_bar is not None:
            if self._num_batches % self.update_progress_every == 0:
                self._loop.progress_bar.set_postfix(self._loop.meter.means())
            self._num_batches += 1

    # docstr-coverage: inherited
    def post_epoch(self, epoch: int, epoch_loss: float, **kwargs: Any) -> None:  # noqa: D102
        losses = self._loop.meter.means()
        self._loop.meter.reset()
        if losses:
            self._loop.adversarial_losses_per_epoch.append(losses)
            self.result_tracker.log_metrics(metrics=losses, step=epoch)
