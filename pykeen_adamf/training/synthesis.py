"""Synthetic embeddings for the entities of a batch, with an own source of randomness."""

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import nn

from ..models import SyntheticScoringModel
from ..nn.generator import ModalityGenerator
from ..typing import FloatTensor, LongTensor, SyntheticEmbeddings

__all__ = ["Synthesizer", "SyntheticNoise"]

#: The noise of heads and of tails by modality.
SyntheticNoise: TypeAlias = Mapping[str, tuple[FloatTensor, FloatTensor]]


class Synthesizer(nn.Module):
    """The generators of all of a model's modalities.

    Its randomness is its own: neither resetting nor using it changes the state of torch's global random number
    generator, and hence it does not change how the model is initialized or trained otherwise.
    """

    def __init__(
        self,
        structural_dim: int,
        synthetic_dims: Mapping[str, int],
        noise_dim: int = 64,
        hidden_dim: int = 512,
    ) -> None:
        """Initialize the generators.

        :param structural_dim: The dimension of structural embeddings.
        :param synthetic_dims: The dimension of synthetic embeddings of each modality.
        :param noise_dim: The dimension of the noise.
        :param hidden_dim: The dimension of the generators' hidden layers.
        """
        super().__init__()
        self.noise_dim = noise_dim
        # constructing layers draws from the global random state
        with torch.random.fork_rng(devices=[]):
            self.generators = nn.ModuleDict(
                {
                    name: ModalityGenerator(structural_dim, dim, noise_dim=noise_dim, hidden_dim=hidden_dim)
                    for name, dim in synthetic_dims.items()
                }
            )
        self.random_state = torch.Generator()

    def reset(self, seed: int, device: torch.device) -> None:
        """Reset parameters and randomness.

        :param seed: The random seed.
        :param device: The device to use.
        """
        self.to(device)
        self.random_state = torch.Generator(device=device)
        self.random_state.manual_seed(seed)
        for generator in self.generators.values():
            assert isinstance(generator, ModalityGenerator)
            generator.reset_parameters(self.random_state)

    def draw_noise(self, *shape: int) -> FloatTensor:
        """Draw standard normal noise.

        :param shape: The shape.
        :returns: shape: ``shape``
            The noise.
        """
        return torch.randn(*shape, generator=self.random_state, device=self.random_state.device)

    def draw(self, batch_size: int, num_groups: int) -> SyntheticNoise:
        """Draw the noise of a batch: all at once, so that it does not depend on how the batch is split.

        :param batch_size: The number of triples.
        :param num_groups: The number of synthetic embeddings for each entity and modality.
        :returns: shape of each: ``(batch_size, num_groups, noise_dim)``
            The noise of heads and of tails, by modality.
        """
        shape = (batch_size, num_groups, self.noise_dim)
        return {name: (self.draw_noise(*shape), self.draw_noise(*shape)) for name in self.generators}

    def forward(
        self, model: SyntheticScoringModel, hrt_batch: LongTensor, noise: SyntheticNoise
    ) -> tuple[SyntheticEmbeddings, SyntheticEmbeddings]:
        """Generate synthetic embeddings for the heads and tails of triples.

        :param model: The model, which provides the structural embeddings.
        :param hrt_batch: shape: ``(batch_size, 3)``
            The ID-based triples.
        :param noise: shape of each: ``(batch_size, num_groups, noise_dim)``
            The noise, cf. :meth:`draw`.
        :returns: shape of each: ``(batch_size, num_groups, dim)``
            The synthetic embeddings of heads and of tails by modality.
        """
        structural = [model.structural_embeddings(hrt_batch[:, column]).unsqueeze(dim=1) for column in (0, 2)]
        head: dict[str, FloatTensor] = {}
        tail: dict[str, FloatTensor] = {}
        for name, generator in self.generators.items():
            for condition, z, target in zip(structural, noise[name], (head, tail), strict=True):
                target[name] = generator(condition.expand(-1, z.shape[1], -1), z)
        return head, tail
