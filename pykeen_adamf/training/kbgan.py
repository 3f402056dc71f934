"""Negatives that another model has learned to choose."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from class_resolver import HintOrType, OptionalKwargs
from pykeen.models import Model, model_resolver
from pykeen.training import NonFiniteLossError
from pykeen.triples import CoreTriplesFactory
from pykeen.triples.instances import SLCWABatch
from torch.optim import Optimizer

from ..typing import BoolTensor, FloatTensor
from .learned_negatives import LearnedNegativesTrainingLoop
from .slcwa import score_negatives

__all__ = ["KBGANTrainingLoop"]

#: How many candidates there are for each negative, in the authors' code.
NUM_CANDIDATES = 20

#: How much of the mean reward is that of the latest step.
MOMENTUM = 0.1


class KBGANTrainingLoop(LearnedNegativesTrainingLoop):
    r"""Adversarial negative sampling (KBGAN; Cai and Wang, 2018).

    The negative sampler draws candidates. Of those of a triple, another model, the generator, chooses one, the negative
    $n$, with the probability $p(n)$, a softmax of its scores. The trained model is the discriminator. What it scores
    the negative is the generator's reward: negatives that seem to be true are the ones to learn from. After each batch,
    the generator makes a step on

    .. math ::
        -\left(f(n) - b\right) \log p(n)

    (REINFORCE), where $b$ is a running mean of rewards. Generator and discriminator are any two models of PyKEEN or of
    this package; a generator that was trained before can be passed as an instance. Its state is part of checkpoints.

    ---
    citation:
        author: Cai
        year: 2018
        link: https://aclanthology.org/N18-1133
        github: cai-lw/KBGAN
    """

    chooser_name = "generator"

    def __init__(
        self,
        *,
        triples_factory: CoreTriplesFactory,
        generator: HintOrType[Model] = "DistMult",
        generator_kwargs: OptionalKwargs = None,
        generator_optimizer: HintOrType[Optimizer] = None,
        generator_optimizer_kwargs: OptionalKwargs = None,
        negative_sampler_kwargs: OptionalKwargs = None,
        **kwargs: Any,
    ) -> None:
        """Initialize the training loop.

        :param triples_factory: The training triples.
        :param generator: The generator: an instance, which may be trained, a class, or a name.
        :param generator_kwargs: Keyword-based parameters of the generator.
        :param generator_optimizer: The generator's optimizer. Defaults to Adam.
        :param generator_optimizer_kwargs: Its keyword-based parameters.
        :param negative_sampler_kwargs: Keyword-based parameters of the negative sampler; ``num_negs_per_pos`` is the
            number of candidates for the one negative, by default 20.
        :param kwargs: Additional keyword-based parameters passed to :class:`.slcwa.SamplingTrainingLoop`.
        :raises ValueError: if the generator is of other entities or relations, or, in the first step, if there are
            less than two candidates
        """
        sampler_kwargs = {"num_negs_per_pos": NUM_CANDIDATES, **(negative_sampler_kwargs or {})}
        super().__init__(triples_factory=triples_factory, negative_sampler_kwargs=sampler_kwargs, **kwargs)
        if not isinstance(generator, Model):
            generator_kwargs = {"random_seed": self.model._random_seed, **(generator_kwargs or {})}
        # whatever the generator is, the model is trained with the same random numbers
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            self.generator: Model = model_resolver.make(generator, generator_kwargs, triples_factory=triples_factory)
        sizes = [(x.num_entities, x.num_relations) for x in (self.model, self.generator)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"The generator has {sizes[1][0]:,} entities and {sizes[1][1]:,} relations, but the model has "
                f"{sizes[0][0]:,} and {sizes[0][1]:,}. Use one of the same triples."
            )
        self._set_chooser(self.generator, generator_optimizer, generator_optimizer_kwargs)

    def _reset_chooser(self) -> None:
        super()._reset_chooser()
        #: the running mean of rewards
        self.baseline = 0.0
        self._rewards: list[FloatTensor] = []

    def extra_state(self) -> dict[str, Any]:  # noqa: D102
        return {**super().extra_state(), "baseline": self.baseline}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:  # noqa: D102
        super().load_extra_state(state)
        self.baseline = state["baseline"]

    def _process_batch(
        self, batch: SLCWABatch, start: int, stop: int, label_smoothing: float = 0.0, slice_size: int | None = None
    ) -> FloatTensor:
        positives, candidates = (batch[name][start:stop].to(self.device) for name in ("positives", "negatives"))
        if candidates.shape[1] < 2:
            raise ValueError("There is nothing to choose from with num_negs_per_pos=1. Use at least 2 candidates.")
        self.generator.train(self.model.training)
        scores = self.generator.score_hrt(candidates.reshape(-1, 3)).view(candidates.shape[:-1])
        masks, valid = batch.get("masks"), None
        if masks is not None:
            masks = masks[start:stop].to(self.device)
            valid = masks.any(dim=-1, keepdim=True)
            # where no candidate is valid, the loss does not look at the negative
            scores = scores.masked_fill(~masks & valid, -torch.inf)
        log_probabilities = scores.log_softmax(dim=-1)
        # on other devices, it would be waited for
        if not self.asynchronous and bool(log_probabilities.isnan().any()):
            raise NonFiniteLossError("The generator's scores are no numbers. Lower its learning rate.")
        chosen = log_probabilities.detach().exp().multinomial(1)
        negatives = candidates.gather(1, chosen.unsqueeze(dim=-1).expand(-1, -1, 3))
        if self._is_learning:
            with torch.no_grad():
                scored = cast(SLCWABatch, {"positives": positives, "negatives": negatives})
                # with what they have in common with positives, which some models must not look at
                rewards = score_negatives(self.model, scored, 0, len(positives))
            self._accumulate(rewards, log_probabilities.gather(1, chosen), valid, len(batch["positives"]))
        part = cast(SLCWABatch, {"positives": positives, "negatives": negatives, "masks": valid})
        if (weights := batch.get("pos_weights")) is not None:
            part["pos_weights"] = weights[start:stop]
        if (weights := batch.get("neg_weights")) is not None:
            part["neg_weights"] = weights[start:stop].to(self.device).gather(1, chosen)
        loss: FloatTensor = super()._process_batch(
            part, 0, len(positives), label_smoothing=label_smoothing, slice_size=slice_size
        )
        return loss

    def _accumulate(
        self, rewards: FloatTensor, log_probabilities: FloatTensor, valid: BoolTensor | None, batch_size: int
    ) -> None:
        """Add up the generator's gradient of a part of a batch; the shape of all is ``(part_size, 1)``."""
        if valid is not None:
            rewards, log_probabilities = rewards[valid], log_probabilities[valid]
        loss = -((rewards - self.baseline) * log_probabilities).sum() / batch_size
        (loss + self.generator.collect_regularization_term() * len(rewards) / batch_size).backward()
        self._rewards.append(rewards.flatten())

    def step_chooser(self) -> None:
        """Let the generator make a step, after all parts of a batch."""
        super().step_chooser()
        self.generator.post_parameter_update()
        rewards = torch.cat(self._rewards)
        self._rewards.clear()
        if len(rewards):
            self.baseline += MOMENTUM * (float(rewards.mean()) - self.baseline)
