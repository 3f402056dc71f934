"""Generators of synthetic modality embeddings (section 3.4.1 of the AdaMF-MAT paper)."""

import math

import torch
from torch import nn

from ..typing import FloatTensor

__all__ = ["ModalityGenerator"]


class ModalityGenerator(nn.Module):
    r"""A generator of synthetic embeddings of one modality, conditioned on the structural embedding (eq. 9).

    .. math ::
        G_m(\mathbf{e}_s, \mathbf{z}) = \mathbf{W}_2 \delta(\mathbf{W}_1 [\mathbf{z}; \mathbf{e}_s] + \mathbf{b}_1)
            + \mathbf{b}_2

    with noise $\mathbf{z} \sim \mathcal{N}(0, \mathbf{I})$ and a LeakyReLU $\delta$. It generates in the embedding
    space, i.e., after the modality's projection. As in the reference code, the noise comes first.
    """

    def __init__(
        self,
        structural_dim: int,
        output_dim: int,
        noise_dim: int = 64,
        hidden_dim: int = 512,
        negative_slope: float = 0.01,
    ) -> None:
        """Initialize the generator.

        :param structural_dim: The dimension of structural embeddings.
        :param output_dim: The dimension of the generated embeddings.
        :param noise_dim: The dimension of the noise.
        :param hidden_dim: The dimension of the hidden layer.
        :param negative_slope: The slope of the LeakyReLU for negative input.
        """
        super().__init__()
        self.noise_dim = noise_dim
        self.hidden = nn.Linear(noise_dim + structural_dim, hidden_dim)
        self.activation = nn.LeakyReLU(negative_slope)
        self.output = nn.Linear(hidden_dim, output_dim)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Reset the parameters as :class:`torch.nn.Linear` does, from a source of randomness on their device."""
        for layer in (self.hidden, self.output):
            bound = 1 / math.sqrt(layer.in_features)
            for parameter in (layer.weight, layer.bias):
                parameter.uniform_(-bound, bound, generator=generator)

    def forward(self, structural: FloatTensor, noise: FloatTensor) -> FloatTensor:
        """Generate synthetic embeddings, shape: ``(*batch_dims, output_dim)``.

        :param structural: shape: ``(*batch_dims, structural_dim)``, the structural embeddings.
        :param noise: shape: ``(*batch_dims, noise_dim)``, the noise.
        """
        result: FloatTensor = self.output(self.activation(self.hidden(torch.cat([noise, structural], dim=-1))))
        return result
