"""Training small models."""

from pathlib import Path

import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.stoppers import EarlyStopper

from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler
from pykeen_adamf.training import KBGANTrainingLoop, MATTrainingLoop, MMRNSTrainingLoop, OneToNTrainingLoop

from ..cases import make_factory

SAMPLER = dict(negative_sampler=FilteredBernoulliNegativeSampler, negative_sampler_kwargs=dict(num_negs_per_pos=8))


#: An AdaMF that draws random numbers in training, and has statistics that are no parameters.
REGULARIZED = dict(batch_norm=True, entity_dropout=0.2, query_dropout=0.2, feature_dropout=0.2)


#: The training loops, with all that has a state.
SCHEDULE = dict(lr_scheduler="cosineannealingwarmrestarts", lr_scheduler_kwargs=dict(T_0=2))
LOOPS = {
    MATTrainingLoop: dict(generator_lr_scheduler="multistep", generator_lr_scheduler_kwargs=dict(milestones=[1, 3])),
    KBGANTrainingLoop: dict(generator="TransE", generator_kwargs=dict(embedding_dim=3)),
    MMRNSTrainingLoop: {},
    OneToNTrainingLoop: {},
}


def make_loop(
    cls, *, factory=None, loop_kwargs=None, model_cls=AdaMFRotatE, model_kwargs=None, lr: float = 0.01, **kwargs
):
    """Make a training loop with a small model."""
    factory = make_factory() if factory is None else factory
    model = model_cls(triples_factory=factory, embedding_dim=4, random_seed=7, **(model_kwargs or {}))
    return cls(
        model=model,
        triples_factory=factory,
        optimizer="adam",
        optimizer_kwargs=dict(lr=lr),
        **kwargs,
        **(loop_kwargs or {}),
    )


def make_stopped(cls, directory: Path, epochs: int):
    """Make a loop, and return it with what lets it train with early stopping."""
    training, validation = make_factory(num_entities=30, num_triples=200).split(0.8, random_state=1)
    loop = make_loop(cls, factory=training, loop_kwargs={**SCHEDULE, **LOOPS[cls]})
    stopper = EarlyStopper(
        model=loop.model,
        evaluator=RankBasedEvaluator(),
        training_triples_factory=training,
        evaluation_triples_factory=validation,
        frequency=1,
        patience=9,
        evaluation_batch_size=64,
        best_model_path=directory / "best.pt",
    )
    kwargs = dict(batch_size=64, use_tqdm=False, checkpoint_directory=directory, checkpoint_name="c.pt")
    return loop, lambda: loop.train(training, num_epochs=epochs, stopper=stopper, **kwargs)


def train(cls, *, loop_kwargs=None, train_kwargs=None, model_kwargs=None, lr: float = 0.01, epochs: int = 3):
    """Train from scratch, and return the loop."""
    loop = make_loop(
        cls,
        loop_kwargs=loop_kwargs,
        model_kwargs=model_kwargs,
        lr=lr,
        # PyKEEN would replace the requested size of sub-batches by one that it finds
        automatic_memory_optimization=not (train_kwargs or {}).get("sub_batch_size"),
    )
    loop.train(make_factory(), num_epochs=epochs, batch_size=16, use_tqdm=False, **(train_kwargs or {}))
    return loop


def assert_equal_models(a, b, equal: bool = True):
    """Assert that the models of two training loops are, or are not, the same to the last bit."""
    pairs = list(zip(a.model.state_dict().items(), b.model.state_dict().items(), strict=True))
    assert all(torch.equal(x, y) for (_, x), (_, y) in pairs) == equal


def assert_equal_generators(a, b):
    """Assert that the generators of two training loops, and their noise to come, are the same to the last bit."""
    for x, y in zip(a.synthesizer.parameters(), b.synthesizer.parameters(), strict=True):
        assert torch.equal(x, y)
    assert torch.equal(a.synthesizer.random_state.get_state(), b.synthesizer.random_state.get_state())
