"""The training loops of modality adversarial training."""

from collections.abc import Collection, Mapping
from typing import Any

from class_resolver import HintOrType, OptionalKwargs, ResolverKey, update_docstring_with_resolver_keys
from class_resolver.contrib.torch import optimizer_resolver
from pykeen.lr_schedulers import LRScheduler
from pykeen.training import SLCWATrainingLoop
from pykeen.triples import CoreTriplesFactory
from torch.optim import Optimizer

from ..checks import check_choice, check_not_negative, check_positive
from ..constants import SYNTHETIC_KINDS
from ..models import supports_synthetic_scoring
from ..optimizers import prefer_fused
from ..typing import SyntheticKind
from .adversarial_step import AdversarialStepLoop
from .checkpoint_checks import PerEpoch
from .configuration import describe
from .generators import Synthesizer, TrainableGenerators
from .monitoring import GeneratorMonitor, LossMeter
from .objectives import ADVERSARIAL_WEIGHTINGS, GENERATOR_OBJECTIVES, AdversarialWeighting, GeneratorObjective
from .one_vs_all import OneVsAllTrainingLoop
from .options import HPO_RANGES, check_kinds, from_loss
from .slcwa import SamplingTrainingLoop

__all__ = ["AdversarialTrainingLoop", "MATTrainingLoop", "OneVsAllMATTrainingLoop"]


