"""Synthetic triples of a batch, and what the two players lose or gain by them."""

import dataclasses
from collections.abc import Collection, Mapping

import torch
from typing_extensions import Self

from ..models import SyntheticScoringModel
from ..nn.regularized import running_statistics
from ..typing import FloatTensor, LongTensor, SyntheticKind
from .monitoring import GeneratorMonitor
from .objectives import (
    AdversarialWeighting,
    GeneratorObjective,
    adversarial_loss,
    generator_loss,
    self_adversarial_weights,
)
from .synthesis import Synthesizer, SyntheticNoise

__all__ = ["Adversary", "SyntheticBatch"]


@dataclasses.dataclass(frozen=True, eq=False)
class SyntheticBatch:
    """The noise of a batch and, if it is processed in parts, the weights of its synthetic triples.

    Self-adversarial weights are a softmax over the batch. A part of it does not know the others' scores, and would
    have other weights; with these here, gradients of the parts add up to that of the batch.
    """

    #: shape of each: ``(batch_size, num_groups, noise_dim)``, the noise of heads and of tails by modality
    noise: SyntheticNoise

    #: shape of each: ``(batch_size, num_groups)``, the weights by kind; ``None`` if they need not be known beforehand
    weights: Mapping[SyntheticKind, FloatTensor] | None = None

    @property
    def batch_size(self) -> int:
        """Return the number of triples."""
        head, _ = next(iter(self.noise.values()))
        return head.shape[0]

    def part(self, start: int, stop: int) -> Self:
        """Select a part of the batch.

        :param start: The first triple.
        :param stop: The triple after the last one.
        :returns: The part. Its weights are multiplied by the inverse of its share of the batch, since its loss is going
            to be multiplied by the share.
        """
        if (start, stop) == (0, self.batch_size):
            return self
        factor = self.batch_size / (stop - start)
        weights = self.weights
        if weights is not None:
            weights = {kind: factor * x[start:stop] for kind, x in weights.items()}
        noise = {name: (head[start:stop], tail[start:stop]) for name, (head, tail) in self.noise.items()}
        return dataclasses.replace(self, noise=noise, weights=weights)


@dataclasses.dataclass(eq=False)
class Adversary:
    """The generators' side of the game: synthetic triples, and the objectives in which they occur."""

    model: SyntheticScoringModel
    synthesizer: Synthesizer
    monitor: GeneratorMonitor
    kinds: Collection[SyntheticKind]
    margin: float
    temperature: float
    weighting: AdversarialWeighting
    objective: GeneratorObjective

    def draw(
        self, positives: LongTensor, num_groups: int, part_size: int | None = None, *, generators: bool = False
    ) -> SyntheticBatch:
        """Draw what is needed for a batch.

        :param positives: shape: ``(batch_size, 3)``
            The ID-based positive triples.
        :param num_groups: The number of groups of synthetic triples.
        :param part_size: The number of triples to process at once; all, if ``None``.
        :param generators: Whether it is for the generators' loss, rather than for the discriminator's.
        :returns: The noise and, if needed, the weights.
        """
        batch = SyntheticBatch(noise=self.synthesizer.draw(len(positives), num_groups))
        weighted = self.weighting == "self-adversarial" and not (generators and self.objective != "minimax")
        if not weighted or part_size is None or part_size >= len(positives):
            self.monitor.begin()
            return batch
        scores: dict[SyntheticKind, list[FloatTensor]] = {kind: [] for kind in self.kinds}
        with torch.no_grad():
            for start in range(0, len(positives), part_size):
                stop = min(start + part_size, len(positives))
                part = positives[start:stop]
                with self.model.sharing(part[:, [0, 2]]), running_statistics(self.model.interaction):
                    for kind, x in self.score(part, batch.part(start, stop)).items():
                        scores[kind].append(x)
        self.monitor.begin()
        weights = {kind: self_adversarial_weights(torch.cat(x), self.temperature) for kind, x in scores.items()}
        return dataclasses.replace(batch, weights=weights)

    def score(self, positives: LongTensor, batch: SyntheticBatch) -> Mapping[SyntheticKind, FloatTensor]:
        """Score synthetic triples made of positive ones.

        :param positives: shape: ``(batch_size, 3)``
            The ID-based positive triples.
        :param batch: The noise.
        :returns: shape of each: ``(batch_size, num_groups)``
            The scores of each kind.
        """
        head, tail = self.synthesizer(self.model, positives, batch.noise)
        self.monitor.observe(head, tail)
        synthetic = self.model.score_synthetic(positives, head, tail, kinds=self.kinds)
        # already part of the loss for sampled negatives
        self.model.collect_regularization_term()  # type: ignore[no-untyped-call]
        return synthetic

    def discriminator_loss(self, positive: FloatTensor, positives: LongTensor, batch: SyntheticBatch) -> FloatTensor:
        """Calculate the adversarial loss.

        :param positive: shape: ``(batch_size,)``
            The scores of the positive triples.
        :param positives: shape: ``(batch_size, 3)``
            The ID-based positive triples.
        :param batch: The noise and the weights.
        :returns: shape: ``()``
            The loss.
        """
        return adversarial_loss(
            positive,
            self.score(positives, batch),
            self.margin,
            self.temperature,
            weighting=self.weighting,
            weights=batch.weights,
        )

    def generator_loss(self, positive: FloatTensor, positives: LongTensor, batch: SyntheticBatch) -> FloatTensor:
        """Calculate the generators' loss, cf. :meth:`discriminator_loss`."""
        return generator_loss(
            positive,
            self.score(positives, batch),
            self.margin,
            self.temperature,
            weighting=self.weighting,
            objective=self.objective,
            weights=batch.weights,
        )
