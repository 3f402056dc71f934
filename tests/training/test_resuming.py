"""Checkpoints, and what continues from them."""

import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.pipeline import pipeline
from pykeen.stoppers import EarlyStopper
from pykeen.training.callbacks import TrainingCallback

from pykeen_adamf.models import AdaMF, AdaMFRotatE
from pykeen_adamf.training import MATTrainingLoop, OneVsAllMATTrainingLoop, OneVsAllTrainingLoop, checkpoint_file

from ..cases import make_factory
from .cases import REGULARIZED, SAMPLER, assert_equal_generators, assert_equal_models, make_loop, train

#: The options of training loops with one softmax for each triple.
N3 = dict(n3_weight=0.01)

FROZEN = dict(trainable_features=False, missing="mask")


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("model_kwargs", "train_kwargs"),
    [
        ({}, {}),
        (FROZEN, dict(sub_batch_size=5)),
        pytest.param({}, dict(sub_batch_size=5), marks=pytest.mark.slow),
        pytest.param(FROZEN, {}, marks=pytest.mark.slow),
        *(
            pytest.param(model_kwargs, train_kwargs, marks=pytest.mark.slow)
            for model_kwargs in ({}, FROZEN)
            for train_kwargs in (dict(num_workers=1), dict(gradient_clipping_max_norm=0.5, drop_last=True))
        ),
    ],
)
def test_resume(checkpoint, train_kwargs, model_kwargs):
    kwargs = dict(loop_kwargs=SAMPLER, model_kwargs=model_kwargs)
    straight = train(MATTrainingLoop, epochs=4, train_kwargs=train_kwargs, **kwargs)
    train(MATTrainingLoop, epochs=2, train_kwargs={**train_kwargs, **checkpoint}, **kwargs)
    resumed = train(MATTrainingLoop, epochs=4, train_kwargs={**train_kwargs, **checkpoint}, **kwargs)
    assert_equal_models(straight, resumed)
    assert_equal_generators(straight, resumed)
    assert straight.losses_per_epochs == resumed.losses_per_epochs
    assert straight.adversarial_losses_per_epoch == resumed.adversarial_losses_per_epoch


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("loss", ["crossentropy", "bcewithlogits"])
@pytest.mark.parametrize("cls", [OneVsAllTrainingLoop, OneVsAllMATTrainingLoop])
def test_resume_one_vs_all(checkpoint, cls, loss):
    """Also the order of triples, running statistics, and dropout, which are at random."""
    factory = make_factory(create_inverse_triples=True)
    loops, states = [], []
    for kwargs, epochs in (({}, 3), (checkpoint, 1), (checkpoint, 3)):
        loop = make_loop(
            cls, factory=factory, model_cls=AdaMF, model_kwargs=dict(loss=loss, **REGULARIZED), loop_kwargs=N3
        )
        loop.train(factory, num_epochs=epochs, batch_size=16, label_smoothing=0.1, use_tqdm=False, **kwargs)
        loops.append(loop)
        states.append(torch.get_rng_state())
    straight, _, resumed = loops
    assert_equal_models(straight, resumed)
    assert straight.losses_per_epochs == resumed.losses_per_epochs
    assert torch.equal(states[0], states[2])
    pairs = zip(straight.optimizer.state.values(), resumed.optimizer.state.values(), strict=True)
    assert all(torch.equal(x[name], y[name]) for x, y in pairs for name in x)
    if cls is OneVsAllMATTrainingLoop:
        assert_equal_generators(straight, resumed)
        assert straight.adversarial_losses_per_epoch == resumed.adversarial_losses_per_epoch


@pytest.mark.slow
@pytest.mark.parametrize("amo", [False, True])
def test_sub_batches_with_memory_optimization(checkpoint, amo):
    """The size that was given is used, before and after."""
    losses = []
    for kwargs in ({}, checkpoint):
        for epochs in (2, 4) if kwargs else (4,):
            loop = make_loop(MATTrainingLoop, loop_kwargs=SAMPLER, automatic_memory_optimization=amo)
            kwargs = dict(batch_size=16, sub_batch_size=5, use_tqdm=False, **kwargs)
            loop.train(make_factory(), num_epochs=epochs, **kwargs)
            kwargs = checkpoint
        losses.append(loop.losses_per_epochs)
        assert loop._sub_batch_size == 5
    assert losses[0] == losses[1]


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "rmsprop", "adamax"])
def test_optimizers(checkpoint, optimizer):
    loops = []
    for kwargs, epochs in (({}, 3), (checkpoint, 1), (checkpoint, 3)):
        factory = make_factory()
        model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=7)
        loop = MATTrainingLoop(model=model, triples_factory=factory, optimizer=optimizer, **SAMPLER)
        loop.train(factory, num_epochs=epochs, batch_size=16, use_tqdm=False, **kwargs)
        loops.append(loop)
    assert_equal_models(loops[0], loops[2])


