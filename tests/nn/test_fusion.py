"""Fusion against formulas written out independently, in double precision."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeen_adamf.nn.fusion.formulas import attention_weights, fuse, mean_weights


def weights_by_hand(x, attention, presence):
    """Equation 4, written out with Python numbers."""
    batch, num_modalities, dim = x.shape
    result = torch.zeros(batch, num_modalities)
    for b in range(batch):
        exponentials = []
        for m in range(num_modalities):
            w = attention[m if len(attention) > 1 else 0]
            logit = sum(w[i].item() * math.tanh(x[b, m, i].item()) for i in range(dim))
            exponentials.append(math.exp(logit) if presence[b, m] else 0.0)
        for m in range(num_modalities):
            result[b, m] = exponentials[m] / sum(exponentials)
    return result


@st.composite
def cases(draw):
    """Draw modality embeddings, attention vectors, and a mask with at least one present modality."""
    batch, num_modalities, dim = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 6))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    shared = draw(st.booleans())
    x = torch.randn(batch, num_modalities, dim, generator=rng, dtype=torch.float64)
    attention = torch.randn(1 if shared else num_modalities, dim, generator=rng, dtype=torch.float64)
    presence = torch.rand(batch, num_modalities, generator=rng) < draw(st.floats(0, 1))
    presence[:, 0] |= ~presence.any(dim=-1)
    return x, attention, presence


@settings(deadline=None, max_examples=50)
@given(cases())
def test_attention_weights(case):
    x, attention, presence = case
    expected = weights_by_hand(x, attention, presence).double()
    actual = attention_weights(x, attention, presence)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-7)
    assert (actual[~presence] == 0).all()
    torch.testing.assert_close(actual.sum(dim=-1), torch.ones(len(x), dtype=torch.float64))


@settings(deadline=None, max_examples=20)
@given(cases())
def test_mean_weights(case):
    x, _, presence = case
    actual = mean_weights(x, presence)
    assert torch.equal(actual > 0, presence)
    torch.testing.assert_close(actual.sum(dim=-1), torch.ones(len(x), dtype=torch.float64))
    assert torch.equal(mean_weights(x), torch.full(x.shape[:-1], 1 / x.shape[1], dtype=torch.float64))


@settings(deadline=None, max_examples=20)
@given(cases())
def test_fuse(case):
    x, attention, presence = case
    weights = attention_weights(x, attention, presence)
    expected = sum(weights[:, m, None] * x[:, m] for m in range(x.shape[1]))
    torch.testing.assert_close(fuse(x, weights), expected)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_gradients(shared: bool, masked: bool):
    torch.manual_seed(0)
    x = torch.randn(3, 3, 4, dtype=torch.float64, requires_grad=True)
    attention = torch.randn(1 if shared else 3, 4, dtype=torch.float64, requires_grad=True)
    presence = torch.tensor([[1, 1, 1], [1, 0, 1], [1, 0, 0]], dtype=torch.bool) if masked else None
    assert torch.autograd.gradcheck(lambda x, w: fuse(x, attention_weights(x, w, presence)), (x, attention))
