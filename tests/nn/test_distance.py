"""Distances of pairs in chunks, with a backward pass of their own: against plain PyTorch in double precision."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeen_adamf import chunking
from pykeen_adamf.nn.distance import as_planar, pair_power_sums


def plain(left, right, left_index, right_index, p, planar):
    difference = left[left_index] - right[right_index]
    if planar:
        difference = torch.complex(*difference.chunk(2, dim=-1))
    return (difference.abs() ** p).sum(dim=-1)


def random_input(num_left: int, num_right: int, width: int, num_pairs: int, seed: int = 0, dtype=torch.float64):
    rng = torch.Generator().manual_seed(seed)
    left, right = (torch.randn(n, width, dtype=dtype, generator=rng).requires_grad_() for n in (num_left, num_right))
    indices = (torch.randint(n, (num_pairs,), generator=rng) for n in (num_left, num_right))
    return left, right, *indices


@pytest.fixture(params=[1, 24, chunking.CHUNK_NUMEL_CPU], ids=["chunks-of-1", "chunks-of-some", "one-chunk"])
def chunk_numel(request, monkeypatch):
    monkeypatch.setattr(chunking, "CHUNK_NUMEL_CPU", request.param)


@pytest.mark.usefixtures("chunk_numel")
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3])
@pytest.mark.parametrize("num_pairs", [0, 1, 13])
def test_against_plain(planar, p, num_pairs):
    left, right, *indices = random_input(3, 5, 8, num_pairs)
    weight = torch.linspace(-1, 2, num_pairs, dtype=torch.float64)
    results = []
    for function in (plain, pair_power_sums):
        values = function(left, right, *indices, p=p, planar=planar)
        results.append([values, *torch.autograd.grad((weight * values).sum(), [left, right])])
    for expected, actual in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@settings(deadline=None, max_examples=25)
@given(
    num_left=st.integers(1, 6),
    num_right=st.integers(1, 6),
    dim=st.integers(1, 6),
    num_pairs=st.integers(1, 40),
    seed=st.integers(0, 2**31),
    p=st.sampled_from([1.0, 2.0]),
)
def test_single_precision(num_left, num_right, dim, num_pairs, seed, p):
    left, right, *indices = random_input(num_left, num_right, 2 * dim, num_pairs, seed, dtype=torch.float32)
    expected = plain(left.double(), right.double(), *indices, p=p, planar=True).float()
    torch.testing.assert_close(pair_power_sums(left, right, *indices, p=p, planar=True), expected)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_gradcheck(planar, p):
    left, right, *indices = random_input(3, 4, 6, 9)
    assert torch.autograd.gradcheck(lambda a, b: pair_power_sums(a, b, *indices, p=p, planar=planar), (left, right))


@pytest.mark.parametrize("which", [0, 1])
def test_one_side_only(which):
    """A side that needs no gradient gets none, and the other one's is the same."""
    rows, indices = random_input(3, 4, 6, 9)[:2], random_input(3, 4, 6, 9)[2:]
    expected = torch.autograd.grad(pair_power_sums(*rows, *indices, planar=True).sum(), rows)[which]
    constant = [row if i == which else row.detach() for i, row in enumerate(rows)]
    (actual,) = torch.autograd.grad(pair_power_sums(*constant, *indices, planar=True).sum(), [rows[which]])
    assert torch.equal(actual, expected)


@pytest.mark.parametrize("p", [0.5, 1, 2])
def test_zero_distance(p):
    """Equal rows have the distance zero, and the gradient zero rather than none."""
    row = torch.randn(1, 6, dtype=torch.float64)
    left, right = row.clone().requires_grad_(), row.clone().requires_grad_()
    index = torch.zeros(4, dtype=torch.long)
    sums = pair_power_sums(left, right, index, index, p=p, planar=True)
    assert (sums == 0).all()
    sums.sum().backward()
    assert (left.grad == 0).all()
    assert (right.grad == 0).all()


def test_nothing_large_is_kept():
    """The backward pass keeps the rows and indices, but nothing with a number for each coordinate of each pair."""
    left, right, *indices = random_input(10, 20, 32, 1000)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        pair_power_sums(left, right, *indices, planar=True)
    assert max(kept) <= 1000


def test_planar():
    x = torch.randn(3, 4, dtype=torch.complex64)
    assert torch.equal(as_planar(x), torch.cat([x.real, x.imag], dim=1))