@pytest.mark.slow
def test_pipeline(checkpoint):
    """The same through PyKEEN's pipeline, which looks into the checkpoint before."""
    training, testing, validation = make_factory(num_entities=30, num_triples=200).split(
        [0.8, 0.1, 0.1], random_state=0
    )
    results = []
    # when it continues, the seed is that of the checkpoint
    for kwargs, epochs, seed in (({}, 5, 3), (checkpoint, 2, 3), (checkpoint, 5, None)):
        results.append(
            pipeline(
                training=training,
                testing=testing,
                validation=validation,
                model="AdaMFRotatE",
                model_kwargs=dict(embedding_dim=4),
                training_loop="MAT",
                stopper="early",
                stopper_kwargs=dict(frequency=1, patience=10, relative_delta=0.002),
                training_kwargs=dict(num_epochs=epochs, batch_size=40, use_tqdm=False, **kwargs),
                random_seed=seed,
            )
        )
    straight, _, resumed = results
    assert resumed.random_seed == 3
    assert resumed.losses == straight.losses
    assert_equal_models(straight, resumed)
    assert_equal_generators(straight.training_loop, resumed.training_loop)
    assert resumed.metric_results.to_flat_dict() == straight.metric_results.to_flat_dict()


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("scheduler", "kwargs"),
    [
        ("cosineannealing", dict(T_max=4)),
        ("cyclic", dict(base_lr=0.001, max_lr=0.1, cycle_momentum=False)),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("cosineannealingwarmrestarts", dict(T_0=1, T_mult=2)),
                ("constant", {}),
                ("exponential", dict(gamma=0.5)),
                ("linear", {}),
                ("multistep", dict(milestones=[1, 3])),
                ("onecycle", dict(max_lr=0.1, total_steps=10)),
                ("polynomial", {}),
                ("step", dict(step_size=2)),
            )
        ),
    ],
)
def test_schedules(checkpoint, scheduler, kwargs):
    """Learning rates of both players follow their schedules, and do so after having continued."""
    loop_kwargs = dict(
        # PyKEEN cannot make all of them for the model
        lr_scheduler="exponential" if scheduler in {"cyclic", "onecycle"} else scheduler,
        lr_scheduler_kwargs=dict(gamma=0.7) if scheduler in {"cyclic", "onecycle"} else kwargs,
        generator_lr_scheduler=scheduler,
        generator_lr_scheduler_kwargs=kwargs,
        **SAMPLER,
    )
    straight = train(MATTrainingLoop, loop_kwargs=loop_kwargs, epochs=4)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([parameter], lr=0.01)
    schedule = straight.generators.lr_scheduler_cls(optimizer, **kwargs)
    for _ in range(4):
        optimizer.step()
        schedule.step()
    assert straight.generators.lr == pytest.approx(optimizer.param_groups[0]["lr"])
    if scheduler not in {"cyclic", "onecycle"}:
        assert straight.optimizer.param_groups[0]["lr"] == pytest.approx(optimizer.param_groups[0]["lr"])
    train(MATTrainingLoop, loop_kwargs=loop_kwargs, epochs=2, train_kwargs=checkpoint)
    resumed = train(MATTrainingLoop, loop_kwargs=loop_kwargs, epochs=4, train_kwargs=checkpoint)
    assert_equal_models(straight, resumed)
    assert_equal_generators(straight, resumed)
    assert resumed.generators.lr == straight.generators.lr


def test_a_whole_learning_rate(checkpoint):
    """A schedule makes others of it."""
    kwargs = dict(loop_kwargs=SAMPLER | dict(lr_scheduler="exponential", lr_scheduler_kwargs=dict(gamma=0.5)), lr=1)
    straight = train(MATTrainingLoop, epochs=3, **kwargs)
    train(MATTrainingLoop, epochs=2, train_kwargs=checkpoint, **kwargs)
    assert_equal_models(straight, train(MATTrainingLoop, epochs=3, train_kwargs=checkpoint, **kwargs))


