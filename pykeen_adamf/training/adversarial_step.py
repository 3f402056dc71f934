"""A step of adversarial training: first of the discriminator, then of the generators."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from pykeen.training import NonFiniteLossError
from pykeen.training.callbacks import MultiTrainingCallback, TrainingCallback
from pykeen.utils import get_batchnorm_modules

from ..chunking import row_chunks
from ..models import SyntheticScoringModel
from ..typing import FloatTensor
from .adversary import Adversary, SyntheticBatch
from .generators import TrainableGenerators
from .monitoring import GeneratorMonitor, LossMeter, explain_non_finite_loss, mean_modality_weights
from .resumable import ResumableTrainingLoop
from .slcwa import score_positives

__all__ = ["AdversarialStepLoop"]


class AdversarialTrackingCallback(TrainingCallback):
    """Let the result tracker know the losses of both players, the weights of modalities, and what is generated.

    It has to be the first callback, since a stopper may replace the model by the best one.
    """

    def post_epoch(self, epoch: int, epoch_loss: float, **kwargs: Any) -> None:
        loop: Any = self.training_loop
        losses = loop.meter.means()
        loop.meter.reset()
        if losses:
            loop.adversarial_losses_per_epoch.append(losses)
        metrics = {
            **losses,
            **mean_modality_weights(loop.model),
            **loop.monitor.statistics(),
            "learning_rate": loop.optimizer.param_groups[0]["lr"],
            "generator_learning_rate": loop.generators.lr,
        }
        self.result_tracker.log_metrics(metrics=metrics, step=epoch)


class GeneratorTrainingCallback(TrainingCallback):
    """Update the generators after the model's update, as in algorithm 1, and show the losses of both.

    It has to be the last callback.
    """

    def __init__(self, only_size_probing: bool, update_progress_every: int) -> None:
        """Initialize the callback.

        :param only_size_probing: Whether the parameters are to be left as they are.
        :param update_progress_every: After how many batches to refresh the losses in the progress bar.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self.only_size_probing = only_size_probing
        self.update_progress_every = update_progress_every
        self._num_batches = 0

    def post_batch(self, epoch: int, batch: Any, **kwargs: Any) -> None:
        loop: Any = self.training_loop
        loop.step_generators(batch, only_size_probing=self.only_size_probing)
        if loop.progress_bar is not None:
            if self._num_batches % self.update_progress_every == 0:
                loop.progress_bar.set_postfix(loop.meter.means())
            self._num_batches += 1

    def post_epoch(self, epoch: int, epoch_loss: float, **kwargs: Any) -> None:
        loop: Any = self.training_loop
        if loop.generators.lr_scheduler is not None:
            loop.generators.lr_scheduler.step()


