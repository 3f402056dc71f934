"""Mixtures of experts, how to fuse their results, and how to keep experts different: the parts of MoMoK."""

import torch
from pykeen.regularizers import Regularizer
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from ..typing import BoolTensor, FloatTensor
from .relational import masked_softmax

__all__ = ["AttentiveSum", "ExpertMixture", "MutualInformation"]

#: The least standard deviation of the noise of gates, in the authors' code.
LEAST_NOISE = 0.01


class ExpertMixture(nn.Module):
    r"""Linear experts, weighted by a noisy gate.

    .. math ::
        \sum_k g_k(\mathbf{x}) \left(\mathbf{W}_k \mathbf{x} + \mathbf{b}_k\right), \qquad
        g(\mathbf{x}) = \mathrm{softmax}\left(\frac{\mathbf{U} \mathbf{x} + \boldsymbol{\delta}}{\tau}\right)

    with normal noise $\boldsymbol{\delta}$, whose standard deviation is
    $\mathrm{softplus}(\mathbf{V} \mathbf{x}) + 0.01$.

    There is noise in training only.
    """

    def __init__(self, dim: int, num_experts: int) -> None:
        """Initialize the experts.

        :param dim: The dimension of embeddings.
        :param num_experts: The number of experts.
        """
        super().__init__()
        self.num_experts = num_experts
        self.experts = nn.Linear(dim, num_experts * dim)
        self.gate = nn.Parameter(torch.zeros(dim, num_experts))
        self.noise = nn.Parameter(torch.zeros(dim, num_experts))

    def reset_parameters(self) -> None:
        """Let all experts have the same weight; they reset themselves."""
        nn.init.zeros_(self.gate)
        nn.init.zeros_(self.noise)

    def forward(self, x: FloatTensor, temperature: FloatTensor | None = None) -> tuple[FloatTensor, FloatTensor]:
        r"""Return the mixture, shape: ``(n, dim)``, and what each expert says, shape: ``(n, num_experts, dim)``.

        :param x: shape: ``(n, dim)``, the embeddings.
        :param temperature: shape: ``(n, 1)``, the temperature $\tau$. Defaults to one.
        """
        logits = x @ self.gate
        if self.training:
            logits = logits + torch.randn_like(logits) * (F.softplus(x @ self.noise) + LEAST_NOISE)
        if temperature is not None:
            logits = logits / temperature
        outputs = self.experts(x).unflatten(-1, (self.num_experts, -1))
        return torch.einsum("nk,nkd->nd", logits.softmax(dim=-1), outputs), outputs


class AttentiveSum(nn.Module):
    r"""A sum over heads of weighted sums of layers with rectified linear units.

    .. math ::
        \sum_i \sum_m \mathrm{softmax}_m\left(\mathbf{a}^\top \mathbf{y}_{im}\right) \mathbf{y}_{im}, \qquad
        \mathbf{y}_{im} = \max(0, \mathbf{P}_{im} \mathbf{x}_m + \mathbf{p}_{im})
    """

    def __init__(self, num_modalities: int, in_dim: int, dim: int, num_heads: int = 2, dropout: float = 0.2) -> None:
        """Initialize the layers.

        :param num_modalities: The number of modalities $m$.
        :param in_dim: The dimension of each modality.
        :param dim: The dimension of the sum.
        :param num_heads: The number of heads $i$.
        :param dropout: The dropout rate of the input.
        """
        super().__init__()
        self.num_heads = num_heads
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(nn.Linear(in_dim, num_heads * dim) for _ in range(num_modalities))
        self.attention = nn.Linear(dim, 1, bias=False)

    def forward(self, x: FloatTensor, mask: BoolTensor | None = None) -> FloatTensor:
        """Return the sums, shape: ``(n, dim)``.

        :param x: shape: ``(n, num_modalities, in_dim)``, the embeddings.
        :param mask: shape: ``(n, num_modalities)``, which modalities take part; at least one does. Defaults to all.
        """
        parts = self.dropout(x).unbind(dim=1)
        y = torch.stack([layer(part).relu() for layer, part in zip(self.layers, parts, strict=True)], dim=1)
        y = y.unflatten(-1, (self.num_heads, -1))
        logits = self.attention(y).squeeze(dim=-1)
        there = torch.ones_like(logits, dtype=torch.bool) if mask is None else mask.unsqueeze(dim=-1)
        return torch.einsum("nmi,nmid->nd", masked_softmax(logits, there, dim=1), y)


class MutualInformation(Regularizer):
    r"""An upper bound of the mutual information between what two experts say (CLUB; Cheng et al., 2020).

    For two of the experts, which are drawn anew in each step,

    .. math ::
        \frac{1}{n} \sum_i \log q(\mathbf{y}_i | \mathbf{x}_i) - \log q(\mathbf{y}_{\pi(i)} | \mathbf{x}_i)

    with a permutation $\pi$ at random, and a normal distribution $q$, whose mean and variance are networks with one
    hidden layer. These learn to predict one from the other at the same time: their negative log-likelihood has
    gradients with respect to them alone, and is not part of the value.
    """

    def __init__(self, dim: int, weight: float = 1.0) -> None:
        """Initialize the regularizer.

        :param dim: >1, the dimension of embeddings.
        :param weight: >0, the weight of the bound.
        """
        # a step may score several times
        super().__init__(weight=weight, apply_only_once=True)
        self.mean, self.log_variance = (
            nn.Sequential(nn.Linear(dim, dim // 2), nn.ReLU(), nn.Linear(dim // 2, dim)) for _ in range(2)
        )

    def _log_likelihood(self, x: FloatTensor, y: FloatTensor, *, frozen: bool) -> FloatTensor:
        """Return the logarithm of the density but for a constant, shape: ``(*s,)`` for the shape ``(*s, dim)``."""
        mean, log_variance = (
            functional_call(part, {key: p.detach() if frozen else p for key, p in part.named_parameters()}, (x,))
            for part in (self.mean, self.log_variance)
        )
        log_variance = log_variance.tanh()
        result: FloatTensor = -((y - mean).square() / log_variance.exp() + log_variance).sum(dim=-1) / 2
        return result

    def forward(self, x: FloatTensor) -> FloatTensor:
        """Return the bound.

        :param x: shape: ``(n, num_experts, dim)``, what the experts say.
        """
        i, j = torch.randperm(x.shape[1])[:2].tolist()
        a, b = x[:, i], x[:, j]
        others = b[torch.randperm(len(b), device=b.device)]
        bound = self._log_likelihood(a, b, frozen=True) - self._log_likelihood(a, others, frozen=True)
        loss = -self._log_likelihood(a.detach(), b.detach(), frozen=False).mean()
        # a value of zero; the optimizer of the networks does not know of the weight
        result: FloatTensor = bound.mean() + (loss - loss.detach()) / self.weight
        return result