def test_writing_fails(checkpoint, monkeypatch):
    """The previous checkpoint stays."""
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    path = checkpoint["checkpoint_directory"] / "c.pt"
    before = path.read_bytes()

    def fail(state, path):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    with monkeypatch.context() as context:
        context.setattr(checkpoint_file.torch, "save", fail)
        with pytest.raises(OSError, match="No space left"):
            train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_given_features_are_not_stored(checkpoint):
    """Features that are not trained are only compared."""
    path = checkpoint["checkpoint_directory"] / "c.pt"
    names = {}
    for trainable in (False, True):
        path.unlink(missing_ok=True)
        model_kwargs = dict(trainable_features=trainable, missing="zero")
        train(MATTrainingLoop, loop_kwargs=SAMPLER, model_kwargs=model_kwargs, epochs=1, train_kwargs=checkpoint)
        names[trainable] = {name for name in torch.load(path)["model"] if name.endswith(".table")}
    assert not names[False]
    assert len(names[True]) == 2


def players(loop):
    """Return what is trained."""
    return [loop.model, loop.synthesizer] if hasattr(loop, "synthesizer") else [loop.model]


class Snapshots(TrainingCallback):
    """Keep a copy of everything after each epoch."""

    def __init__(self):
        super().__init__()
        self.epochs = {}

    def post_epoch(self, epoch, epoch_loss, **kwargs):
        self.epochs[epoch] = [
            {name: x.clone() for name, x in module.state_dict().items()} for module in players(self.training_loop)
        ]


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("cls", "patience"),
    [
        *((MATTrainingLoop, patience) for patience in (1, 100)),
        *((OneVsAllTrainingLoop, patience) for patience in (1, 100)),
        (OneVsAllMATTrainingLoop, 100),
    ],
)
def test_early_stopping(cls, patience):
    """In the end, model and generators are those of the best epoch, whether training was stopped or not."""
    factory = make_factory(num_entities=30, num_triples=200, create_inverse_triples=cls is not MATTrainingLoop)
    training, validation = factory.split(0.8, random_state=1)
    if cls is MATTrainingLoop:
        loop = make_loop(cls, factory=training, loop_kwargs=SAMPLER)
    else:
        loop = make_loop(cls, factory=training, model_cls=AdaMF, model_kwargs=REGULARIZED, loop_kwargs=N3, lr=0.05)
    stopper = EarlyStopper(
        model=loop.model,
        evaluator=RankBasedEvaluator(),
        training_triples_factory=training,
        evaluation_triples_factory=validation,
        frequency=1,
        patience=patience,
        relative_delta=0.002,
    )
    snapshots = Snapshots()
    losses = loop.train(training, num_epochs=6, batch_size=40, stopper=stopper, callbacks=snapshots, use_tqdm=False)
    assert stopper.stopped == (patience == 1)
    assert stopper.best_epoch < len(losses) == len(snapshots.epochs)
    for module, state in zip(players(loop), snapshots.epochs[stopper.best_epoch], strict=True):
        for name, x in module.state_dict().items():
            assert torch.equal(x, state[name])
    assert not stopper.best_model_path.exists()


def test_a_search_for_the_batch_size_would_reset_the_model(checkpoint, monkeypatch):
    monkeypatch.setattr(MATTrainingLoop, "_searches_batch_size", True)
    loop = make_loop(MATTrainingLoop, loop_kwargs=SAMPLER)
    with pytest.raises(ValueError, match="a batch_size must be given"):
        loop.train(make_factory(), **checkpoint)


def test_failure(tmp_path):
    """PyKEEN writes a checkpoint when training fails; it can be read."""

    class Failing(TrainingCallback):
        def pre_batch(self, **kwargs):
            if self.training_loop._epoch == 1:
                raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="failed"):
        train(
            MATTrainingLoop,
            loop_kwargs=SAMPLER,
            train_kwargs=dict(checkpoint_on_failure=True, checkpoint_directory=tmp_path, callbacks=Failing()),
        )
    (path,) = tmp_path.iterdir()
    assert checkpoint_file.read_checkpoint(path)["epoch"] == 1
    train(
        MATTrainingLoop,
        loop_kwargs=SAMPLER,
        train_kwargs=dict(checkpoint_name=path.name, checkpoint_directory=tmp_path),
    )
