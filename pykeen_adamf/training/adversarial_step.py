"""A step of adversarial training: first of the discriminator, then of the generators."""

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from pykeen.training import NonFiniteLossError
from pykeen.training.callbacks import MultiTrainingCallback
from pykeen.utils import get_batchnorm_modules

from ..chunking import row_chunks
from ..models import SyntheticScoringModel
from ..nn.regularized import running_statistics
from ..typing import FloatTensor, LongTensor, SyntheticKind
from .generators import Synthesizer, SyntheticBatch, TrainableGenerators
from .monitoring import GeneratorMonitor, LossMeter, explain_non_finite_loss, mean_modality_weights
from .objectives import (
    AdversarialWeighting,
    GeneratorObjective,
    adversarial_loss,
    generator_loss,
    self_adversarial_weights,
)
from .resumable import ResumableTrainingLoop
from .slcwa import score_positives

__all__ = ["AdversarialStepLoop"]


class AdversarialStepLoop(ResumableTrainingLoop):
    """The part of adversarial training that processes batches, on top of the loss of any other training loop."""

    model: SyntheticScoringModel
    adversarial_weight: float
    adversarial_weighting: AdversarialWeighting
    adversarial_temperature: float
    margin: float
    generator_objective: GeneratorObjective
    gradient_penalty: float
    synthetic_kinds: Collection[SyntheticKind]
    num_groups: int
    synthesizer: Synthesizer
    generators: TrainableGenerators
    monitor: GeneratorMonitor
    meter: LossMeter

    #: The mean losses of each epoch: ``kgc_loss``, ``adversarial_loss``, ``discriminator_loss``, ``generator_loss``
    adversarial_losses_per_epoch: list[Mapping[str, float]]

    # where losses are shown, whether they are only measured, whether only the memory is, whether training is about to
    # begin, and what was drawn for the current batch
    progress_bar: Any = None
    _num_batches: int = 0
    _measuring: bool = False
    _is_probing: bool = False
    _is_new: bool = False
    _synthetic_batch: SyntheticBatch | None = None

    def _train_epoch(  # type: ignore[override]
        self, batches: Any, callbacks: MultiTrainingCallback, sub_batch_size: int | None, **kwargs: Any
    ) -> float:
        # PyKEEN also calls this to measure the loss on other triples, where nothing must be trained
        self._measuring, self._is_probing = not kwargs.get("backward", True), kwargs["only_size_probing"]
        self.progress_bar, self._num_batches = batches if hasattr(batches, "set_postfix") else None, 0
        is_training = not self._measuring and not self._is_probing
        if self._is_new and is_training:
            self._is_new = False
            self._reset_generators()
        if not self._measuring:
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
        if is_training:
            self._finish_epoch(kwargs["epoch"])
        return loss

    def _finish_epoch(self, epoch: int) -> None:
        """Let the result tracker know both players' losses, the weights of modalities, and what is generated.

        This is before all callbacks, of which a stopper may replace the model by the best one.
        """
        losses = self.meter.means()
        self.meter.reset()
        if losses:
            self.adversarial_losses_per_epoch.append(losses)
        metrics = {
            **losses,
            **mean_modality_weights(self.model),
            **self.monitor.statistics(),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "generator_learning_rate": self.generators.lr,
        }
        if self.result_tracker is not None:
            self.result_tracker.log_metrics(metrics=metrics, step=epoch)
        if self.generators.lr_scheduler is not None:
            self.generators.lr_scheduler.step()

    def after_batch(self, batch: Any) -> None:
        """Update the generators after the model, as in algorithm 1, and show the losses of both."""
        self.step_generators(batch, only_size_probing=self._is_probing)
        if self.progress_bar is not None:
            # to show a loss means to wait for it
            if self._num_batches % (100 if self.asynchronous else 10) == 0:
                self.progress_bar.set_postfix(self.meter.means())
            self._num_batches += 1

    def _reset_generators(self) -> None:
        seed = self.model._random_seed
        self.generators.reset(seed if isinstance(seed, int) else torch.initial_seed(), device=self.model.device)
        self.monitor.reset()

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
            self._synthetic_batch = self.draw_synthetic(all_positives, stop - start)
        positives = all_positives[start:stop]
        with self.model.sharing(self.get_entities(batch, start, stop)):
            base_loss, positive = self.base_loss(batch, start, stop, label_smoothing)
            with self._sharing_all(positives):
                if positive is None or get_batchnorm_modules(self.model.interaction):
                    positive = score_positives(self.model, positives).squeeze(dim=-1)
                loss = self.discriminator_loss(positive, positives, self._synthetic_batch.part(start, stop))
        share, weight = (stop - start) / batch_size, 1.0
        if self.loss.reduction != "mean":
            # parts of a batch are added up, rather than averaged
            loss, weight = share * loss, 1.0 / share
        total = base_loss + self.adversarial_weight * loss
        for name, value in (("kgc_loss", base_loss), ("adversarial_loss", loss), ("discriminator_loss", total)):
            self.meter.add(share, **{name: value * weight})
        return total

    def draw_synthetic(
        self, positives: LongTensor, part_size: int | None = None, *, generators: bool = False
    ) -> SyntheticBatch:
        """Draw the noise of a batch and, if it is processed in parts of some size, calculate the weights it needs.

        These are other ones for the generators' loss than for the discriminator's.
        """
        batch = SyntheticBatch(noise=self.synthesizer.draw(len(positives), self.num_groups))
        if self.gradient_penalty and not generators:
            batch = dataclasses.replace(batch, mixing=self.synthesizer.draw_shares(len(positives), self.num_groups))
        weighted = self.adversarial_weighting == "self-adversarial"
        weighted = weighted and not (generators and self.generator_objective != "minimax")
        if weighted and part_size is not None and part_size < len(positives):
            scores: dict[SyntheticKind, list[FloatTensor]] = {kind: [] for kind in self.synthetic_kinds}
            for start, stop in row_chunks(len(positives), part_size):
                part = positives[start:stop]
                with torch.no_grad(), self._sharing_all(part):
                    for kind, x in self.score_synthetic(part, batch.part(start, stop)).items():
                        scores[kind].append(x)
            temperature = self.adversarial_temperature
            weights = {kind: self_adversarial_weights(torch.cat(x), temperature) for kind, x in scores.items()}
            batch = dataclasses.replace(batch, weights=weights)
        self.monitor.begin()
        return batch

    @contextmanager
    def _sharing_all(self, positives: LongTensor) -> Iterator[None]:
        """Within this context, real and synthetic triples are scored by the same entities and statistics."""
        with self.model.sharing(positives[:, [0, 2]]), running_statistics(self.model.interaction):
            yield

    def score_synthetic(self, positives: LongTensor, batch: SyntheticBatch) -> Mapping[SyntheticKind, FloatTensor]:
        """Return the scores of synthetic triples made of positive ones, each of shape ``(batch_size, num_groups)``."""
        head, tail = self.synthesizer(self.model, positives, batch.noise)
        self.monitor.observe(head, tail)
        synthetic = self.model.score_synthetic(positives, head, tail, kinds=self.synthetic_kinds)
        # already part of the loss for sampled negatives
        self.model.collect_regularization_term()  # type: ignore[no-untyped-call]
        return synthetic

    def discriminator_loss(self, positive: FloatTensor, positives: LongTensor, batch: SyntheticBatch) -> FloatTensor:
        """Return the adversarial loss of positive triples by their scores, themselves, and the noise."""
        options = self.margin, self.adversarial_temperature, self.adversarial_weighting
        loss = adversarial_loss(positive, self.score_synthetic(positives, batch), *options, batch.weights)
        if batch.mixing is not None:
            loss = loss + self.gradient_penalty * self.penalize_gradients(positives, batch)
        return loss

    def penalize_gradients(self, positives: LongTensor, batch: SyntheticBatch) -> FloatTensor:
        r"""Return the gradient penalty (Gulrajani et al., 2017).

        .. math ::
            \left(\|\nabla_{\mathbf{x}} f(h, r, t)\|_2 - 1\right)^2

        where $\mathbf{x}$ are the modality embeddings of head and tail, between the real and the synthetic ones at
        random. It has gradients with respect to what scores them, and not to what they are made of.

        :param positives: shape: ``(batch_size, 3)``, the ID-based positive triples.
        :param batch: The noise, and the shares of what is real.
        :returns: shape: ``()``, the mean over triples.
        """
        assert batch.mixing is not None
        fake = self.synthesizer(self.model, positives, batch.noise)
        real = [self.model.real_embeddings(positives[:, column]) for column in (0, 2)]
        head, tail = (
            {
                name: torch.lerp(x[name].detach(), y.detach().unsqueeze(dim=1), batch.mixing).requires_grad_()
                for name, y in there.items()
            }
            for x, there in zip(fake, real, strict=True)
        )
        scores = self.model.score_synthetic(positives, head, tail, kinds=["both"])["both"]
        self.model.collect_regularization_term()  # type: ignore[no-untyped-call]
        gradients = torch.autograd.grad(scores.sum(), [*head.values(), *tail.values()], create_graph=True)
        penalty: FloatTensor = (torch.cat(gradients, dim=-1).norm(dim=-1) - 1).square().mean()
        return penalty

    def step_generators(self, batch: Any, only_size_probing: bool) -> None:
        """Make one step of the generators, with new noise (lines 10 to 14 of algorithm 1).

        :raises NonFiniteLossError: if the generators' loss is not finite
        """
        if self.adversarial_weight == 0:
            return
        positives = self.get_positives(batch).to(self.device)
        part_size = self._sub_batch_size or len(positives)
        synthetic_batch = self.draw_synthetic(positives, part_size, generators=True)
        options = self.margin, self.adversarial_temperature, self.adversarial_weighting, self.generator_objective
        with self.generators.gradients() as accumulate:
            for start, stop in row_chunks(len(positives), part_size):
                part = positives[start:stop]
                with self._sharing_all(part):
                    with torch.no_grad():
                        positive = score_positives(self.model, part).squeeze(dim=-1)
                    drawn = synthetic_batch.part(start, stop)
                    loss = generator_loss(positive, self.score_synthetic(part, drawn), *options, drawn.weights)
                share = len(part) / len(positives)
                self.meter.add(share, generator_loss=loss)
                if not self.asynchronous and not torch.isfinite(loss):
                    raise NonFiniteLossError(explain_non_finite_loss(self.meter.means()))
                accumulate(share * loss)
        if not only_size_probing:
            self.generators.optimizer.step()
