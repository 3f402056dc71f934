"""What PyKEEN does to make do with the memory, and the options of its data loaders.

In these tests, memory runs out where a training loop processes more than some number of triples. All else is real.
"""

import math

import pytest
import torch
from pykeen.training import TrainingLoop
from pykeen.training.callbacks import TrainingCallback
from pykeen.training.training_loop import NoTrainingBatchError

from .cases import BASELINES, COMBINATIONS, SAMPLING, differences, make_dataset, make_loop, run_pipeline, train

LIMIT = 12
NUM_TRIPLES = len(make_dataset().training.mapped_triples)

ERRORS = {
    "class": torch.cuda.OutOfMemoryError("there is no memory"),
    "message": RuntimeError("CUDA out of memory. Tried to allocate 3.00 GiB"),
}


def limit_memory(loop: TrainingLoop, limit: int = LIMIT, error: str = "class", num_scores: int | None = None) -> list:
    """Let memory run out for more than a number of triples, or of scores, and return the sizes that were processed."""
    forward = loop._forward_pass
    sizes: list[int] = []

    def limited(batch, start, stop, current_batch_size, label_smoothing, slice_size, **kwargs):
        size = stop - start
        if num_scores is not None:
            size *= slice_size or loop.model.num_entities
        if size > (limit if num_scores is None else num_scores):
            raise ERRORS[error]
        sizes.append(size)
        return forward(batch, start, stop, current_batch_size, label_smoothing, slice_size, **kwargs)

    loop._forward_pass = limited
    return sizes


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("model", "loop", "error"), [*[(*names, "class") for names in COMBINATIONS], ("AdaMFRotatE", "MAT", "message")]
)
def test_batch_size_search(model, loop, error):
    """The search finds a batch size that fits, and leaves a loop that can be trained with it."""
    loop = make_loop(model, loop)
    sizes = limit_memory(loop, error=error)
    batch_size, successful = loop.batch_size_search(triples_factory=make_dataset().training)
    assert successful
    # halved until it fits
    assert LIMIT / 2 < batch_size <= LIMIT
    assert not loop.losses_per_epochs
    assert loop._epoch == 0
    train(loop, batch_size=batch_size)
    assert all(map(math.isfinite, loop.losses_per_epochs))
    assert max(sizes) <= LIMIT


@pytest.mark.parametrize(("model", "loop"), COMBINATIONS)
def test_batch_size_search_without_need(model, loop):
    """If everything fits, one batch has all triples."""
    batch_size, successful = make_loop(model, loop).batch_size_search(triples_factory=make_dataset().training)
    assert successful
    assert batch_size >= NUM_TRIPLES


@pytest.mark.parametrize(("model", "loop"), COMBINATIONS)
def test_no_memory_at_all(model, loop):
    """If nothing fits, the search says so."""
    loop = make_loop(model, loop)
    limit_memory(loop, limit=0)
    assert loop.batch_size_search(triples_factory=make_dataset().training) == (1, False)
    with pytest.raises(MemoryError, match=r"can't be trained on this hardware|doesn't fit into your memory"):
        loop.sub_batch_and_slice(batch_size=16, sampler=None, triples_factory=make_dataset().training)


@pytest.mark.parametrize("sampler", [None, "schlichtkrull"])
@pytest.mark.parametrize(("model", "loop"), COMBINATIONS)
def test_sub_batch_size_search(model, loop, sampler):
    """The largest power-of-two part of a batch that fits."""
    if sampler is not None and (model, loop) not in SAMPLING:
        pytest.skip("needs negative samples")
    loop = make_loop(model, loop)
    limit_memory(loop)
    found = loop.sub_batch_and_slice(batch_size=64, sampler=sampler, triples_factory=make_dataset().training)
    assert found == (8, None)


@pytest.mark.parametrize("model", ["AdaMFRotatE", "LpRotatE"])
def test_slice_size_search(model):
    """If not even one triple fits with all entities, LCWA scores some of the entities at once."""
    loop = make_loop(model, "LCWA", automatic_memory_optimization=True)
    sizes = limit_memory(loop, num_scores=7)
    found = loop.sub_batch_and_slice(batch_size=16, sampler=None, triples_factory=make_dataset().training)
    assert found == (1, 5)
    train(loop, batch_size=16)
    assert max(sizes) == 5
    assert all(map(math.isfinite, loop.losses_per_epochs))


def seed_after(loop: TrainingLoop, name: str) -> None:
    """Let the random state be the same after a search as it would be without."""
    search = getattr(loop, name)

    def then_seed(**kwargs):
        result = search(**kwargs)
        torch.manual_seed(1)
        return result

    setattr(loop, name, then_seed)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "loop"), COMBINATIONS + BASELINES)
