"""The kernels for CUDA devices: on such a device; or interpreted on the CPU with ``TRITON_INTERPRET=1``."""

import importlib.util
import os

import pytest
import torch

from pykeen_adamf.nn.distance import pair_power_sums

from .test_distance import plain, random_input

if importlib.util.find_spec("triton") is None:
    pytest.skip("needs the package triton, which comes with PyTorch's builds for CUDA", allow_module_level=True)
if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("needs a CUDA device, or TRITON_INTERPRET=1", allow_module_level=True)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2])
@pytest.mark.parametrize(("num_pairs", "width"), [(0, 8), (1, 2), (37, 8), (20, 300)])
def test_against_plain(dtype, planar, p, num_pairs, width):
    from pykeen_adamf.nn.triton_distance import pair_power_sums_backward, pair_power_sums_forward

    inputs = [x.detach().to(DEVICE) for x in random_input(3, 5, width, num_pairs, dtype=dtype)]
    left, right, *indices = inputs
    # a distance of exactly zero
    right[0] = left[0]
    grad = torch.linspace(-1, 2, num_pairs, dtype=dtype, device=DEVICE)
    a, b = left.clone().requires_grad_(), right.clone().requires_grad_()
    expected = pair_power_sums(a.cpu(), b.cpu(), *(x.cpu() for x in indices), p=p, planar=planar)
    expected_grads = torch.autograd.grad((grad.cpu() * expected).sum(), [a, b])
    actual = pair_power_sums_forward(left, right, *indices, p, planar)
    actual_grads = pair_power_sums_backward(left, right, *indices, grad, p, planar, True, True)
    tolerance = dict(rtol=1e-10, atol=1e-10) if dtype == torch.float64 else dict(rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(actual.cpu(), expected.cpu(), **tolerance)
    torch.testing.assert_close(actual.cpu(), plain(left, right, *indices, p=p, planar=planar).cpu(), **tolerance)
    for x, y in zip(actual_grads, expected_grads, strict=True):
        torch.testing.assert_close(x, y, **tolerance)


@pytest.mark.parametrize("needs", [(True, False), (False, True), (False, False)])
def test_only_what_is_needed(needs):
    from pykeen_adamf.nn.triton_distance import pair_power_sums_backward

    left, right, *indices = (x.detach().to(DEVICE) for x in random_input(3, 5, 8, 9))
    grads = pair_power_sums_backward(left, right, *indices, torch.ones(9).to(left), 1.0, True, *needs)
    assert [x is not None for x in grads] == list(needs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_is_used(monkeypatch):
    """On a CUDA device, the kernels are what is used; and the plain operations give the same."""
    from pykeen_adamf.nn import distance

    left, right, *indices = (x.detach().to("cuda") for x in random_input(300, 500, 64, 9_000, dtype=torch.float32))
    assert distance.load_triton(left) is not None
    fast = pair_power_sums(left, right, *indices, planar=True)
    monkeypatch.setattr(distance, "load_triton", lambda x: None)
    torch.testing.assert_close(fast, pair_power_sums(left, right, *indices, planar=True))
