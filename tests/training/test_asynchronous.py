"""The loop that does not wait for the device: here, a processor which pretends to be one, or a GPU if there is one."""

import gc
import math

import pytest
import torch
from pykeen.sampling import BasicNegativeSampler
from pykeen.training import NonFiniteLossError

from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler
from pykeen_adamf.training import MATTrainingLoop
from pykeen_adamf.training.slcwa import DeviceInstances, ResumableSLCWATrainingLoop

from ..cases import make_factory

BASES = [ResumableSLCWATrainingLoop, MATTrainingLoop]


def make_loop(base, asynchronous: bool = True, **kwargs):
    class Loop(base):
        pass

    Loop.asynchronous = property(lambda self: asynchronous)
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=0)
    kwargs = dict(negative_sampler="FilteredBernoulli", negative_sampler_kwargs=dict(num_negs_per_pos=8)) | kwargs
    loop = Loop(model=model, triples_factory=factory, optimizer="adam", optimizer_kwargs=dict(lr=0.01), **kwargs)
    return loop, factory


@pytest.mark.parametrize("base", BASES)
def test_same_numbers(base):
    """One batch of all triples, processed in both ways."""
    results = []
    for asynchronous in (True, False):
        loop, factory = make_loop(base, asynchronous)
        loop.model.train()
        torch.manual_seed(0)
        negatives, _ = FilteredBernoulliNegativeSampler(mapped_triples=factory.mapped_triples).sample(
            factory.mapped_triples
        )
        batch = dict(positives=factory.mapped_triples, negatives=negatives)
        num = len(factory.mapped_triples)
        losses = [loop._forward_pass(batch, start, min(start + 20, num), num, 0.0, None) for start in range(0, num, 20)]
        grads = [x.grad for x in loop.model.get_grad_params()]
        results.append([torch.tensor([float(x) for x in losses]), *grads])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("base", BASES)
def test_trains(base):
    loop, factory = make_loop(base)
    losses = loop.train(factory, num_epochs=20, batch_size=16, use_tqdm=False)
    assert all(isinstance(loss, float) for loss in losses)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("base", BASES)
def test_non_finite_loss(base):
    """Noticed at the end of the epoch."""
    loop, factory = make_loop(base)
    with torch.no_grad():
        loop.model.relation_representations[0].raw.fill_(math.nan)
    with pytest.raises(NonFiniteLossError):
        loop._train_epoch(
            batches=list(loop._create_training_data_loader(factory, sampler=None, batch_size=16, drop_last=False)),
            callbacks=_callbacks(loop),
            sub_batch_size=None,
            label_smoothing=0.0,
            slice_size=None,
            epoch=1,
            only_size_probing=False,
        )


def _callbacks(loop):
    from pykeen.training.callbacks import MultiTrainingCallback

    callbacks = MultiTrainingCallback()
    callbacks.register_training_loop(loop)
    return callbacks


@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_on_the_device(drop_last):
    """Every triple once in each epoch, in another order, with the sampler's negatives."""
    loop, factory = make_loop(MATTrainingLoop)
    loader = loop._create_training_data_loader(
        factory, sampler=None, batch_size=16, drop_last=drop_last, pin_memory=True, shuffle=True, num_workers=0
    )
    assert isinstance(loader.dataset, DeviceInstances)
    epochs = [list(loader) for _ in range(2)]
    expected = factory.num_triples // 16 if drop_last else math.ceil(factory.num_triples / 16)
    assert len(loader) == len(epochs[0]) == expected
    triples = [torch.cat([batch["positives"] for batch in epoch]) for epoch in epochs]
    assert not torch.equal(*triples)
    if not drop_last:
        for part in triples:
            assert torch.equal(part.unique(dim=0), factory.mapped_triples.unique(dim=0))
    for batch in epochs[0]:
        assert batch["negatives"].shape == (*batch["positives"].shape[:1], 8, 3)


@pytest.mark.parametrize(
    "kwargs",
    [
        dict(negative_sampler=BasicNegativeSampler),
        dict(negative_sampler_kwargs=dict(filterer="bloom")),
        dict(loss_weighter="relation", loss_weighter_kwargs=dict(weights=torch.ones(4))),
    ],
)
def test_other_batches_are_pykeens(kwargs):
    """Whatever else makes negatives may know of one place only."""
    loop, factory = make_loop(MATTrainingLoop, **kwargs)
    loader = loop._create_training_data_loader(factory, sampler=None, batch_size=16, drop_last=False)
    assert not isinstance(loader.dataset, DeviceInstances)


def test_inverse_triples():
    factory = make_factory(create_inverse_triples=True)
    loop, _ = make_loop(MATTrainingLoop)
    loader = loop._create_training_data_loader(factory, sampler=None, batch_size=16, drop_last=False)
    assert len(torch.cat([batch["positives"] for batch in loader])) == 2 * factory.num_triples


@pytest.mark.slow
def test_garbage_collection_is_left_as_it_was():
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    try:
        loop, factory = make_loop(MATTrainingLoop)
        seen = []
        loop._forward_pass = lambda *args, **kwargs: seen.append(gc.get_freeze_count()) or 0.0
        loop.train(factory, num_epochs=1, batch_size=64, use_tqdm=False)
        assert min(seen) > 0
        assert gc.get_freeze_count() == 0
    finally:
        if frozen:
            gc.freeze()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_no_synchronization():
    """On a GPU, a step of training does not wait for it."""
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=0).to("cuda")
    loop = MATTrainingLoop(model=model, triples_factory=factory, optimizer="adam")
    loop.train(factory, num_epochs=2, batch_size=16, use_tqdm=False)
    loader = loop._create_training_data_loader(factory, sampler=None, batch_size=16, drop_last=True)
    batch = next(iter(loader))
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss = loop._forward_pass(batch, 0, 16, 16, 0.0, None)
        loop.optimizer.step()
        loop.step_generators(batch, only_size_probing=False)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert loss.is_cuda
    assert torch.isfinite(loss)
