"""The generators' part of a training step, as a training callback."""

from typing import Any, Protocol, cast

from pykeen.training.callbacks import TrainingCallback

from .generators import TrainableGenerators
from .monitoring import LossMeter

__all__ = ["GeneratorTrainingCallback"]


class LoopWithGenerators(Protocol):
    """What the callback needs of a training loop."""

    meter: LossMeter
    progress_bar: Any
    generators: TrainableGenerators

    def step_generators(self, batch: Any, only_size_probing: bool) -> None:
        """Make one step of the generators."""


class GeneratorTrainingCallback(TrainingCallback):
    """Update the generators after the model's update, and show the losses of both."""

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
    def _loop(self) -> LoopWithGenerators:
        return cast(LoopWithGenerators, self.training_loop)

    # docstr-coverage: inherited
    def post_batch(self, epoch: int, batch: Any, **kwargs: Any) -> None:  # noqa: D102
        self._loop.step_generators(batch, only_size_probing=self.only_size_probing)
        if self._loop.progress_bar is not None:
            if self._num_batches % self.update_progress_every == 0:
                self._loop.progress_bar.set_postfix(self._loop.meter.means())
            self._num_batches += 1

    # docstr-coverage: inherited
    def post_epoch(self, epoch: int, epoch_loss: float, **kwargs: Any) -> None:  # noqa: D102
        self._loop.generators.end_epoch()
