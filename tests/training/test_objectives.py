"""Objectives against formulas written out independently with Python numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pykeen.losses import NSSALoss

from pykeen_adamf.training.objectives import adversarial_loss, generator_loss

KINDS = ("head", "tail", "both")


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


@st.composite
def scores(draw):
    """Draw the scores of positive and synthetic triples."""
    batch, groups = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    kinds = draw(st.sets(st.sampled_from(KINDS), min_size=1))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    positive = -10 * torch.rand(batch, generator=rng, dtype=torch.float64)
    synthetic = {k: -10 * torch.rand(batch, groups, generator=rng, dtype=torch.float64) for k in KINDS if k in kinds}
    return positive, synthetic, draw(st.floats(0.0, 12.0)), draw(st.floats(0.1, 3.0))


@settings(deadline=None, max_examples=50)
@given(scores())
def test_paper(case):
    """Equation 10: uniform weights over the batch's positives, and over all synthetic triples of each."""
    positive, synthetic, margin, temperature = case
    batch = len(positive)
    total = 0.0
    for i in range(batch):
        # the paper's F is a distance, i.e., the negative score
        total -= log_sigmoid(margin - (-positive[i].item()))
        distances = [-s.item() for x in synthetic.values() for s in x[i]]
        total -= sum(log_sigmoid(d - margin) for d in distances) / len(distances)
    actual = adversarial_loss(positive, synthetic, margin, temperature, weighting="uniform")
    assert actual.item() == pytest.approx(total / batch, rel=1e-9)
    minimax = generator_loss(positive, synthetic, margin, temperature, weighting="uniform", objective="minimax")
    assert minimax.item() == pytest.approx(-total / batch, rel=1e-9)


@settings(deadline=None, max_examples=50)
@given(scores())
def test_reference(case):
    """The reference code: for each kind, a softmax over the batch, and half of the sum of both terms."""
    positive, synthetic, margin, temperature = case
    total = 0.0
    for x in synthetic.values():
        positive_term = sum(log_sigmoid(margin + s.item()) for s in positive) / len(positive)
        fake_terms = []
        for group in x.t():
            exponentials = [math.exp(temperature * s.item()) for s in group]
            fake_terms.append(
                sum(
                    e / sum(exponentials) * log_sigmoid(-margin - s.item())
                    for e, s in zip(exponentials, group, strict=True)
                )
            )
        total -= (positive_term + sum(fake_terms) / len(fake_terms)) / 2
    assert adversarial_loss(positive, synthetic, margin, temperature).item() == pytest.approx(total, rel=1e-9)


@settings(deadline=None, max_examples=20)
@given(scores())
def test_reference_is_pykeens_loss(case):
    """With one group, each kind's contrast is PyKEEN's NSSA loss with the batch's synthetic triples as negatives."""
    positive, synthetic, margin, temperature = case
    loss = NSSALoss(margin=margin, adversarial_temperature=temperature)
    expected = sum(
        loss.process_slcwa_scores(positive_scores=positive.view(-1, 1), negative_scores=x[:, :1].t())
        for x in synthetic.values()
    )
    actual = adversarial_loss(positive, {kind: x[:, :1] for kind, x in synthetic.items()}, margin, temperature)
    torch.testing.assert_close(actual, expected)


@settings(deadline=None, max_examples=30)
@given(scores(), st.sampled_from(["self-adversarial", "uniform"]))
def test_generator_swaps_roles(case, weighting):
    positive, synthetic, margin, temperature = case
    positive_term = -sum(log_sigmoid(-margin - s.item()) for s in positive) / len(positive)
    parts = [list(synthetic.values())] if weighting == "uniform" else [[x] for x in synthetic.values()]
    total = 0.0
    for part in parts:
        values = [s.item() for x in part for s in x.flatten()]
        fake_term = -sum(log_sigmoid(margin + s) for s in values) / len(values)
        total += (positive_term + fake_term) * (1.0 if weighting == "uniform" else 0.5)
    actual = generator_loss(positive, synthetic, margin, temperature, weighting=weighting)
    assert actual.item() == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("weighting", ["self-adversarial", "uniform"])
@pytest.mark.parametrize("objective", ["non-saturating", "minimax"])
def test_directions(weighting, objective):
    """The discriminator wants synthetic scores to be low, the generators want them to be high."""
    positive = torch.zeros(4, dtype=torch.float64)
    synthetic = {k: torch.zeros(4, 2, dtype=torch.float64, requires_grad=True) for k in KINDS}
    for loss, sign in (
        (adversarial_loss(positive, synthetic, 1.0, 1.0, weighting), 1),
        (generator_loss(positive, synthetic, 1.0, 1.0, weighting, objective), -1),
    ):
        for gradient in torch.autograd.grad(loss, list(synthetic.values())):
            assert (sign * gradient > 0).all()


@pytest.mark.parametrize("loss", [adversarial_loss, generator_loss])
def test_gradients_uniform(loss):
    """Without the softmax, through which no gradient flows, gradients are those of the values."""
    torch.manual_seed(0)
    positive = torch.randn(4, dtype=torch.float64, requires_grad=True)
    inputs = [torch.randn(4, 2, dtype=torch.float64, requires_grad=True) for _ in KINDS]

    def value(positive, *inputs):
        return loss(positive, dict(zip(KINDS, inputs, strict=True)), 2.0, 1.0, weighting="uniform")

    assert torch.autograd.gradcheck(value, (positive, *inputs))