class AdversarialStepLoop(ResumableTrainingLoop):
    """The part of adversarial training that processes batches, on top of the loss of any other training loop."""

    model: SyntheticScoringModel
    adversarial_weight: float
    num_groups: int
    adversary: Adversary
    generators: TrainableGenerators
    monitor: GeneratorMonitor
    meter: LossMeter

    #: The mean losses of each epoch: ``kgc_loss``, ``adversarial_loss``, ``discriminator_loss``, ``generator_loss``
    adversarial_losses_per_epoch: list[Mapping[str, float]]

    # where losses are shown, whether they are only measured, whether training is about to begin, and what was drawn for
    # the current batch
    progress_bar: Any = None
    _measuring: bool = False
    _is_new: bool = False
    _synthetic_batch: SyntheticBatch | None = None

    def _train_epoch(  # type: ignore[override]
        self, batches: Any, callbacks: MultiTrainingCallback, sub_batch_size: int | None, **kwargs: Any
    ) -> float:
        # PyKEEN also calls this to measure the loss on other triples, where nothing must be trained
        self._measuring = not kwargs.get("backward", True)
        self.progress_bar = batches if hasattr(batches, "set_postfix") else None
        if not self._measuring:
            self._register_callbacks(callbacks, only_size_probing=kwargs["only_size_probing"])
            if self._is_new and not kwargs["only_size_probing"]:
                self._is_new = False
                self._reset_generators()
            self.meter.reset()
        try:
            loss = super()._train_epoch(batches, callbacks, sub_batch_size=sub_batch_size, **kwargs)
            if self.asynchronous and not math.isfinite(self.meter.means().get("generator_loss", 0.0)):
                raise NonFiniteLossError
        except NonFiniteLossError as error:
            raise NonFiniteLossError(explain_non_finite_loss(self.meter.means(), kwargs.get("epoch"))) from error
        finally:
            self._measuring = False
            self._synthetic_batch = None
        return loss

    def _reset_generators(self) -> None:
        seed = self.model._random_seed
        self.generators.reset(seed if isinstance(seed, int) else torch.initial_seed(), device=self.model.device)
        self.monitor.reset()

    def _register_callbacks(self, callbacks: MultiTrainingCallback, only_size_probing: bool) -> None:
        # once for each training
        if any(isinstance(callback, GeneratorTrainingCallback) for callback in callbacks.callbacks):
            return
        if not only_size_probing:
            tracking = AdversarialTrackingCallback()  # type: ignore[no-untyped-call]
            tracking.register_training_loop(self)
            callbacks.callbacks.insert(0, tracking)
        callbacks.register_callback(
            GeneratorTrainingCallback(
                only_size_probing=only_size_probing,
                # to show a loss means to wait for it
                update_progress_every=100 if self.asynchronous else 10,
            )
        )

    def _process_batch(
        self, batch: Any, start: int, stop: int, label_smoothing: float = 0.0, slice_size: int | None = None
    ) -> FloatTensor:
        if self.adversarial_weight == 0 or self._measuring:
            return super()._process_batch(  # type: ignore[safe-super]
                batch, start, stop, label_smoothing=label_smoothing, slice_size=slice_size
            )
        if slice_size is not None:
            raise AttributeError("Slicing is not possible with adversarial training. Leave slice_size out.")
        all_positives = self.get_positives(batch).to(self.device)
        batch_size = len(all_positives)
        if start == 0 or self._synthetic_batch is None:
            self._synthetic_batch = self.adversary.draw(all_positives, self.num_groups, stop - start, generators=False)
        positives = all_positives[start:stop]
        with self.model.sharing(self.get_entities(batch, start, stop)):
            base_loss, positive = self.base_loss(batch, start, stop, label_smoothing)
            with self.adversary.sharing(positives):
                if positive is None or get_batchnorm_modules(self.model.interaction):
                    positive = score_positives(self.model, positives).squeeze(dim=-1)
                synthetic_batch = self._synthetic_batch.part(start, stop)
                loss = self.adversary.discriminator_loss(positive, positives, synthetic_batch)
        share, weight = (stop - start) / batch_size, 1.0
        if self.loss.reduction != "mean":
            # parts of a batch are added up, rather than averaged
            loss, weight = share * loss, 1.0 / share
        total = base_loss + self.adversarial_weight * loss
        for name, value in (("kgc_loss", base_loss), ("adversarial_loss", loss), ("discriminator_loss", total)):
            self.meter.add(share, **{name: value * weight})
        return total

    def step_generators(self, batch: Any, only_size_probing: bool) -> None:
        """Make one step of the generators, with new noise (lines 10 to 14 of algorithm 1).

        :param batch: The batch.
        :param only_size_probing: Whether to leave the parameters as they are.
        :raises NonFiniteLossError: if the generators' loss is not finite
        """
        if self.adversarial_weight == 0:
            return
        positives = self.get_positives(batch).to(self.device)
        part_size = self._sub_batch_size or len(positives)
        synthetic_batch = self.adversary.draw(positives, self.num_groups, part_size, generators=True)
        with self.generators.gradients() as accumulate:
            for start, stop in row_chunks(len(positives), part_size):
                part = positives[start:stop]
                with self.adversary.sharing(part):
                    with torch.no_grad():
                        positive = score_positives(self.model, part).squeeze(dim=-1)
                    loss = self.adversary.generator_loss(positive, part, synthetic_batch.part(start, stop))
                share = len(part) / len(positives)
                self.meter.add(share, generator_loss=loss)
                if not self.asynchronous and not torch.isfinite(loss):
                    raise NonFiniteLossError(explain_non_finite_loss(self.meter.means()))
                accumulate(share * loss)
        if not only_size_probing:
            self.generators.optimizer.step()
