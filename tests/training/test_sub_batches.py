"""Batches that are processed in parts: the result is the same, and trying out sizes trains nothing."""

import pytest
import torch

from pykeen_adamf.training import MATTrainingLoop

from ..cases import make_factory
from .cases import SAMPLER, make_loop, train


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighting", ["self-adversarial", "uniform"])
@pytest.mark.parametrize("objective", ["non-saturating", "minimax"])
@pytest.mark.parametrize("part_size", [1, 5, 8])
def test_gradients(double, reduction, weighting, objective, part_size):
    """Gradients of both players with respect to a whole batch, and added up over its parts."""
    results = []
    for size in (16, part_size):
        loop_kwargs = dict(
            adversarial_weighting=weighting,
            generator_objective=objective,
            adversarial_weight=0.5,
            num_groups=2,
            **SAMPLER,
        )
        model_kwargs = dict(loss="nssa", loss_kwargs=dict(reduction=reduction, margin=3.0, adversarial_temperature=2.0))
        loop = make_loop(MATTrainingLoop, loop_kwargs=loop_kwargs, model_kwargs=model_kwargs)
        torch.manual_seed(0)
        batch = next(
            iter(loop._create_training_data_loader(make_factory(), sampler=None, batch_size=16, drop_last=True))
        )
        loop._sub_batch_size = size
        losses = []
        for start in range(0, 16, size):
            stop = min(start + size, 16)
            losses.append(loop._forward_pass(batch, start, stop, 16, label_smoothing=0.0, slice_size=None))
        gradients = [parameter.grad for parameter in loop.model.parameters()]
        loop.step_generators(batch, only_size_probing=True)
        gradients += [parameter.grad for parameter in loop.synthesizer.parameters()]
        results.append((sum(losses), loop.meter.means(), gradients))
    (whole, whole_means, expected), (parts, means, actual) = results
    assert parts == pytest.approx(whole, rel=1e-10)
    assert means == pytest.approx(whole_means, rel=1e-10)
    for x, y in zip(actual, expected, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-12)


def test_training():
    """The same after some epochs, up to rounding."""
    whole, parts = (
        train(MATTrainingLoop, loop_kwargs=SAMPLER, lr=1e-3, train_kwargs=dict(sub_batch_size=size)) for size in (16, 5)
    )
    assert parts.losses_per_epochs == pytest.approx(whole.losses_per_epochs, rel=1e-3)


def test_size_probing_does_not_train_the_generators():
    """PyKEEN tries out whether batches fit in memory before training."""
    loop = train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1)
    before = [parameter.clone() for parameter in loop.synthesizer.parameters()]
    loop._train(make_factory(), num_epochs=1, batch_size=16, only_size_probing=True, continue_training=True)
    assert all(torch.equal(a, b) for a, b in zip(loop.synthesizer.parameters(), before, strict=True))
