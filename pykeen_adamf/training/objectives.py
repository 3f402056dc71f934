"""The objectives of modality adversarial training as pure functions (section 3.4 of the AdaMF-MAT paper).

Scores are PyKEEN's, i.e., negative distances: the paper's margin minus distance is margin plus score here.
"""

from collections.abc import Iterable, Mapping
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
]

#: How synthetic triples are weighted: by a softmax over the batch for each kind (reference code), or equally (paper).
AdversarialWeighting: TypeAlias = Literal["self-adversarial", "uniform"]
ADVERSARIAL_WEIGHTINGS: Final[tuple[AdversarialWeighting, ...]] = get_args(AdversarialWeighting)

#: What the generators minimize: the same contrast with swapped roles (reference code), or the negative of the
#: discriminator's loss (paper, eq. 11).
GeneratorObjective: TypeAlias = Literal["non-saturating", "minimax"]
GENERATOR_OBJECTIVES: Final[tuple[GeneratorObjective, ...]] = get_args(GeneratorObjective)


def contrast(
    real: FloatTensor, fake: FloatTensor, margin: float, temperature: float, weighting: AdversarialWeighting
) -> FloatTensor:
    r"""Contrast scores that ought to be high with scores that ought to be low.

    With ``weighting="uniform"``, as in eq. 10 of the paper,

    .. math ::
        - \mathrm{mean} \log \sigma(\gamma + real) - \mathrm{mean} \log \sigma(-\gamma - fake)

    and with ``weighting="self-adversarial"``, as in the reference code, the average of the two terms rather than their
    sum, with the second one weighted by a softmax over the *batch*, through which no gradient flows.

    :param real: shape: ``(batch_size, n)``
        The scores that ought to be high.
    :param fake: shape: ``(batch_size, m)``
        The scores that ought to be low.
    :param margin: The margin $\gamma$.
    :param temperature: The factor of the scores in the softmax. Only used for self-adversarial weighting.
    :param weighting: How to weight the second term.
    :returns: shape: ``()``
        The loss.
    """
    real_term = -F.logsigmoid(margin + real)
    fake_term = -F.logsigmoid(-margin - fake)
    if weighting == "uniform":
        return real_term.mean() + fake_term.mean()
    weights = F.softmax(temperature * fake.detach(), dim=0)
    return (real_term.mean() + (weights * fake_term).sum(dim=0).mean()) / 2


def adversarial_loss(
    positive: FloatTensor,
    synthetic: Mapping[SyntheticKind, FloatTensor],
    margin: float,
    temperature: float,
    weighting: AdversarialWeighting = "self-adversarial",
) -> FloatTensor:
    """Calculate the discriminator's adversarial loss (eq. 10).

    :param positive: shape: ``(batch_size,)``
        The scores of positive triples.
    :param synthetic: shape of each: ``(batch_size, num_groups)``
        The scores of synthetic triples of each kind.
    :param margin: The margin.
    :param temperature: The factor of the scores in the softmax of self-adversarial weighting.
    :param weighting: ``"self-adversarial"`` for the reference code's sum of one contrast for each kind, or
        ``"uniform"`` for the paper's single contrast with all synthetic triples.
    :returns: shape: ``()``
        The loss.
    """
    return _sum(
        contrast(positive.unsqueeze(dim=-1), fake, margin, temperature, weighting)
        for fake in _group(synthetic, weighting)
    )


def generator_loss(
    positive: FloatTensor,
    synthetic: Mapping[SyntheticKind, FloatTensor],
    margin: float,
    temperature: float,
    weighting: AdversarialWeighting = "self-adversarial",
    objective: GeneratorObjective = "non-saturating",
) -> FloatTensor:
    """Calculate the generators' loss.

    :param positive: shape: ``(batch_size,)``
        The scores of positive triples.
    :param synthetic: shape of each: ``(batch_size, num_groups)``
        The scores of synthetic triples of each kind.
    :param margin: The margin.
    :param temperature: The factor of the scores in the softmax of self-adversarial weighting.
    :param weighting: The weighting, cf. :func:`adversarial_loss`.
    :param objective: ``"non-saturating"`` for the reference code's swap of positive and synthetic triples, or
        ``"minimax"`` for the paper's negative adversarial loss (eq. 11).
    :returns: shape: ``()``
        The loss.
    """
    if objective == "minimax":
        return -adversarial_loss(positive, synthetic, margin, temperature, weighting)
    # the positives only contribute a constant, which the reference code never weights
    factor = 1.0 if weighting == "uniform" else 0.5
    return factor * _sum(
        contrast(fake, positive.unsqueeze(dim=-1), margin, temperature, weighting="uniform")
        for fake in _group(synthetic, weighting)
    )


def _sum(losses: Iterable[FloatTensor]) -> FloatTensor:
    return torch.stack(list(losses)).sum()


def _group(synthetic: Mapping[SyntheticKind, FloatTensor], weighting: AdversarialWeighting) -> list[FloatTensor]:
    """Return the scores that are contrasted together."""
    scores = list(synthetic.values())
    return [torch.cat(scores, dim=-1)] if weighting == "uniform" else scores
