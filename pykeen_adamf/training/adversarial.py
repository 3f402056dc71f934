"""The training loop of modality adversarial training."""

import math
from collections.abc import Collection, Mapping
from hashlib import md5
from typing import Any

import torch
from class_resolver import HintOrType, OptionalKwargs, ResolverKey, update_docstring_with_resolver_keys
from class_resolver.contrib.torch import optimizer_resolver
from pykeen.sampling import NegativeSampler
from pykeen.training import NonFiniteLossError, SLCWATrainingLoop
from pykeen.training.callbacks import MultiTrainingCallback
from pykeen.triples import CoreTriplesFactory
from pykeen.triples.instances import SLCWABatch
from torch.optim import Optimizer

from ..constants import SYNTHETIC_KINDS
from ..models import SyntheticScoringModel, supports_synthetic_scoring
from ..sampling import FilteredBernoulliNegativeSampler
from ..typing import FloatTensor, LongTensor, SyntheticKind
from .checkpointing import GeneratorCheckpointingLoop
from .fused import prefer_fused
from .generator_step import NON_FINITE_GENERATOR_LOSS, GeneratorTrainingCallback, LossMeter
from .generators import TrainableGenerators
from .negatives import negative_sampling_loss, score_negatives, score_positives
from .objectives import (
    ADVERSARIAL_WEIGHTINGS,
    GENERATOR_OBJECTIVES,
    AdversarialWeighting,
    GeneratorObjective,
    adversarial_loss,
    generator_loss,
)
from .options import HPO_RANGES, check_choice, check_kinds, check_positive, check_weight, from_loss
from .synthesis import Synthesizer

__all__ = ["MATTrainingLoop"]