class AdversarialTrainingLoop(AdversarialStepLoop):
    """Modality adversarial training on top of another training loop, which is the next one among the base classes."""

    @update_docstring_with_resolver_keys(
        ResolverKey("generator_optimizer", "class_resolver.contrib.torch.optimizer_resolver"),
        ResolverKey("generator_lr_scheduler", "class_resolver.contrib.torch.lr_scheduler_resolver"),
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
        gradient_penalty: float = 0.0,
        joint_generator: bool = False,
        margin: float | None = None,
        adversarial_temperature: float | None = None,
        generator_optimizer: HintOrType[Optimizer] = None,
        generator_optimizer_kwargs: OptionalKwargs = None,
        generator_lr_scheduler: HintOrType[LRScheduler] = None,
        generator_lr_scheduler_kwargs: OptionalKwargs = None,
        collapse_threshold: float = 1.0e-4,
        **kwargs: Any,
    ) -> None:
        r"""Initialize the training loop.

        :param adversarial_weight: >=0, the weight $\lambda$ of the adversarial loss.
        :param num_groups: >0, the number $L$ of groups of synthetic triples for each positive triple.
        :param noise_dim: >0, the dimension of the generators' noise.
        :param hidden_dim: >0, the dimension of the generators' hidden layers.
        :param synthetic_kinds: Which synthetic triples to use: those with a synthetic ``"head"``, ``"tail"``, or
            ``"both"``.
        :param adversarial_weighting: ``"self-adversarial"`` as the reference code, ``"uniform"`` as the paper, or
            ``"wasserstein"`` as NativE, cf. :func:`pykeen_adamf.training.adversarial_loss`. With sub-batches, the
            first one scores synthetic triples twice, for its softmax over the batch. For the last one, objective,
            margin and temperature do not matter.
        :param generator_objective: ``"non-saturating"`` as the reference code, or ``"minimax"`` as the paper, cf.
            :func:`pykeen_adamf.training.generator_loss`.
        :param gradient_penalty: >=0, the weight of the gradient penalty in the adversarial loss, to be used with
            ``adversarial_weighting="wasserstein"``, cf. :meth:`penalize_gradients`.
        :param joint_generator: Whether there is one generator for all modalities, conditioned on all, as in NativE.
        :param margin: The margin of the adversarial loss. Defaults to the model's loss' margin, or to 0 for losses that
            take scores for logits, such as the cross-entropy.
        :param adversarial_temperature: The temperature of self-adversarial weighting. Defaults to the model's loss', or
            to 1 for losses that take scores for logits.
        :param generator_optimizer: The generators' optimizer. Defaults to Adam.
        :param generator_optimizer_kwargs: Keyword-based parameters of the generators' optimizer. The learning rate
            defaults to the one of the model's optimizer.
        :param generator_lr_scheduler: The scheduler of the generators' learning rate, with one step for each epoch.
            Defaults to a constant learning rate. The model's own is ``lr_scheduler``.
        :param generator_lr_scheduler_kwargs: Keyword-based parameters of this scheduler.
        :param collapse_threshold: >=0, below which variance of its output, relative to its mean square, a generator is
            reported as collapsed.
        :param kwargs: Additional keyword-based parameters passed to the training loop below.
        :raises ValueError: if the model cannot be trained with synthetic embeddings, or an option is invalid
        """
        super().__init__(**kwargs)
        if not supports_synthetic_scoring(self.model):
            raise ValueError(
                f"{self.model.__class__.__name__} cannot be trained with modality adversarial training: it must be a "
                f"pykeen_adamf.models.SyntheticScoringModel with a structural and at least one other modality, such as "
                f"AdaMFRotatE or AdaMF (without use_structural=False). For others, use training_loop='sLCWA' or "
                f"'OneVsAll'."
            )
        self.synthetic_kinds = check_kinds(synthetic_kinds)
        self.adversarial_weighting = check_choice(
            "adversarial_weighting", adversarial_weighting, ADVERSARIAL_WEIGHTINGS
        )
        self.generator_objective = check_choice("generator_objective", generator_objective, GENERATOR_OBJECTIVES)
        self.gradient_penalty = check_not_negative("gradient_penalty", gradient_penalty)
        self.adversarial_weight = check_not_negative("adversarial_weight", adversarial_weight)
        self.num_groups = check_positive("num_groups", num_groups)
        self.margin = from_loss("margin", margin, self.loss, "margin", of_logits=0.0)
        self.adversarial_temperature = from_loss(
            "adversarial_temperature", adversarial_temperature, self.loss, "inverse_softmax_temperature", of_logits=1.0
        )
        generator_optimizer_kwargs = dict(generator_optimizer_kwargs or {})
        group = self.optimizer.param_groups[0]
        # a schedule may have changed the learning rate already
        generator_optimizer_kwargs.setdefault("lr", group.get("initial_lr", group["lr"]))
        self.synthesizer = Synthesizer(
            structural_dim=self.model.structural_dim,
            synthetic_dims=self.model.synthetic_dims,
            noise_dim=check_positive("noise_dim", noise_dim),
            hidden_dim=check_positive("hidden_dim", hidden_dim),
            joint=joint_generator,
        )
        self.companion = self.synthesizer
        self.generators = TrainableGenerators(
            self.synthesizer,
            optimizer_resolver.lookup(generator_optimizer),
            generator_optimizer_kwargs,
            lr_scheduler=generator_lr_scheduler,
            lr_scheduler_kwargs=generator_lr_scheduler_kwargs,
        )
        self.adversarial_losses_per_epoch = []
        self.meter = LossMeter()
        self.monitor = GeneratorMonitor(collapse_threshold)
        self._reset_generators()

    def extra_state(self) -> dict[str, Any]:  # noqa: D102
        return {"generators": self.generators.state_dict(), "losses": PerEpoch(self.adversarial_losses_per_epoch)}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:  # noqa: D102
        self.generators.load_state_dict(state["generators"])
        self.adversarial_losses_per_epoch = list(state["losses"])

    def describe_options(self) -> dict[str, str]:  # noqa: D102
        names = (
            *("adversarial_weight", "num_groups", "synthetic_kinds", "margin", "adversarial_temperature"),
            *("adversarial_weighting", "generator_objective"),
            # checkpoints from before there was one do not have it
            *(["gradient_penalty"] if self.gradient_penalty else []),
        )
        return {
            **super().describe_options(),
            **{name: str(getattr(self, name)) for name in names},
            "generators": str(self.synthesizer),
            "generators' optimizer": f"{self.generators.optimizer_cls.__name__} {self.generators.optimizer_kwargs}",
            "generators' learning rate scheduler": describe(self.generators.lr_scheduler),
            "generators' learning rate schedule": describe(self.generators.lr_scheduler_kwargs),
        }

    def train(
        self,
        triples_factory: CoreTriplesFactory,
        *args: Any,
        adversarial_weight: float | None = None,
        generator_lr: float | None = None,
        num_groups: int | None = None,
        **kwargs: Any,
    ) -> list[float] | None:
        r"""Train the model, with the other parameters of the training loop below.

        :param adversarial_weight: The weight $\lambda$ of the adversarial loss, if it is to be changed.
        :param generator_lr: The learning rate of the generators' optimizer, if it is to be changed.
        :param num_groups: The number $L$ of groups of synthetic triples, if it is to be changed.
        :returns: The losses per epoch, i.e., of the discriminator.
        """
        if adversarial_weight is not None:
            self.adversarial_weight = check_not_negative("adversarial_weight", adversarial_weight)
        if num_groups is not None:
            self.num_groups = check_positive("num_groups", num_groups)
        if generator_lr is not None:
            self.generators.set_lr(generator_lr)
        if self.adversarial_weight > 0:
            # without adversarial training, this loop is PyKEEN's to the last bit
            prefer_fused(self.optimizer)
        return super().train(triples_factory, *args, **kwargs)

    def _train(self, *args: Any, **kwargs: Any) -> list[float] | None:
        if not kwargs.get("continue_training", False):
            # as the super class does with the model and its optimizer
            self._reset_generators()
            # and once more when training begins: a search for the size of batches draws noise before
            self._is_new = self._is_new or not kwargs.get("only_size_probing", False)
        return super()._train(*args, **kwargs)


