"""The RotatE interaction honours its norm."""

import cmath

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pykeen.nn.modules import RotatEInteraction

from pykeen_adamf.nn import LpRotatEInteraction


def random_triples(*shape: int, seed: int = 0):
    rng = torch.Generator().manual_seed(seed)
    h, t = (torch.randn(*shape, dtype=torch.complex128, generator=rng) for _ in range(2))
    angle = torch.rand(*shape, dtype=torch.float64, generator=rng) * 6
    return h, torch.polar(torch.ones_like(angle), angle), t


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0]), st.integers(1, 6), st.integers(0, 2**31), st.booleans())
def test_against_formula(p: float, dim: int, seed: int, power_norm: bool):
    h, r, t = random_triples(dim, seed=seed)
    total = sum(abs(complex(a) * complex(b) - complex(c)) ** p for a, b, c in zip(h, r, t, strict=True))
    expected = -total if power_norm else -(total ** (1 / p))
    actual = LpRotatEInteraction(p=p, power_norm=power_norm)(h, r, t)
    assert actual.item() == pytest.approx(expected, rel=1e-10)


def test_two_norm_is_pykeens():
    h, r, t = random_triples(5, 7)
    torch.testing.assert_close(LpRotatEInteraction(p=2)(h, r, t), RotatEInteraction()(h, r, t))


def test_pykeen_ignores_p():
    """Why this class exists; if this fails, PyKEEN has changed."""
    h, r, t = random_triples(5, 7)
    assert torch.equal(RotatEInteraction(p=1)(h, r, t), RotatEInteraction(p=2)(h, r, t))
    assert not torch.allclose(LpRotatEInteraction(p=1)(h, r, t), RotatEInteraction(p=1)(h, r, t))


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_broadcasting(p: float):
    """Rotating the tail back is the same as rotating the head."""
    interaction = LpRotatEInteraction(p=p)
    h, r, t = random_triples(4, 6)
    expected = torch.stack([torch.stack([interaction(h[i], r[i], t[j]) for j in range(4)]) for i in range(4)])
    torch.testing.assert_close(interaction(h[:, None], r[:, None], t[None]), expected)
    expected = torch.stack([torch.stack([interaction(h[j], r[i], t[i]) for j in range(4)]) for i in range(4)])
    torch.testing.assert_close(interaction(h[None], r[:, None], t[:, None]), expected)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_gradients(p: float):
    h, r, t = (x.requires_grad_() for x in random_triples(3, 4))
    assert torch.autograd.gradcheck(LpRotatEInteraction(p=p), (h, r, t))


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_zero_distance(p: float):
    """A true triple at distance zero has finite gradients."""
    # a rotation by nothing, since others are not exact in floating point numbers
    h = random_triples(3, 4)[0].requires_grad_()
    r = torch.ones_like(h).requires_grad_()
    t = h.detach().clone().requires_grad_()
    score = LpRotatEInteraction(p=p)(h, r, t)
    assert (score == 0).all()
    score.sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in (h, r, t))


@pytest.mark.parametrize("p", [0, -1, float("nan")])
def test_invalid_norm(p: float):
    with pytest.raises(ValueError, match="p must be positive"):
        LpRotatEInteraction(p=p)


def test_rotation_by_hand():
    """One coordinate: 1 rotated by a quarter turn is i."""
    h, r, t = (torch.tensor([x], dtype=torch.complex128) for x in (1, cmath.exp(0.5j * cmath.pi), -1j))
    assert LpRotatEInteraction()(h, r, t).item() == pytest.approx(-2)
