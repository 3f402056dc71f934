"""Evaluation in the middle of training, which it must not change."""

import pytest
import torch
from pykeen.trackers import PythonResultTracker
from pykeen.training.callbacks import (
    EvaluationLoopTrainingCallback,
    EvaluationLossTrainingCallback,
    EvaluationTrainingCallback,
    TrainingCallback,
)

from .cases import COMBINATIONS, FEW_METRICS, SAMPLING, differences, make_dataset, make_loop, train


def keep_random_state(cls: type[TrainingCallback]) -> type[TrainingCallback]:
    """Derive a callback that draws its random numbers from elsewhere."""

    class Derived(cls):
        def post_epoch(self, *args, **kwargs) -> None:
            with torch.random.fork_rng(devices=[]):
                super().post_epoch(*args, **kwargs)

    return Derived


def callbacks_kwargs() -> dict[type[TrainingCallback], dict]:
    dataset = make_dataset()
    return {
        EvaluationTrainingCallback: dict(
            evaluation_triples=dataset.validation.mapped_triples,
            evaluator_kwargs=FEW_METRICS,
            prefix="validation",
            additional_filter_triples=dataset.training.mapped_triples,
            use_tqdm=False,
        ),
        EvaluationLoopTrainingCallback: dict(
            factory=dataset.validation,
            evaluator_kwargs=FEW_METRICS,
            prefix="validation",
            additional_filter_triples=[dataset.training.mapped_triples],
            use_tqdm=False,
        ),
        EvaluationLossTrainingCallback: dict(triples_factory=dataset.validation, maximum_batch_size=8),
    }


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("cls", callbacks_kwargs())
@pytest.mark.parametrize(("model_name", "loop"), COMBINATIONS)
def test_evaluation_does_not_change_training(model_name, loop, cls):
    """Every epoch is evaluated, and the result of training is the same to the last bit."""
    tracker = PythonResultTracker()
    evaluated = make_loop(model_name, loop, result_tracker=tracker)
    train(evaluated, num_epochs=2, callbacks=keep_random_state(cls)(**callbacks_kwargs()[cls]))
    plain = train(make_loop(model_name, loop), num_epochs=2)
    assert not differences(evaluated, plain)
    assert evaluated.losses_per_epochs == plain.losses_per_epochs
    if loop == "MAT":
        assert evaluated.adversarial_losses_per_epoch == plain.adversarial_losses_per_epoch
    name = "validation.loss" if cls is EvaluationLossTrainingCallback else "validation.both.realistic.hits_at_3"
    assert all(name in tracker.metrics[epoch] for epoch in (1, 2))


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("cls", callbacks_kwargs())
@pytest.mark.parametrize(("model_name", "loop"), SAMPLING)
def test_random_numbers_of_callbacks(model_name, loop, cls):
    """What PyKEEN's callbacks do to the random state: only the oldest one leaves it as it is."""
    callback = cls(**callbacks_kwargs()[cls])
    evaluated = train(make_loop(model_name, loop), num_epochs=2, callbacks=callback)
    plain = train(make_loop(model_name, loop), num_epochs=2)
    assert bool(differences(evaluated, plain)) == (cls is not EvaluationTrainingCallback)


def test_validation_loss_is_that_of_the_model():
    """Without the adversarial loss, which is not what is to be measured."""
    values = {}
    for loop in ("sLCWA", "MAT"):
        tracker = PythonResultTracker()
        sampler = dict(negative_sampler="FilteredBernoulli", negative_sampler_kwargs=dict(num_negs_per_pos=4))
        trained = make_loop("AdaMFRotatE", loop, result_tracker=tracker, optimizer_kwargs=dict(lr=0.0), **sampler)
        callback = EvaluationLossTrainingCallback(triples_factory=make_dataset().validation, maximum_batch_size=8)
        train(trained, num_epochs=1, batch_size=1024, callbacks=callback)
        values[loop] = tracker.metrics[1]["validation.loss"]
    assert values["MAT"] == pytest.approx(values["sLCWA"], rel=1e-5)