class MATTrainingLoop(AdversarialTrainingLoop, SamplingTrainingLoop):
    r"""Modality adversarial training (MAT), the training strategy of AdaMF-MAT.

    Generators create synthetic modality embeddings from structural embeddings and noise. A batch is processed as in
    algorithm 1 of the paper: first the model, as discriminator, minimizes

    .. math ::
        \mathcal{L}_{kgc} + \lambda \mathcal{L}_{adv}

    where $\mathcal{L}_{kgc}$ is the model's loss with sampled negatives, as in PyKEEN's sLCWA training loop, and
    $\mathcal{L}_{adv}$ contrasts the positive triples with synthetic ones. Then, with new noise, the generators make
    one step against $\mathcal{L}_{adv}$, with an optimizer of their own.

    Any :class:`pykeen_adamf.models.SyntheticScoringModel` can be trained. With $\lambda = 0$ there is no adversarial
    training, and the loop is PyKEEN's sLCWA training loop, bit by bit, but for what PyKEEN does wrong: several workers
    for loading data, schedules that begin with a factor, a search for sub-batches although their size is given, and
    early stopping that does not restore the best model.

    The paper and its published code differ in the adversarial loss; ``adversarial_weighting`` and
    ``generator_objective`` choose, with the code's variants as defaults.
    """

    #: The paper's grid. All of these are parameters of :meth:`train`: PyKEEN's hyper-parameter optimization can tune
    #: neither those of the constructor, nor the negative sampler of any but its own training loops.
    hpo_default = {**SLCWATrainingLoop.hpo_default, **HPO_RANGES}


class OneVsAllMATTrainingLoop(AdversarialTrainingLoop, OneVsAllTrainingLoop):
    r"""Modality adversarial training on top of one softmax for each training triple, over all entities.

    As :class:`MATTrainingLoop`, with the loss of :class:`OneVsAllTrainingLoop` as $\mathcal{L}_{kgc}$. With
    $\lambda = 0$ it is that loop, bit by bit. Its other parameters are those of :class:`AdversarialTrainingLoop`.
    """

    #: The ranges of both
    hpo_default = {
        **{name: x for name, x in HPO_RANGES.items() if name != "num_negs_per_pos"},
        **OneVsAllTrainingLoop.hpo_default,
    }
