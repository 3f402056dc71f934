"""Fusion in chunks, with a backward pass of its own: against the formulas of the paper in plain PyTorch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeen_adamf import chunking
from pykeen_adamf.nn.fusion.formulas import attention_weights, fuse
from pykeen_adamf.nn.weighted_sum import fuse_adaptively


def plain(modalities, attention, presence):
    x = torch.stack(modalities, dim=-2)
    return fuse(x, attention_weights(x, attention, presence))


def random_input(num_rows, dim, num_modalities, shared, masked, seed=0, dtype=torch.float64):
    rng = torch.Generator().manual_seed(seed)
    modalities = [torch.randn(num_rows, dim, dtype=dtype, generator=rng) for _ in range(num_modalities)]
    attention = torch.randn(1 if shared else num_modalities, dim, dtype=dtype, generator=rng)
    presence = None
    if masked:
        presence = torch.rand(num_rows, num_modalities, generator=rng) < 0.5
        presence[:, 0] |= ~presence.any(dim=-1)
    return [x.requires_grad_() for x in modalities], attention.requires_grad_(), presence


def assert_same(modalities, attention, presence, tolerance):
    weight = torch.linspace(-1, 2, modalities[0].numel(), dtype=attention.dtype).view_as(modalities[0])
    results = []
    for function in (fuse_adaptively, plain):
        value = function(modalities, attention, presence)
        results.append([value, *torch.autograd.grad((weight * value).sum(), [attention, *modalities])])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@settings(deadline=None, max_examples=50)
@given(
    num_rows=st.integers(1, 30),
    dim=st.integers(1, 9),
    num_modalities=st.integers(1, 4),
    shared=st.booleans(),
    masked=st.booleans(),
    numel=st.sampled_from([1, 17, 2**18]),
    seed=st.integers(0, 2**31),
)
def test_against_plain(num_rows, dim, num_modalities, shared, masked, numel, seed):
    case = (num_rows, dim, num_modalities, shared, masked, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunking, "CHUNK_NUMEL_CPU", numel)
        assert_same(*random_input(*case), tolerance=1e-10)
        assert_same(*random_input(*case, dtype=torch.float32), tolerance=1e-4)


def test_gradcheck():
    modalities, attention, presence = random_input(4, 3, 3, False, True)
    torch.autograd.gradcheck(lambda w, *xs: fuse_adaptively(xs, w, presence), (attention, *modalities))
    # for gradient penalties
    torch.autograd.gradgradcheck(lambda w, *xs: fuse_adaptively(xs, w, presence), (attention, *modalities))


def test_no_rows():
    modalities, attention, _ = random_input(0, 3, 2, True, False)
    assert fuse_adaptively(modalities, attention).shape == (0, 3)


def test_only_what_is_needed():
    """Frozen modalities get no gradients, and a frozen attention vector none, either."""
    modalities, attention, _ = random_input(5, 3, 2, True, False)
    modalities[1].requires_grad_(False)
    attention.requires_grad_(False)
    fuse_adaptively(modalities, attention).sum().backward()
    assert modalities[0].grad is not None
    assert modalities[1].grad is None
    assert attention.grad is None
