"""The objectives of modality adversarial training as pure functions (section 3.4 of the AdaMF-MAT paper).

Scores are PyKEEN's, i.e., negative distances: the paper's margin minus distance is margin plus score here.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

import torch
from torch.nn import functional as F

from ..typing import FloatTensor, SyntheticKind

__all__ = [
    "ADVERSARIAL_WEIGHTINGS",
    "GENERATOR_OBJECTIVES",
    "AdversarialWeighting",
    "GeneratorObjective",
    "adversarial_loss",
    "contrast",
    "generator_loss",
    "self_adversarial_weights",
]

#: How synthetic triples are weighted: by a softmax over the batch for each kind (reference code), or equally (paper).
#: With the last one, they are not classified, but scored as low as possible (NativE).
AdversarialWeighting: TypeAlias = Literal["self-adversarial", "uniform", "wasserstein"]
ADVERSARIAL_WEIGHTINGS: Final[tuple[AdversarialWeighting, ...]] = get_args(AdversarialWeighting)

#: What the generators minimize: the same contrast with swapped roles (reference code), or the negative of the
#: discriminator's loss (paper, eq. 11).
GeneratorObjective: TypeAlias = Literal["non-saturating", "minimax"]
GENERATOR_OBJECTIVES: Final[tuple[GeneratorObjective, ...]] = get_args(GeneratorObjective)


def self_adversarial_weights(fake: FloatTensor, temperature: float) -> FloatTensor:
    """Return the softmax over the batch of scores times a temperature, through which no gradient flows.

    The shape of both scores and weights is ``(batch_size, num_groups)``.
    """
    return F.softmax(temperature * fake.detach(), dim=0)


def contrast(
    real: FloatTensor,
    fake: FloatTensor,
    margin: float,
    temperature: float,
    weighting: AdversarialWeighting,
    weights: FloatTensor | None = None,
) -> FloatTensor:
    r"""Contrast scores that ought to be high with scores that ought to be low.

    With ``weighting="uniform"``, as in eq. 10 of the paper,

    .. math ::
        - \mathrm{mean} \log \sigma(\gamma + real) - \mathrm{mean} \log \sigma(-\gamma - fake)

    and with ``weighting="self-adversarial"``, as in the reference code, the average of the two terms rather than their
    sum, with the second one weighted by a softmax over the *batch*, through which no gradient flows.

    :param real: shape: ``(batch_size, n)``, the scores that ought to be high.
    :param fake: shape: ``(batch_size, m)``, the scores that ought to be low.
    :param margin: The margin $\gamma$.
    :param temperature: The factor of the scores in the softmax. Only used for self-adversarial weighting.
    :param weighting: How to weight the second term.
    :param weights: shape: ``(batch_size, m)``, the weights for self-adversarial weighting, if this is only a part of
        the batch. Defaults to those of :func:`self_adversarial_weights`.
    :returns: shape: ``()``, the loss.
    """
    real_term = -F.logsigmoid(margin + real)
    fake_term = -F.logsigmoid(-margin - fake)
    if weighting == "uniform":
        return real_term.mean() + fake_term.mean()
    if weights is None:
        weights = self_adversarial_weights(fake, temperature)
    return (real_term.mean() + (weights * fake_term).sum(dim=0).mean()) / 2


def adversarial_loss(
    positive: FloatTensor,
    synthetic: Mapping[SyntheticKind, FloatTensor],
    margin: float,
    temperature: float,
    weighting: AdversarialWeighting = "self-adversarial",
    weights: Mapping[SyntheticKind, FloatTensor] | None = None,
) -> FloatTensor:
    """Calculate the discriminator's adversarial loss (eq. 10).

    :param positive: shape: ``(batch_size,)``, the scores of positive triples.
    :param synthetic: shape of each: ``(batch_size, num_groups)``, the scores of synthetic triples of each kind.
    :param margin: The margin.
    :param temperature: The factor of the scores in the softmax of self-adversarial weighting.
    :param weighting: ``"self-adversarial"`` for the reference code's sum of one contrast for each kind, or
        ``"uniform"`` for the paper's single contrast with all synthetic triples; or ``"wasserstein"`` for the mean
        score of synthetic triples minus that of positive ones, added up over kinds, as in NativE. There, neither margin
        nor temperature matter.
    :param weights: shape of each: ``(batch_size, num_groups)``, the weights of each kind for self-adversarial
        weighting, if this is only a part of the batch.
    :returns: shape: ``()``, the loss.
    """
    if weighting == "wasserstein":
        return torch.stack([fake.mean() - positive.mean() for fake in synthetic.values()]).sum()
    groups = _group(synthetic, weighting)
    weights_of_groups = [None] * len(groups) if weights is None else [weights[kind] for kind in synthetic]
    losses = [
        contrast(positive.unsqueeze(dim=-1), fake, margin, temperature, weighting, weights=group_weights)
        for fake, group_weights in zip(groups, weights_of_groups, strict=True)
    ]
    return torch.stack(losses).sum()


def generator_loss(
    positive: FloatTensor,
    synthetic: Mapping[SyntheticKind, FloatTensor],
    margin: float,
    temperature: float,
    weighting: AdversarialWeighting = "self-adversarial",
    objective: GeneratorObjective = "non-saturating",
    weights: Mapping[SyntheticKind, FloatTensor] | None = None,
) -> FloatTensor:
    """Calculate the generators' loss, with the other parameters of :func:`adversarial_loss`.

    With ``weighting="wasserstein"``, it is minus the mean score of synthetic triples, averaged over kinds, whatever the
    objective.

    :param objective: ``"non-saturating"`` for the reference code's swap of positive and synthetic triples, or
        ``"minimax"`` for the paper's negative adversarial loss (eq. 11), which alone uses the weights.
    :returns: shape: ``()``, the loss.
    """
    if weighting == "wasserstein":
        return -torch.stack([fake.mean() for fake in synthetic.values()]).mean()
    if objective == "minimax":
        return -adversarial_loss(positive, synthetic, margin, temperature, weighting, weights)
    # the positives only contribute a constant, which the reference code never weights
    factor = 1.0 if weighting == "uniform" else 0.5
    losses = [
        contrast(fake, positive.unsqueeze(dim=-1), margin, temperature, weighting="uniform")
        for fake in _group(synthetic, weighting)
    ]
    return factor * torch.stack(losses).sum()


def _group(synthetic: Mapping[SyntheticKind, FloatTensor], weighting: AdversarialWeighting) -> list[FloatTensor]:
    """Return the scores that are contrasted together."""
    scores = list(synthetic.values())
    return [torch.cat(scores, dim=-1)] if weighting == "uniform" else scores
