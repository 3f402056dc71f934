"""Choices without replacement: how often each is made, and what gradients they have."""

import pytest
import torch

from pykeen_adamf.nn.gumbel import choose_rows, gumbel_top_k


def test_probabilities():
    """The first choice follows the weights, the second one those that are left."""
    torch.manual_seed(0)
    weights, num = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.double), 40_000
    noisy, chosen = gumbel_top_k(weights.log().expand(num, -1), 3)
    assert torch.equal(noisy.argsort(dim=-1, descending=True)[:, :3], chosen)
    first = chosen[:, 0].bincount() / num
    torch.testing.assert_close(first.double(), weights, atol=0.01, rtol=0)
    for i in range(4):
        left = weights.clone()
        left[i] = 0
        then = chosen[chosen[:, 0] == i, 1].bincount(minlength=4).double()
        torch.testing.assert_close(then / then.sum(), left / left.sum(), atol=0.025, rtol=0)


@pytest.mark.parametrize("num", [1, 3, 6])
def test_gradients(num):
    """They are those of one straight-through Gumbel softmax after another, each without what was chosen before."""
    torch.manual_seed(0)
    noisy, chosen = gumbel_top_k(torch.randn(4, 6, dtype=torch.double, requires_grad=True), num)
    table = torch.randn(6, 5, dtype=torch.double, requires_grad=True)
    rows, out = [], torch.zeros(4, 6, dtype=torch.bool)
    for i in range(num):
        soft = noisy.masked_fill(out, -torch.inf).softmax(dim=-1)
        hard = torch.nn.functional.one_hot(chosen[:, i], 6).double()
        rows.append((hard + soft - soft.detach()) @ table)
        out = out | hard.bool()
    expected, actual = torch.stack(rows, dim=1), choose_rows(noisy, chosen, table)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)
    gradients = [torch.autograd.grad(x.sin().sum(), [noisy, table], retain_graph=True) for x in (actual, expected)]
    for x, y in zip(*gradients, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-12)


def test_nothing_is_left():
    """Impossible choices have finite gradients."""
    weights = torch.tensor([[0.0, -1e4, -1e4]], requires_grad=True)
    noisy, chosen = gumbel_top_k(weights, 3)
    rows = choose_rows(noisy, chosen, torch.eye(3))
    (gradient,) = torch.autograd.grad(rows[:, 0].square().sum(), weights)
    assert chosen[0, 0] == 0
    assert gradient.isfinite().all()


def test_almost_nothing_is_left():
    """Gradients are finite where what is left has hardly any probability."""
    noisy = torch.tensor([[0.0, -200.0, -400.0, -400.0]], requires_grad=True)
    table = (10 * torch.eye(4)).requires_grad_()
    choose_rows(noisy, torch.tensor([[0, 1, 2]]), table).square().sum().backward()
    assert noisy.grad.isfinite().all()
    assert table.grad.isfinite().all()
