"""A negative sampler of one's own: entities that occur often are negatives more often."""

from typing import Any

import torch
from pykeen.pipeline import pipeline
from pykeen.sampling import NegativeSampler, negative_sampler_resolver
from pykeen.typing import MappedTriples

from pykeen_adamf.typing import FloatTensor, LongTensor


class PopularityNegativeSampler(NegativeSampler):
    r"""Corrupts heads and tails by entities, with a probability proportional to $d^a$.

    Here, $d$ is the number of training triples of an entity plus one.
    """

    #: shape: ``(num_entities,)``, the weight of each entity
    weights: FloatTensor

    def __init__(self, *, mapped_triples: MappedTriples, exponent: float = 0.75, **kwargs: Any) -> None:
        """Initialize the sampler.

        :param mapped_triples: shape: ``(n, 3)``, the training triples.
        :param exponent: The exponent $a$; 0 is a uniform distribution.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.sampling.NegativeSampler`.
        :raises ValueError: if the exponent is negative
        """
        super().__init__(mapped_triples=mapped_triples, **kwargs)
        if exponent < 0:
            raise ValueError(f"exponent must not be negative, but is {exponent}. Use 0 for a uniform distribution.")
        degree = torch.bincount(mapped_triples[:, [0, 2]].flatten(), minlength=self.num_entities)
        self.register_buffer("weights", (degree + 1.0) ** exponent)

    def corrupt_batch(self, positive_batch: LongTensor) -> LongTensor:  # noqa: D102
        h, r, t = positive_batch.unsqueeze(dim=-2).unbind(dim=-1)
        shape = torch.Size([*positive_batch.shape[:-1], self.num_negs_per_pos])
        drawn = torch.multinomial(self.weights, num_samples=shape.numel(), replacement=True).view(shape)
        corrupt_head = torch.rand(shape, device=positive_batch.device) < 0.5
        heads, tails = torch.where(corrupt_head, drawn, h), torch.where(corrupt_head, t, drawn)
        return torch.stack([heads, r.expand(shape), tails], dim=-1)


negative_sampler_resolver.register(PopularityNegativeSampler)

if __name__ == "__main__":
    result = pipeline(
        dataset="EmojiKG",
        model="AdaMFRotatE",
        training_loop="MAT",
        negative_sampler="popularity",
        negative_sampler_kwargs=dict(num_negs_per_pos=64, exponent=0.5),
    )
