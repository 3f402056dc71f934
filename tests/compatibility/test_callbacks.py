"""Callbacks of users, and schedules of learning rates."""

import math

import pytest
import torch
from pykeen.lr_schedulers import lr_scheduler_resolver
from pykeen.trackers import PythonResultTracker
from pykeen.training.callbacks import TrainingCallback

from .cases import COMBINATIONS, SAMPLING, differences, make_dataset, make_loop, run_pipeline, train

NUM_BATCHES = -(-make_dataset().training.num_triples // 32)


class Recorder(TrainingCallback):
    """Record all calls, and the steps of the optimizers."""

    def __init__(self, name: str = "", events: list | None = None) -> None:
        super().__init__()
        self.name = name
        self.events = [] if events is None else events

    def record(self, event: str, **kwargs) -> None:
        self.events.append(f"{self.name}{event}")
        assert self.model is self.training_loop.model
        assert self.loss is self.model.loss
        assert self.optimizer is self.training_loop.optimizer
        assert self.result_tracker is self.training_loop.result_tracker

    def pre_batch(self, **kwargs):
        self.record("pre_batch")

    def on_batch(self, epoch, batch, batch_loss, **kwargs):
        assert math.isfinite(batch_loss)
        self.record("on_batch")

    def pre_step(self, **kwargs):
        self.record("pre_step")

    def post_batch(self, epoch, batch, **kwargs):
        self.record("post_batch")

    def post_epoch(self, epoch, epoch_loss, **kwargs):
        assert epoch_loss == self.training_loop.losses_per_epochs[-1]
        assert len(self.training_loop.losses_per_epochs) == epoch
        self.record("post_epoch")

    def post_train(self, losses, **kwargs):
        assert losses == self.training_loop.losses_per_epochs
        self.record("post_train")


@pytest.mark.parametrize("sub_batch_size", [None, 20])
@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_all_hooks(model, loop, sub_batch_size):
    """All hooks are called, in PyKEEN's order."""
    recorder = Recorder()
    train(make_loop(model, loop), callbacks=recorder, sub_batch_size=sub_batch_size)
    sizes = [32] * (NUM_BATCHES - 1) + [make_dataset().training.num_triples - 32 * (NUM_BATCHES - 1)]
    expected = []
    for size in sizes:
        expected += ["pre_batch", *["on_batch"] * -(-size // (sub_batch_size or size)), "pre_step", "post_batch"]
    assert recorder.events == 2 * [*expected, "post_epoch"] + ["post_train"]


def test_gradients_before_the_step():
    """Before the step of MAT's discriminator, there are gradients of the model, and not yet of the generators."""
    seen = []

    class Gradients(TrainingCallback):
        def pre_step(self, **kwargs):
            seen.append([parameter.grad.clone() for parameter in self.model.get_grad_params()])
            assert all(parameter.grad is None for parameter in self.training_loop.synthesizer.parameters())

    train(make_loop("AdaMFRotatE", "MAT", adversarial_weight=1.0), num_epochs=1, batch_size=1024, callbacks=Gradients)
    assert len(seen) == 1
    assert all(gradient.any() for gradient in seen[0])


def test_users_see_the_generators_losses():
    """After each epoch, a callback finds the losses of both players, and the tracker has them."""
    seen = []

    class Losses(TrainingCallback):
        def post_epoch(self, epoch, epoch_loss, **kwargs):
            seen.append((epoch, dict(self.training_loop.adversarial_losses_per_epoch[-1])))

    tracker = PythonResultTracker()
    loop = train(make_loop("AdaMFRotatE", "MAT", result_tracker=tracker), callbacks=Losses)
    assert seen == [(i + 1, dict(losses)) for i, losses in enumerate(loop.adversarial_losses_per_epoch)]
    assert tracker.metrics[2]["generator_loss"] == seen[1][1]["generator_loss"]


def test_several_callbacks():
    """In the order in which they are given; names, classes, instances, and keyword-based parameters of each."""
    events: list[str] = []
    run_pipeline(
        training_kwargs=dict(
            num_epochs=1,
            batch_size=1024,
            callbacks=[Recorder("a ", events), Recorder, "evaluation"],
            callbacks_kwargs=[
                None,
                dict(name="b ", events=events),
                dict(evaluation_triples=make_dataset().validation.mapped_triples, prefix="validation", use_tqdm=False),
            ],
        )
    )
    hooks = ["pre_batch", "on_batch", "pre_step", "post_batch", "post_epoch", "post_train"]
    # PyKEEN tries out before that whether a batch fits, without callbacks
    assert events == [f"{name} {hook}" for hook in hooks for name in "ab"]


def test_one_callback_for_several_parameters():
    """A single callback, and a list of parameters: one callback each."""
    dataset = make_dataset()
    tracker = PythonResultTracker()
    loop = make_loop("AdaMFRotatE", "MAT", result_tracker=tracker)
    train(
        loop,
        callbacks="evaluation",
        callbacks_kwargs=[
            dict(evaluation_triples=triples.mapped_triples, prefix=prefix, use_tqdm=False, frequency=frequency)
            for triples, prefix, frequency in ((dataset.validation, "v", 1), (dataset.testing, "t", 2))
        ],
    )
    names = [{name.split(".")[0] for name in tracker.metrics[epoch]} & {"v", "t"} for epoch in (1, 2)]
    assert names == [{"v"}, {"v", "t"}]


@pytest.mark.parametrize(("model", "loop"), COMBINATIONS)
def test_observers_change_nothing(model, loop):
    first, second = (train(make_loop(model, loop), callbacks=callbacks) for callbacks in (None, TrainingCallback))
    assert not differences(first, second)


def test_callbacks_can_stop_training():
    class Stop(TrainingCallback):
        def post_epoch(self, epoch, epoch_loss, **kwargs):
            self.training_loop._should_stop = epoch == 2

    loop = train(make_loop("AdaMFRotatE", "MAT"), num_epochs=9, callbacks=Stop)
    assert len(loop.losses_per_epochs) == 2


def test_errors_of_callbacks_are_not_swallowed():
    class Broken(TrainingCallback):
        def post_batch(self, epoch, batch, **kwargs):
            raise KeyError("of the user's")

    loop = make_loop("AdaMFRotatE", "MAT")
    with pytest.raises(KeyError, match="of the user's"):
        train(loop, callbacks=Broken)
    # and leave nothing behind
    assert not differences(train(loop), train(make_loop("AdaMFRotatE", "MAT")))


CLIPPING = [
    ("gradientnormclipping", dict(gradient_clipping_max_norm=1e-3), dict(max_norm=1e-3)),
    (
        "gradientnormclipping",
        dict(gradient_clipping_max_norm=1e-3, gradient_clipping_norm_type=1.0),
        dict(max_norm=1e-3, norm_type=1.0),
    ),
    ("gradientabsclipping", dict(gradient_clipping_max_abs_value=1e-5), dict(clip_value=1e-5)),
]


@pytest.mark.parametrize(("callback", "options", "callback_options"), CLIPPING)
@pytest.mark.parametrize(("model", "loop"), COMBINATIONS)
def test_clipping(model, loop, callback, options, callback_options):
    """Gradients are clipped by a callback, and in MAT also by the options for it.

    This version of PyKEEN forgets to tell the latter to which loop they belong.
    """
    for as_callback in (True, False):
        trained = make_loop(model, loop, optimizer="sgd", optimizer_kwargs=dict(lr=1.0))
        trained.model.reset_parameters_ = lambda trained=trained: trained.model
        before = torch.cat([x.detach().flatten().clone() for x in trained.model.get_grad_params()])
        kwargs = dict(callbacks=callback, callbacks_kwargs=callback_options) if as_callback else options
        if loop != "MAT" and not as_callback:
            with pytest.raises(ValueError, match="Callback was never initialized"):
                train(trained, **kwargs)
            continue
        train(trained, num_epochs=1, batch_size=1024, **kwargs)
        step = torch.cat([x.detach().flatten() for x in trained.model.get_grad_params()]) - before
        assert step.any()
        if "max_norm" in callback_options:
            norm = torch.linalg.vector_norm(step, ord=callback_options.get("norm_type", 2.0))
            assert norm <= 1.01 * callback_options["max_norm"]
        else:
            assert step.abs().max() <= 1.05 * callback_options["clip_value"]


# Schedules

LR = 0.01

#: What PyKEEN makes of the schedulers that it can pass on: parameters, and the factor of the learning rate by epoch.
SCHEDULES = {
    "exponential": (dict(gamma=0.9), lambda i: 0.9**i),
    "step": (dict(step_size=2, gamma=0.5), lambda i: 0.5 ** (i // 2)),
    "multistep": (dict(milestones=[1, 3], gamma=0.5), lambda i: 0.5 ** sum(i >= x for x in (1, 3))),
    "polynomial": (dict(total_iters=5, power=2.0), lambda i: (1 - i / 5) ** 2),
    "cosineannealing": (dict(T_max=5), lambda i: (1 + math.cos(math.pi * i / 5)) / 2),
    "cosineannealingwarmrestarts": (dict(T_0=3), lambda i: (1 + math.cos(math.pi * (i % 3) / 3)) / 2),
}

#: Those that PyKEEN starts from the factor that it has applied already, for all models.
WARM_UPS = {
    "constant": (dict(factor=0.5, total_iters=2), lambda i: 0.5 if i < 2 else 1.0),
    "linear": (dict(start_factor=0.5, total_iters=4), lambda i: min(1.0, 0.5 + i / 8)),
}

#: Those that PyKEEN cannot build or rebuild, or does not call in their way, for all models.
IMPOSSIBLE = {
    "chainedscheduler": {},
    "cyclic": dict(base_lr=0.001, max_lr=0.1, cycle_momentum=False),
    "lambda": dict(lr_lambda=lambda epoch: 0.9**epoch),
    "multiplicative": dict(lr_lambda=lambda epoch: 0.9),
    "onecycle": dict(max_lr=0.1, total_steps=10),
    "reducelronplateau": dict(patience=0),
    "sequential": {},
    "swa": dict(swa_lr=0.05),
}

SCHEDULED = [("AdaMFRotatE", "MAT"), ("LpRotatE", "sLCWA"), ("RotatE", "sLCWA")]


class LearningRates(TrainingCallback):
    """Record the learning rates in force."""

    def __init__(self) -> None:
        super().__init__()
        self.model_rates: list[float] = []
        self.generator_rates: list[float] = []

    def pre_step(self, **kwargs):
        self.model_rates.append(self.optimizer.param_groups[0]["lr"])
        if hasattr(self.training_loop, "generators"):
            self.generator_rates.append(self.training_loop.generators.optimizer.param_groups[0]["lr"])


def learning_rates(model: str, loop: str, name: str, options: dict, **kwargs) -> LearningRates:
    rates = LearningRates()
    loop = make_loop(
        model, loop, optimizer_kwargs=dict(lr=LR), lr_scheduler=name, lr_scheduler_kwargs=options, **kwargs
    )
    train(loop, num_epochs=6, batch_size=1024, callbacks=rates)
    return rates


def test_every_scheduler_is_tested():
    assert set(lr_scheduler_resolver.lookup_dict) == {*SCHEDULES, *WARM_UPS, *IMPOSSIBLE}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("model", "loop"), SCHEDULED[:2])
def test_schedules(model, loop, name):
    """The learning rate follows the schedule; that of the generators is their own."""
    options, factor = SCHEDULES[name]
    # a search for sub-batches that fit must not make steps of the schedule
    rates = learning_rates(model, loop, name, options, automatic_memory_optimization=True)
    assert rates.model_rates == pytest.approx([LR * factor(i) for i in range(6)], abs=1e-9)
    assert all(rate == LR for rate in rates.generator_rates)


@pytest.mark.parametrize("name", WARM_UPS)
@pytest.mark.parametrize("model", ["LpRotatE", "RotatE"])
def test_warm_ups_of_pykeen(model, name):
    """PyKEEN applies the first factor twice, whatever the model."""
    options, factor = WARM_UPS[name]
    rates = learning_rates(model, "sLCWA", name, options)
    assert rates.model_rates == pytest.approx([LR * factor(0) * factor(i) for i in range(6)])


@pytest.mark.parametrize(
    "automatic_memory_optimization",
    [False, True],
)
@pytest.mark.parametrize("name", WARM_UPS)
def test_warm_ups(name, automatic_memory_optimization):
    """MAT applies it once, whether or not it has searched for sub-batches before; and not to the generators."""
    options, factor = WARM_UPS[name]
    rates = learning_rates(
        "AdaMFRotatE", "MAT", name, options, automatic_memory_optimization=automatic_memory_optimization
    )
    assert rates.model_rates == pytest.approx([LR * factor(i) for i in range(6)])
    assert all(rate == LR for rate in rates.generator_rates)


@pytest.mark.parametrize("name", IMPOSSIBLE)
@pytest.mark.parametrize(("model", "loop"), SCHEDULED)
def test_impossible_schedules(model, loop, name):
    """Not in silence, at least."""
    with pytest.raises(TypeError):
        learning_rates(model, loop, name, IMPOSSIBLE[name])