def test_training_after_a_search(model, loop):
    """But for the random numbers that a search has drawn, training is the same as without, to the last bit.

    In particular, nothing of the generators, their noise and their optimizer is left over from the search.
    """
    kwargs = dict(generator_optimizer="adam") if loop == "MAT" else {}
    found = make_loop(model, loop, automatic_memory_optimization=True, **kwargs)
    sizes = limit_memory(found)
    seed_after(found, "sub_batch_and_slice")
    train(found)
    assert max(sizes) == 8
    given = train(make_loop(model, loop, **kwargs), sub_batch_size=8)
    assert not differences(found, given)
    assert found.losses_per_epochs == given.losses_per_epochs
    assert_same_optimizers(found, given)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_training_after_a_search_for_the_batch_size(model, loop):
    found = make_loop(model, loop)
    limit_memory(found)
    batch_size, _ = found.batch_size_search(triples_factory=make_dataset().training)
    train(found, batch_size=batch_size)
    given = train(make_loop(model, loop), batch_size=batch_size)
    assert not differences(found, given)
    assert found.losses_per_epochs == given.losses_per_epochs
    assert_same_optimizers(found, given)
    if loop == "MAT":
        assert found.adversarial_losses_per_epoch == given.adversarial_losses_per_epoch


def assert_same_optimizers(first: TrainingLoop, second: TrainingLoop) -> None:
    pairs = [(first.optimizer, second.optimizer)]
    if hasattr(first, "generators"):
        pairs.append((first.generators.optimizer, second.generators.optimizer))
    for one, other in pairs:
        states = [[*optimizer.state_dict()["state"].values()] for optimizer in (one, other)]
        assert states[0]
        for x, y in zip(*states, strict=True):
            assert x.keys() == y.keys()
            assert all(torch.equal(torch.as_tensor(x[key]), torch.as_tensor(y[key])) for key in x)


def test_interrupted_by_memory():
    """After an error, a loop can be trained with smaller batches, as a new one would be."""
    failed = make_loop("AdaMFRotatE", "MAT")
    limit_memory(failed)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        train(failed, batch_size=32)
    train(failed, batch_size=8)
    assert not differences(failed, train(make_loop("AdaMFRotatE", "MAT"), batch_size=8))


@pytest.mark.parametrize("automatic", [True, False])
@pytest.mark.parametrize(("model", "loop"), COMBINATIONS)
def test_no_batch_size(model, loop, automatic):
    """PyKEEN's default on the CPU is 256."""
    result = run_pipeline(
        model,
        loop,
        training_kwargs=dict(batch_size=None, num_epochs=1),
        training_loop_kwargs=dict(automatic_memory_optimization=automatic),
    )
    assert len(result.losses) == 1
    given = run_pipeline(
        model,
        loop,
        training_kwargs=dict(batch_size=256, num_epochs=1),
        training_loop_kwargs=dict(automatic_memory_optimization=False),
    )
    assert result.losses == given.losses


class Positives(TrainingCallback):
    """Remember the positive triples of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[tuple[int, ...]]] = []

    def post_batch(self, epoch, batch, **kwargs):
        self.batches.append([tuple(row) for row in batch["positives"].tolist()])


@pytest.mark.filterwarnings("ignore:(?s)Length of IterableDataset:UserWarning")
@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_workers_are_reproducible(model, loop, num_workers):
    """However many processes prepare the batches, the same seed gives the same result."""
    first, second = (train(make_loop(model, loop), num_epochs=1, num_workers=num_workers) for _ in range(2))
    assert not differences(first, second)
    assert first.losses_per_epochs == second.losses_per_epochs


def xfail(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, reason=reason)


WORKERS = [
    *[(model, loop, num_workers) for model, loop in SAMPLING for num_workers in (0, 1)],
    *[
        pytest.param(model, "sLCWA", 2, marks=xfail("each of PyKEEN's workers takes the first triples"))
        for model in ("AdaMFRotatE", "LpRotatE", "RotatE")
    ],
    ("AdaMFRotatE", "MAT", 2),
    ("AdaMFRotatE", "MAT", 3),
]


@pytest.mark.filterwarnings("ignore:(?s)Length of IterableDataset:UserWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes:UserWarning")
@pytest.mark.slow
@pytest.mark.parametrize(("model", "loop", "num_workers"), WORKERS)
def test_workers_see_everything(model, loop, num_workers):
    """However many processes prepare the batches, each triple occurs once in an epoch."""
    seen = Positives()
    train(make_loop(model, loop), num_epochs=1, num_workers=num_workers, callbacks=seen, batch_size=16)
    expected = sorted(map(tuple, make_dataset().training.mapped_triples.tolist()))
    assert sorted(triple for batch in seen.batches for triple in batch) == expected


@pytest.mark.parametrize("loop", ["LCWA", "SymmetricLCWA"])
def test_workers_without_negative_samples(loop):
    """Where nothing is sampled, the number of processes makes no difference."""
    first, second = (train(make_loop("AdaMFRotatE", loop), num_epochs=1, num_workers=n) for n in (0, 2))
    assert not differences(first, second)


@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_drop_last(model, loop):
    """Incomplete batches are dropped; that there is no other is an error."""
    full, rest = divmod(NUM_TRIPLES, 32)
    for drop, expected in ((False, [32] * full + [rest]), (True, [32] * full)):
        seen = Positives()
        train(make_loop(model, loop), num_epochs=1, drop_last=drop, callbacks=seen)
        assert [len(batch) for batch in seen.batches] == expected
    with pytest.raises(NoTrainingBatchError, match=r"setting drop_last=False"):
        train(make_loop(model, loop), batch_size=NUM_TRIPLES + 1, drop_last=True)


@pytest.mark.parametrize(("model", "loop"), COMBINATIONS)
def test_pinned_memory(model, loop):
    first, second = (train(make_loop(model, loop), pin_memory=pin, num_epochs=1) for pin in (False, True))
    assert not differences(first, second)
