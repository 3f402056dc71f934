"""Projections of selected rows, with a backward pass of their own: against plain PyTorch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from pykeen_adamf import chunking
from pykeen_adamf.nn import projection
from pykeen_adamf.nn.projection import project_rows


def plain(table, indices, weight, bias, presence):
    rows = table if indices is None else table[indices]
    if presence is not None:
        rows = rows * (presence if indices is None else presence[indices]).unsqueeze(dim=-1)
    return F.linear(rows.to(weight.dtype), weight, bias)


def random_input(num_rows=9, in_dim=5, out_dim=3, num=None, seed=0, dtype=torch.float64, table_dtype=None):
    rng = torch.Generator().manual_seed(seed)
    table = torch.randn(num_rows, in_dim, dtype=dtype, generator=rng).to(table_dtype or dtype)
    weight = torch.randn(out_dim, in_dim, dtype=dtype, generator=rng)
    bias = torch.randn(out_dim, dtype=dtype, generator=rng)
    indices = None if num is None else torch.randint(num_rows, (num,), generator=rng)
    return table.requires_grad_(), indices, weight.requires_grad_(), bias.requires_grad_()


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunking, "CHUNK_NUMEL_CPU", 1)
    monkeypatch.setattr(projection, "MIN_ROWS", 2)


@settings(deadline=None, max_examples=50)
@given(
    num_rows=st.integers(1, 9),
    num=st.one_of(st.none(), st.integers(0, 20)),
    sparse=st.booleans(),
    masked=st.booleans(),
    min_rows=st.sampled_from([1, 4, 1024]),
    seed=st.integers(0, 2**31),
)
def test_against_plain(num_rows, num, sparse, masked, min_rows, seed):
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        table, indices, weight, bias = random_input(num_rows, num=num, seed=seed, dtype=dtype)
        presence = torch.arange(num_rows) % 3 != 0 if masked else None
        results = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chunking, "CHUNK_NUMEL_CPU", 1)
            patch.setattr(projection, "MIN_ROWS", min_rows)
            for fast in (True, False):
                if fast:
                    value = project_rows(table, indices, weight, bias, presence=presence, sparse=sparse)
                else:
                    value = plain(table, indices, weight, bias, presence)
                factor = torch.linspace(-1, 2, value.numel(), dtype=dtype).view_as(value)
                grads = torch.autograd.grad((factor * value).sum(), [table, weight, bias])
                if fast:
                    assert grads[0].is_sparse == sparse
                results.append([value, grads[0].to_dense() if grads[0].is_sparse else grads[0], *grads[1:]])
        for actual, expected in zip(*results, strict=True):
            torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def test_gradcheck():
    table, indices, weight, bias = random_input(num=4)
    torch.autograd.gradcheck(lambda *x: project_rows(x[0], indices, *x[1:]), (table, weight, bias))


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("table_dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("num", [None, 7])
def test_half_precision_storage(table_dtype, num):
    """Stored in half precision, calculated with in single precision."""
    table, indices, weight, bias = random_input(num=num, dtype=torch.float32, table_dtype=table_dtype)
    table = table.detach()
    torch.testing.assert_close(
        project_rows(table, indices, weight, bias), plain(table, indices, weight, bias, None), rtol=1e-6, atol=1e-6
    )


@pytest.mark.usefixtures("small_chunks")
def test_compute_dtype():
    """Products in half precision are less exact, and summed up in single precision."""
    table, indices, weight, bias = random_input(num=50, dtype=torch.float32)
    exact = plain(table, indices, weight, bias, None)
    value = project_rows(table, indices, weight, bias, compute_dtype=torch.bfloat16)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, exact, rtol=0.05, atol=0.05)
    assert not torch.equal(value, exact)
    grads = [torch.autograd.grad(x.square().sum(), [table, weight, bias]) for x in (value, exact)]
    for actual, expected in zip(*grads, strict=True):
        assert actual.dtype == torch.float32
        assert F.cosine_similarity(actual.flatten(), expected.flatten(), dim=0) > 0.999
