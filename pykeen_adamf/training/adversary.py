"""Synthetic triples of a batch, and what the two players lose or gain by them."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import torch
from typing_extensions import Self

from ..chunking import row_chunks
from ..models import SyntheticScoringModel
from ..nn.regularized import running_statistics
from ..typing import FloatTensor, LongTensor, SyntheticKind
from .generators import Synthesizer, SyntheticNoise
from .monitoring import GeneratorMonitor
from .objectives import (
    AdversarialWeighting,
    GeneratorObjective,
    adversarial_loss,
    generator_loss,
    self_adversarial_weights,
)

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

        Its weights are multiplied by the inverse of its share, since its loss is going to be multiplied by the share.
        """
        if (start, stop) == (0, self.batch_size):
            return self
        factor, weights = self.batch_size / (stop - start), self.weights
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
        """Draw the noise of a batch and, if it is processed in parts of some size, calculate the weights it needs.

        These are other ones for the generators' loss than for the discriminator's.
        """
        batch = SyntheticBatch(noise=self.synthesizer.draw(len(positives), num_groups))
        weighted = self.weighting == "self-adversarial" and not (generators and self.objective != "minimax")
        if weighted and part_size is not None and part_size < len(positives):
            scores: dict[SyntheticKind, list[FloatTensor]] = {kind: [] for kind in self.kinds}
            for start, stop in row_chunks(len(positives), part_size):
                part = positives[start:stop]
                with torch.no_grad(), self.sharing(part):
                    for kind, x in self.score(part, batch.part(start, stop)).items():
                        scores[kind].append(x)
            weights = {kind: self_adversarial_weights(torch.cat(x), self.temperature) for kind, x in scores.items()}
            batch = dataclasses.replace(batch, weights=weights)
        self.monitor.begin()
        return batch

    @contextmanager
    def sharing(self, positives: LongTensor) -> Iterator[None]:
        """Within this context, real and synthetic triples are scored by the same entities and statistics."""
        with self.model.sharing(positives[:, [0, 2]]), running_statistics(self.model.interaction):
            yield

    def score(self, positives: LongTensor, batch: SyntheticBatch) -> Mapping[SyntheticKind, FloatTensor]:
        """Return the scores of synthetic triples made of positive ones, each of shape ``(batch_size, num_groups)``."""
        head, tail = self.synthesizer(self.model, positives, batch.noise)
        self.monitor.observe(head, tail)
        synthetic = self.model.score_synthetic(positives, head, tail, kinds=self.kinds)
        # already part of the loss for sampled negatives
        self.model.collect_regularization_term()  # type: ignore[no-untyped-call]
        return synthetic

    def discriminator_loss(self, positive: FloatTensor, positives: LongTensor, batch: SyntheticBatch) -> FloatTensor:
        """Return the adversarial loss of the scores of positive triples and of these, cf. :func:`adversarial_loss`."""
        synthetic = self.score(positives, batch)
        return adversarial_loss(positive, synthetic, self.margin, self.temperature, self.weighting, batch.weights)

    def generator_loss(self, positive: FloatTensor, positives: LongTensor, batch: SyntheticBatch) -> FloatTensor:
        """Return the generators' loss, cf. :meth:`discriminator_loss`."""
        synthetic = self.score(positives, batch)
        return generator_loss(
            positive, synthetic, self.margin, self.temperature, self.weighting, self.objective, batch.weights
        )
