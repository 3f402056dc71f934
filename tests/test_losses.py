"""The entropy-guided loss against formulas written out in Python numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pykeen.losses import NSSALoss, UnsupportedLabelSmoothingError, loss_resolver

from pykeen_adamf.bundle.arguments import describe_instance, restore_instance
from pykeen_adamf.losses import EntropyGuidedLoss, entropy_of_belief


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def entropy(p):
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


def calculate(positive, negatives, margin, focus):
    """Return the terms of one triple with some negatives."""
    powers = [entropy(sigmoid(margin + s)) ** focus for s in negatives]
    weighted = [w / sum(powers) * math.log(sigmoid(-margin - s)) for w, s in zip(powers, negatives, strict=True)]
    return -math.log(sigmoid(margin + positive)), -sum(weighted)


scores = st.floats(-8, 2, width=32)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(scores, min_size=4, max_size=4), min_size=1, max_size=4), st.sampled_from([0.0, 0.5, 1, 3]))
def test_sampled_negatives(rows, focus):
    """With and without masks; a triple without negatives has the other term only."""
    table = torch.tensor(rows, dtype=torch.float64)
    positive, negative = table[:, :1], table[:, 1:]
    terms = [calculate(x[0], x[1:], 3.0, focus) for x in table.tolist()]
    mean, total = (EntropyGuidedLoss(3.0, focus, reduction) for reduction in ("mean", "sum"))
    expected = sum(sum(x) for x in terms)
    assert total.process_slcwa_scores(positive, negative).item() == pytest.approx(expected, rel=1e-9)
    assert mean.process_slcwa_scores(positive, negative).item() == pytest.approx(expected / len(rows) / 2, rel=1e-9)
    mask = torch.ones_like(negative, dtype=torch.bool)
    mask[0, 1:] = False
    mask[-1] = False
    terms = [calculate(x[0], x[1:][:n], 3.0, focus) for x, n in zip(table.tolist(), [1, 3, 3, 3], strict=False)]
    expected = sum(sum(x) for x in terms) - terms[-1][1]
    actual = total.process_slcwa_scores(positive, negative[mask], batch_filter=mask)
    assert actual.item() == pytest.approx(expected, rel=1e-9)


def test_one_to_n():
    """All entities but the answers are negatives."""
    torch.manual_seed(0)
    predictions = torch.randn(5, 7, dtype=torch.float64)
    labels = torch.zeros(5, 7, dtype=torch.float64)
    labels[torch.arange(5), torch.arange(5)] = 1
    labels[2, 6] = 1
    expected = 0.0
    for row, answers in zip(predictions.tolist(), labels.tolist(), strict=True):
        negatives = [x for x, answer in zip(row, answers, strict=True) if not answer]
        for x, answer in zip(row, answers, strict=True):
            expected += calculate(x, negatives, 2.0, 1.0)[0] if answer else 0.0
        expected += calculate(0.0, negatives, 2.0, 1.0)[1]
    actual = EntropyGuidedLoss(2.0, reduction="sum").process_lcwa_scores(predictions, labels)
    assert actual.item() == pytest.approx(expected, rel=1e-9)


def test_gradients():
    """No gradient flows through the weights."""
    torch.manual_seed(0)
    positive, negative = (torch.randn(3, n, dtype=torch.float64, requires_grad=True) for n in (1, 4))
    loss = EntropyGuidedLoss(1.0, 2.0)
    actual = torch.autograd.grad(loss.process_slcwa_scores(positive, negative), [positive, negative])
    weights = loss._weigh(negative, torch.ones_like(negative, dtype=torch.bool))
    terms = -torch.nn.functional.logsigmoid(1 + positive) - (
        weights * torch.nn.functional.logsigmoid(-1 - negative)
    ).sum(dim=-1, keepdim=True)
    for a, b in zip(actual, torch.autograd.grad(terms.mean() / 2, [positive, negative]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_uncertain_negatives_count_most():
    loss = EntropyGuidedLoss(2.0)
    negative = torch.tensor([[-2.0, -7.0, 3.0, 200.0, -200.0]])
    weights = loss._weigh(negative, torch.ones_like(negative, dtype=torch.bool))
    assert weights[0].argsort(descending=True).tolist()[:2] == [0, 1]
    # both are five away from the margin
    torch.testing.assert_close(weights[0, 1], weights[0, 2])
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))
    assert loss.process_slcwa_scores(torch.zeros(1, 1), negative).isfinite()
    # one that is ruled out already changes nothing of the others
    ruled_out = loss._weigh(torch.tensor([[-2.0, float("-inf"), -7.0]]), torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(ruled_out[0, [0, 2]], weights[0, :2] / weights[0, :2].sum())


@settings(deadline=None)
@given(st.floats(-80, 80, width=32))
def test_entropy(x):
    """In single precision, also far from the margin, where subtraction would leave nothing."""
    p = 1 / (1 + math.exp(-abs(x)))
    expected = math.log1p(math.exp(-abs(x))) + abs(x) * (1 - p if abs(x) < 30 else math.exp(-abs(x)))
    assert entropy_of_belief(torch.tensor(x, dtype=torch.float32)).item() == pytest.approx(expected, rel=1e-4)


def test_focus_zero():
    """All negatives have the same weight, as with self-adversarial weights of no temperature."""
    torch.manual_seed(0)
    positive, negative = torch.randn(3, 1), torch.randn(3, 4)
    expected = NSSALoss(margin=2.0, adversarial_temperature=0.0).process_slcwa_scores(positive, negative)
    torch.testing.assert_close(EntropyGuidedLoss(2.0, focus=0).process_slcwa_scores(positive, negative), expected)


def test_by_name():
    """And it is described in bundles by its name and arguments."""
    loss = loss_resolver.make("entropy-guided", margin=3.0, focus=2.0)
    again = restore_instance(describe_instance(loss, "the loss"), loss_resolver, "loss")
    assert (type(again), again.margin, again.focus) == (EntropyGuidedLoss, 3.0, 2.0)


def test_bad_input():
    with pytest.raises(ValueError, match="focus must be at least 0, but is -1"):
        EntropyGuidedLoss(focus=-1)
    loss, x = EntropyGuidedLoss(), torch.zeros(1, 2)
    with pytest.raises(UnsupportedLabelSmoothingError):
        loss.process_slcwa_scores(x[:, :1], x, label_smoothing=0.1)
    with pytest.raises(UnsupportedLabelSmoothingError):
        loss.process_lcwa_scores(x, torch.tensor([[1.0, 0.0]]), label_smoothing=0.1)
