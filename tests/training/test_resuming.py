"""Checkpoints: what continues from them, what is refused, and that nothing in them is executed."""

import os
import pickle

import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.stoppers import EarlyStopper
from pykeen.training import SLCWATrainingLoop
from pykeen.training.callbacks import TrainingCallback
from pykeen.training.training_loop import CheckpointMismatchError

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.training import MATTrainingLoop, checkpoint_file, configuration
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory
from .cases import SAMPLER, assert_equal_generators, assert_equal_models, make_loop, train


@pytest.fixture
def checkpoint(tmp_path):
    """Return the arguments for a checkpoint after each epoch."""
    return dict(checkpoint_name="c.pt", checkpoint_directory=tmp_path, checkpoint_frequency=0)


@pytest.mark.parametrize(
    "train_kwargs",
    [{}, dict(sub_batch_size=5), dict(num_workers=1), dict(gradient_clipping_max_norm=0.5, drop_last=True)],
)
@pytest.mark.parametrize("model_kwargs", [{}, dict(trainable_features=False, missing="mask")])
def test_resume(checkpoint, train_kwargs, model_kwargs):
    kwargs = dict(loop_kwargs=SAMPLER, model_kwargs=model_kwargs)
    straight = train(MATTrainingLoop, epochs=4, train_kwargs=train_kwargs, **kwargs)
    train(MATTrainingLoop, epochs=2, train_kwargs={**train_kwargs, **checkpoint}, **kwargs)
    resumed = train(MATTrainingLoop, epochs=4, train_kwargs={**train_kwargs, **checkpoint}, **kwargs)
    assert_equal_models(straight, resumed)
    assert_equal_generators(straight, resumed)
    assert straight.losses_per_epochs == resumed.losses_per_epochs
    assert straight.adversarial_losses_per_epoch == resumed.adversarial_losses_per_epoch


@pytest.mark.parametrize(
    ("scheduler", "kwargs"),
    [
        ("cosineannealing", dict(T_max=4)),
        ("cosineannealingwarmrestarts", dict(T_0=2)),
        ("constant", {}),
        ("cyclic", dict(base_lr=0.001, max_lr=0.1, cycle_momentum=False)),
        ("exponential", dict(gamma=0.5)),
        ("linear", {}),
        ("multistep", dict(milestones=[1, 3])),
        ("onecycle", dict(max_lr=0.1, total_steps=10)),
        ("polynomial", {}),
        ("step", dict(step_size=2)),
    ],
)
def test_schedules(checkpoint, scheduler, kwargs):
    """Learning rates of both players follow their schedules, and do so after having continued."""
    loop_kwargs = dict(
        lr_scheduler="exponential",
        lr_scheduler_kwargs=dict(gamma=0.7),
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
    assert straight.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 0.7**4)
    train(MATTrainingLoop, loop_kwargs=loop_kwargs, epochs=2, train_kwargs=checkpoint)
    resumed = train(MATTrainingLoop, loop_kwargs=loop_kwargs, epochs=4, train_kwargs=checkpoint)
    assert_equal_models(straight, resumed)
    assert_equal_generators(straight, resumed)
    assert resumed.generators.lr == straight.generators.lr


def replace_features(name="textual", **changes):
    """Make the usual factory with one number of a feature changed."""
    factory = make_factory()
    features = dict(factory.features)
    matrix = features[name].matrix.clone()
    matrix[features[name].presence.nonzero()[0, 0], 0] += 1e-6
    features[name] = ModalityFeatures.from_matrix(matrix, features[name].labels, presence=features[name].presence)
    return MultimodalTriplesFactory.from_triples_factory(factory, features=features)