class MATTrainingLoop(GeneratorCheckpointingLoop):
    r"""Modality adversarial training (MAT), the training strategy of AdaMF-MAT.

    Generators create synthetic modality embeddings from structural embeddings and noise. A batch is processed as in
    algorithm 1 of the paper: first the model, as discriminator, minimizes

    .. math ::
        \mathcal{L}_{kgc} + \lambda \mathcal{L}_{adv}

    where $\mathcal{L}_{kgc}$ is the model's loss with sampled negatives, as in PyKEEN's sLCWA training loop, and
    $\mathcal{L}_{adv}$ contrasts the positive triples with synthetic ones. Then, with new noise, the generators make
    one step against $\mathcal{L}_{adv}$, with an optimizer of their own.

    Any :class:`pykeen_adamf.models.SyntheticScoringModel` can be trained. With $\lambda = 0$ there is no adversarial
    training, and the loop is PyKEEN's sLCWA training loop, bit by bit.

    The paper and its published code differ in the adversarial loss; ``adversarial_weighting`` and
    ``generator_objective`` choose, with the code's variants as defaults.
    """

    #: The paper's grid. All of these are parameters of :meth:`train`: PyKEEN's hyper-parameter optimization can tune
    #: neither those of the constructor, nor the negative sampler of any but its own training loops.
    hpo_default = {**SLCWATrainingLoop.hpo_default, **HPO_RANGES}

    #: The mean losses of each epoch: ``kgc_loss``, ``adversarial_loss``, ``discriminator_loss``, ``generator_loss``
    adversarial_losses_per_epoch: list[Mapping[str, float]]

    model: SyntheticScoringModel

    @update_docstring_with_resolver_keys(
        ResolverKey("generator_optimizer", "class_resolver.contrib.torch.optimizer_resolver"),
        ResolverKey("negative_sampler", "pykeen.sampling.negative_sampler_resolver"),
    )
    def __init__(
        self,
        *,
        adversarial_weight: float = 0.1,
        num_groups: int = 1,
        noise_dim: int = 64,
        hidden_dim: int = 512,
        synthetic_kinds: Collection[SyntheticKind] = SYNTHETIC_KINDS,
        adversarial_weighting: AdversarialWeighting = "self-adversarial",
        generator_objective: GeneratorObjective = "non-saturating",
        margin: float | None = None,
        adversarial_temperature: float | None = None,
        generator_optimizer: HintOrType[Optimizer] = None,
        generator_optimizer_kwargs: OptionalKwargs = None,
        negative_sampler: HintOrType[NegativeSampler] = None,
        negative_sampler_kwargs: OptionalKwargs = None,
        **kwargs: Any,
    ) -> None:
        r"""Initialize the training loop.

        :param adversarial_weight: >=0
            The weight $\lambda$ of the adversarial loss.
        :param num_groups: >0
            The number $L$ of groups of synthetic triples for each positive triple.
        :param noise_dim: >0
            The dimension of the generators' noise.
        :param hidden_dim: >0
            The dimension of the generators' hidden layers.
        :param synthetic_kinds: Which synthetic triples to use: those with a synthetic ``"head"``, ``"tail"``, or
            ``"both"``.
        :param adversarial_weighting: ``"self-adversarial"`` as the reference code, or ``"uniform"`` as the paper, cf.
            :func:`pykeen_adamf.training.objectives.adversarial_loss`. With sub-batches, the former's softmax is over
            the sub-batch.
        :param generator_objective: ``"non-saturating"`` as the reference code, or ``"minimax"`` as the paper, cf.
            :func:`pykeen_adamf.training.objectives.generator_loss`.
        :param margin: The margin of the adversarial loss. Defaults to the model's loss' margin.
        :param adversarial_temperature: The temperature of self-adversarial weighting. Defaults to the model's loss'.
        :param generator_optimizer: The generators' optimizer. Defaults to Adam.
        :param generator_optimizer_kwargs: Keyword-based parameters of the generators' optimizer. The learning rate
            defaults to the one of the model's optimizer.
        :param negative_sampler: The negative sampler. Defaults to
            :class:`pykeen_adamf.sampling.FilteredBernoulliNegativeSampler` with 128 negatives for each positive.
        :param negative_sampler_kwargs: Keyword-based parameters of the negative sampler. PyKEEN's hyper-parameter
            optimization passes the negative sampler on to its own training loops only; there, use
            ``training_loop_kwargs`` for another sampler, and ``training_kwargs`` for the number of negatives.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.training.SLCWATrainingLoop`.
        :raises ValueError: if the model cannot be trained with synthetic embeddings, or an option is invalid
        """
        super().__init__(
            negative_sampler=FilteredBernoulliNegativeSampler if negative_sampler is None else negative_sampler,
            negative_sampler_kwargs=negative_sampler_kwargs,
            **kwargs,
        )
        if not supports_synthetic_scoring(self.model):
            raise ValueError(
                f"{self.model.__class__.__name__} cannot be trained with modality adversarial training: it must be a "
                f"pykeen_adamf.models.SyntheticScoringModel with a structural and at least one other modality, such as "
                f"AdaMFRotatE (without use_structural=False). Use training_loop='sLCWA' for other models.",
            )
        self.synthetic_kinds = check_kinds(synthetic_kinds)
        self.adversarial_weighting = check_choice(
            "adversarial_weighting", adversarial_weighting, ADVERSARIAL_WEIGHTINGS
        )
        self.generator_objective = check_choice("generator_objective", generator_objective, GENERATOR_OBJECTIVES)
        self.adversarial_weight = check_weight(adversarial_weight)
        self.num_groups = check_positive("num_groups", num_groups)
        self.margin = from_loss("margin", margin, self.loss, "margin")
        self.adversarial_temperature = from_loss(
            "adversarial_temperature", adversarial_temperature, self.loss, "inverse_softmax_temperature"
        )
        generator_optimizer_kwargs = dict(generator_optimizer_kwargs or {})
        generator_optimizer_kwargs.setdefault("lr", self.optimizer.param_groups[0]["lr"])
        self.synthesizer = Synthesizer(
            structural_dim=self.model.structural_dim,
            synthetic_dims=self.model.synthetic_dims,
            noise_dim=check_positive("noise_dim", noise_dim),
            hidden_dim=check_positive("hidden_dim", hidden_dim),
        )
        self.generators = TrainableGenerators(
            self.synthesizer, optimizer_resolver.lookup(generator_optimizer), generator_optimizer_kwargs
        )
        self.adversarial_losses_per_epoch = []
        self.meter = LossMeter()
        self.progress_bar: Any = None
        self._measuring = False
        self._sub_batch_size: int | None = None
        self._reset_generators()

    def _reset_generators(self) -> None:
        seed = self.model._random_seed
        self.generators.reset(seed if isinstance(seed, int) else torch.initial_seed(), device=self.model.device)
        self.meter.reset()

    # docstr-coverage: inherited
    @property
    def checksum(self) -> str:  # noqa: D102
        options = (
            *(self.adversarial_weight, self.num_groups, self.synthetic_kinds),
            *(self.margin, self.adversarial_temperature),
            *(self.adversarial_weighting, self.generator_objective),
        )
        configuration = f"{super().checksum} {self.synthesizer} {self.generators.optimizer} {options}"
        return md5(configuration.encode()).hexdigest()  # noqa: S324

    def train(
        self,
        triples_factory: CoreTriplesFactory,
        *args: Any,
        adversarial_weight: float | None = None,
        generator_lr: float | None = None,
        num_groups: int | None = None,
        num_negs_per_pos: int | None = None,
        **kwargs: Any,
    ) -> list[float] | None:
        r"""Train the model.

        :param triples_factory: The training triples.
        :param args: Additional parameters passed to :meth:`pykeen.training.TrainingLoop.train`.
        :param adversarial_weight: The weight $\lambda$ of the adversarial loss, if it is to be changed.
        :param generator_lr: The learning rate of the generators' optimizer, if it is to be changed.
        :param num_groups: The number $L$ of groups of synthetic triples, if it is to be changed.
        :param num_negs_per_pos: The number of negatives for each positive triple, if it is to be changed.
        :param kwargs: Additional keyword-based parameters passed to :meth:`pykeen.training.TrainingLoop.train`.
        :returns: The losses per epoch, i.e., of the discriminator.
        """
        if adversarial_weight is not None:
            self.adversarial_weight = check_weight(adversarial_weight)
        if num_groups is not None:
            self.num_groups = check_positive("num_groups", num_groups)
        if generator_lr is not None:
            self.generators.set_lr(generator_lr)
        if num_negs_per_pos is not None:
            self.negative_sampler_kwargs = {
                **(self.negative_sampler_kwargs or {}),
                "num_negs_per_pos": check_positive("num_negs_per_pos", num_negs_per_pos),
            }
        if self.adversarial_weight > 0:
            # without adversarial training, this loop is PyKEEN's to the last bit
            prefer_fused(self.optimizer)
        return super().train(triples_factory, *args, **kwargs)

    # docstr-coverage: inherited
    def _train(self, *args: Any, **kwargs: Any) -> list[float] | None:
        if not kwargs.get("continue_training", False):
            # as the super class does with the model and its optimizer
            self._reset_generators()
        return super()._train(*args, **kwargs)

    # docstr-coverage: inherited
    def _train_epoch(  # type: ignore[override]
        self, batches: Any, callbacks: MultiTrainingCallback, sub_batch_size: int | None, **kwargs: Any
    ) -> float:
        # PyKEEN also calls this to measure the loss on other triples, where nothing must be trained
        self._measuring = not kwargs.get("backward", True)
        self._sub_batch_size = sub_batch_size
        self.progress_bar = batches if hasattr(batches, "set_postfix") else None
        registered = any(isinstance(callback, GeneratorTrainingCallback) for callback in callbacks.callbacks)
        if not self._measuring and not registered:
            # the last callback, i.e., after the model's update, as in algorithm 1
            callbacks.register_callback(
                GeneratorTrainingCallback(
                    only_size_probing=kwargs["only_size_probing"],
                    # to show a loss means to wait for it
                    update_progress_every=100 if self.asynchronous else 10,
                )
            )
        try:
            loss = super()._train_epoch(batches, callbacks, sub_batch_size, **kwargs)
        finally:
            self._measuring = False
        if self.asynchronous and not math.isfinite(self.meter.means().get("generator_loss", 0.0)):
            raise NonFiniteLossError(NON_FINITE_GENERATOR_LOSS)
        return loss

    # docstr-coverage: inherited
    def _process_batch(
        self,
        batch: SLCWABatch,
        start: int,
        stop: int,
        label_smoothing: float = 0.0,
        slice_size: int | None = None,
    ) -> FloatTensor:
        if self.adversarial_weight == 0 or self._measuring:
            return super()._process_batch(batch, start, stop, label_smoothing=label_smoothing, slice_size=slice_size)
        if slice_size is not None:
            raise AttributeError("Slicing is not possible for sLCWA training loops.")
        positives = batch["positives"][start:stop].to(self.device)
        entities = positives[:, [0, 2]]
        others = batch["negatives"][start:stop, ..., [0, 2]].to(self.device)
        with self.model.sharing(torch.cat([entities.flatten(), others.flatten()])):
            negative = score_negatives(self.model, batch, start, stop)
            with self.model.sharing(entities):
                positive = score_positives(self.model, positives)
                kgc_loss = negative_sampling_loss(
                    self.model, self.loss, batch, start, stop, positive, negative, label_smoothing
                )
                synthetic = self._score_synthetic(positives)
        positive = positive.squeeze(dim=-1)
        loss = adversarial_loss(
            positive, synthetic, self.margin, self.adversarial_temperature, weighting=self.adversarial_weighting
        )
        total = kgc_loss + self.adversarial_weight * loss
        self.meter.add(
            (stop - start) / len(batch["positives"]), kgc_loss=kgc_loss, adversarial_loss=loss, discriminator_loss=total
        )
        return total

    def _score_synthetic(self, positives: LongTensor) -> Mapping[SyntheticKind, FloatTensor]:
        """Score new synthetic triples made of positive ones."""
        head, tail = self.synthesizer(self.model, positives, self.num_groups)
        synthetic = self.model.score_synthetic(positives, head, tail, kinds=self.synthetic_kinds)
        # already part of the loss for sampled negatives
        self.model.collect_regularization_term()  # type: ignore[no-untyped-call]
        return synthetic

    def step_generators(self, batch: SLCWABatch, only_size_probing: bool) -> None:
        """Make one step of the generators, with new noise (lines 10 to 14 of algorithm 1).

        :param batch: The batch.
        :param only_size_probing: Whether to leave the parameters as they are.
        :raises NonFiniteLossError: if the generators' loss is not finite
        """
        if self.adversarial_weight == 0:
            return
        positives = batch["positives"].to(self.device)
        with self.generators.gradients() as accumulate:
            for sub_batch in positives.split(self._sub_batch_size or len(positives)):
                with self.model.sharing(sub_batch[:, [0, 2]]):
                    with torch.no_grad():
                        positive = score_positives(self.model, sub_batch).squeeze(dim=-1)
                    synthetic = self._score_synthetic(sub_batch)
                loss = generator_loss(
                    positive,
                    synthetic,
                    self.margin,
                    self.adversarial_temperature,
                    weighting=self.adversarial_weighting,
                    objective=self.generator_objective,
                )
                if not self.asynchronous and not torch.isfinite(loss):
                    raise NonFiniteLossError(NON_FINITE_GENERATOR_LOSS)
                share = len(sub_batch) / len(positives)
                self.meter.add(share, generator_loss=loss)
                accumulate(share * loss)
        if not only_size_probing:
            self.generators.optimizer.step()