@pytest.mark.parametrize(
    ("kwargs", "train_kwargs", "reason"),
    [
        (dict(model_kwargs=dict(p=2.0)), {}, r"model .*\"p\": 1.0.* there, .*\"p\": 2.0.* here"),
        (dict(model_kwargs=dict(missing="zero")), {}, "model .*zero"),
        (dict(model_kwargs=dict(trainable_features=False)), {}, "parameters"),
        (dict(model_kwargs=dict(loss="nssa", loss_kwargs=dict(margin=3.0))), {}, r"loss .*\"margin\": 3.0"),
        (dict(lr=0.02), {}, r"optimizer .*0.01.* there"),
        (dict(loop_kwargs=dict(adversarial_weight=0.3, **SAMPLER)), {}, r"adversarial_weight \(0.1 there, 0.3 here\)"),
        (dict(loop_kwargs=dict(generator_optimizer_kwargs=dict(lr=0.2), **SAMPLER)), {}, "generators' optimizer"),
        (dict(loop_kwargs=dict(hidden_dim=3, **SAMPLER)), {}, "generators .*out_features=3"),
        (dict(loop_kwargs=dict(negative_sampler="basic")), {}, "negative sampler"),
        (
            dict(loop_kwargs=dict(lr_scheduler="exponential", lr_scheduler_kwargs=dict(gamma=0.5), **SAMPLER)),
            {},
            "rate",
        ),
        (dict(loop_kwargs=SAMPLER), dict(batch_size=17), r"batch_size \(16 there, 17 here\)"),
        (dict(loop_kwargs=SAMPLER), dict(num_negs_per_pos=9), "negative sampler"),
        (dict(factory=replace_features()), {}, "textual features"),
        (dict(factory=make_factory(seed=1)), {}, "training triples"),
        (dict(factory=make_factory(create_inverse_triples=True)), {}, "training triples"),
    ],
)
def test_other_configuration(checkpoint, kwargs, train_kwargs, reason):
    """A checkpoint of another configuration is refused with the reason, and stays as it is."""
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    path = checkpoint["checkpoint_directory"] / "c.pt"
    before = path.read_bytes()
    loop = make_loop(MATTrainingLoop, **{"loop_kwargs": SAMPLER, **kwargs})
    factory = kwargs.get("factory") or make_factory()
    kwargs = {**dict(num_epochs=2, batch_size=16, use_tqdm=False), **checkpoint, **train_kwargs}
    with pytest.raises(CheckpointMismatchError, match=rf"(?s)another configuration: .*{reason}.*checkpoint_name"):
        loop.train(factory, **kwargs)
    assert path.read_bytes() == before


def test_other_version(checkpoint, monkeypatch):
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    monkeypatch.setattr(configuration, "version", lambda name: "1.99")
    with pytest.raises(CheckpointMismatchError, match=r"version of PyKEEN \(1\.11\.\d there, 1\.99 here\)"):
        train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)


class Executed:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("kind", ["executable", "executable in a checkpoint", "truncated", "PyKEEN", "format", "text"])
def test_other_files(checkpoint, tmp_path, kind):
    """Nothing is executed, and the message says what to do."""
    path, trap = tmp_path / "c.pt", tmp_path / "executed"
    train(
        SLCWATrainingLoop if kind == "PyKEEN" else MATTrainingLoop,
        loop_kwargs=SAMPLER,
        epochs=1,
        train_kwargs=checkpoint,
    )
    if kind == "executable":
        path.write_bytes(pickle.dumps(Executed(str(trap))))
    elif kind == "executable in a checkpoint":
        torch.save({**torch.load(path), "stopper_dict": Executed(str(trap))}, path)
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif kind == "format":
        torch.save({**torch.load(path), checkpoint_file.KEY_FORMAT: 99}, path)
    elif kind == "text":
        path.write_text("checkpoint")
    with pytest.raises(CheckpointMismatchError, match=r"c\.pt .*checkpoint_name"):
        train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)
    assert not trap.exists()


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


class Snapshots(TrainingCallback):
    """Keep a copy of everything after each epoch."""

    def __init__(self):
        super().__init__()
        self.epochs = {}

    def post_epoch(self, epoch, epoch_loss, **kwargs):
        self.epochs[epoch] = [
            {name: x.clone() for name, x in module.state_dict().items()}
            for module in (self.model, self.training_loop.synthesizer)
        ]


@pytest.mark.parametrize("patience", [1, 100])
def test_early_stopping(patience):
    """In the end, model and generators are those of the best epoch, whether training was stopped or not."""
    training, validation = make_factory(num_entities=30, num_triples=200).split(0.8, random_state=1)
    loop = make_loop(MATTrainingLoop, factory=training, loop_kwargs=SAMPLER)
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
    for module, state in zip((loop.model, loop.synthesizer), snapshots.epochs[stopper.best_epoch], strict=True):
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
