"""Checkpoints that are refused, and that nothing in them is executed."""

import os
import pickle
import random

import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator, SampledRankBasedEvaluator
from pykeen.pipeline import pipeline
from pykeen.stoppers import EarlyStopper
from pykeen.training import SLCWATrainingLoop
from pykeen.training.callbacks import TrainingCallback
from pykeen.training.training_loop import CheckpointMismatchError

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.models import AdaMF
from pykeen_adamf.training import MATTrainingLoop, OneVsAllTrainingLoop, checkpoint_file, configuration
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory
from .cases import SAMPLER, make_loop, train


class Idle(TrainingCallback):
    """A callback of the user's own."""


CLIPPING = dict(callbacks="gradientnormclipping", callbacks_kwargs=dict(max_norm=1.0))
WEIGHTS = dict(
    loss_weighter="relation", loss_weighter_kwargs=dict(weights=torch.tensor([1.0, 1.0, 1.0, 2.0])), **SAMPLER
)


def replace_features(name="textual", **changes):
    """Make the usual factory with one number of a feature changed."""
    factory = make_factory()
    features = dict(factory.features)
    matrix = features[name].matrix.clone()
    matrix[features[name].presence.nonzero()[0, 0], 0] += 1e-6
    features[name] = ModalityFeatures.from_matrix(matrix, features[name].labels, presence=features[name].presence)
    return MultimodalTriplesFactory.from_triples_factory(factory, features=features)


@pytest.mark.slow_but_the_first
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
        (dict(model_kwargs=dict(regularizer="lp")), {}, r"model .*\"regularizer\": null"),
        (dict(loop_kwargs=dict(generator_lr_scheduler="linear", **SAMPLER)), {}, "generators' learning rate scheduler"),
        (dict(loop_kwargs=WEIGHTS), {}, "loss weighter"),
        (
            dict(loop_kwargs=SAMPLER),
            dict(callbacks="gradientnormclipping", callbacks_kwargs=dict(max_norm=1.0)),
            "callb",
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


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("model_kwargs", "loop_kwargs", "train_kwargs", "reason"),
    [
        ({}, dict(n3_weight=0.2), {}, r"n3_weight \(0.1 there, 0.2 here\)"),
        ({}, {}, dict(n3_weight=0.2), r"n3_weight \(0.1 there, 0.2 here\)"),
        ({}, {}, dict(label_smoothing=0.3), r"label_smoothing \(0.0 there, 0.3 here\)"),
        (dict(interaction="HolE"), {}, {}, "(model|parameters)"),
        (dict(fusion="gated"), {}, {}, "(model|parameters)"),
        (dict(query_dropout=0.1), {}, {}, "model"),
        (dict(feature_dropout=0.1), {}, {}, "model"),
        (dict(hidden_dims=[3]), {}, {}, "(model|parameters)"),
        (dict(center_features=True), {}, {}, "model"),
    ],
)
def test_other_configuration_of_one_vs_all(checkpoint, model_kwargs, loop_kwargs, train_kwargs, reason):
    factory = make_factory(create_inverse_triples=True)
    common = dict(factory=factory, model_cls=AdaMF)
    kwargs = dict(batch_size=16, use_tqdm=False, **checkpoint)
    loop = make_loop(OneVsAllTrainingLoop, loop_kwargs=dict(n3_weight=0.1), **common)
    loop.train(factory, num_epochs=1, **kwargs)
    loop_kwargs = dict(n3_weight=0.1) | loop_kwargs
    loop = make_loop(OneVsAllTrainingLoop, model_kwargs=model_kwargs, loop_kwargs=loop_kwargs, **common)
    with pytest.raises(CheckpointMismatchError, match=rf"(?s)another configuration: .*{reason}.*checkpoint_name"):
        loop.train(factory, num_epochs=2, **kwargs, **train_kwargs)


def test_other_version(checkpoint, monkeypatch):
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    monkeypatch.setattr(configuration, "version", lambda name: "1.99")
    with pytest.raises(CheckpointMismatchError, match=r"version of pykeen \(1\.11\.\d there, 1\.99 here\)"):
        train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)


def test_older_model(checkpoint):
    """A checkpoint of a version with other parts of a model is refused by what it says of itself."""
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    path = checkpoint["checkpoint_directory"] / "c.pt"
    state = torch.load(path)
    renamed = {name: state["configuration"][name].replace("fusion", "weighting") for name in ("model", "parameters")}
    torch.save({**state, "configuration": {**state["configuration"], **renamed}}, path)
    before = path.read_bytes()
    message = r"c\.pt cannot be continued, .* model \(.*weighting.* there, .*\); parameters \(.*weighting.* there"
    with pytest.raises(CheckpointMismatchError, match=rf"(?s){message}.*or another checkpoint_name to start anew"):
        train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (
            dict(model_kwargs=dict(regularizer="lp", regularizer_kwargs=dict(weight=0.1))),
            dict(model_kwargs=dict(regularizer="lp", regularizer_kwargs=dict(weight=5.0))),
            "model .*0.10.*5.0",
        ),
        *(
            (
                dict(loop_kwargs={f"{player}lr_scheduler": name, f"{player}lr_scheduler_kwargs": a, **SAMPLER}),
                dict(loop_kwargs={f"{player}lr_scheduler": name, f"{player}lr_scheduler_kwargs": b, **SAMPLER}),
                "learning rate schedule",
            )
            for player, name, a, b in (
                ("", "multistep", dict(milestones=[1, 3]), dict(milestones=[2, 9])),
                ("generator_", "multistep", dict(milestones=[1, 3]), dict(milestones=[2, 9])),
                ("generator_", "onecycle", dict(max_lr=0.1, total_steps=9), dict(max_lr=0.5, total_steps=9)),
            )
        ),
    ],
)
def test_other_parameters(checkpoint, first, second, reason):
    kwargs = dict(num_epochs=1, batch_size=16, use_tqdm=False, **checkpoint)
    make_loop(MATTrainingLoop, **{"loop_kwargs": SAMPLER, **first}).train(make_factory(), **kwargs)
    with pytest.raises(CheckpointMismatchError, match=reason):
        make_loop(MATTrainingLoop, **{"loop_kwargs": SAMPLER, **second}).train(make_factory(), **kwargs)


@pytest.mark.parametrize("what", ["triples", "evaluator", "patience"])
def test_other_stopper(checkpoint, what):
    training, validation = make_factory(num_entities=30, num_triples=200).split(0.8, random_state=1)
    for attempt in range(2):
        loop = make_loop(MATTrainingLoop, factory=training, loop_kwargs=SAMPLER)
        triples, evaluator, patience = validation, RankBasedEvaluator(), 2
        if attempt and what == "triples":
            triples = validation.clone_and_exchange_triples(validation.mapped_triples[1:])
        if attempt and what == "evaluator":
            evaluator = SampledRankBasedEvaluator(
                evaluation_factory=validation, additional_filter_triples=training.mapped_triples, num_negatives=3
            )
        if attempt and what == "patience":
            patience = 3
        stopper = EarlyStopper(
            model=loop.model,
            evaluator=evaluator,
            training_triples_factory=training,
            evaluation_triples_factory=triples,
            frequency=1,
            patience=patience,
        )
        kwargs = dict(num_epochs=1 + attempt, batch_size=40, stopper=stopper, use_tqdm=False, **checkpoint)
        if attempt:
            with pytest.raises(CheckpointMismatchError, match="stopper"):
                loop.train(training, **kwargs)
        else:
            loop.train(training, **kwargs)


def test_same_configuration_said_otherwise(checkpoint):
    """Neither defaults that are spelled out, nor names of classes, nor callbacks of the user make a difference."""
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    loop_kwargs = {**SAMPLER, "negative_sampler": "filteredbernoulli"}
    said = dict(label_smoothing=0.0, num_workers=0, drop_last=False, sub_batch_size=None, callbacks=Idle())
    loop = train(MATTrainingLoop, loop_kwargs=loop_kwargs, epochs=2, train_kwargs={**checkpoint, **said})
    straight = train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2)
    assert loop.losses_per_epochs == straight.losses_per_epochs


@pytest.mark.parametrize("seed", range(5))
def test_damage(checkpoint, seed):
    """A single wrong bit is found."""
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1, train_kwargs=checkpoint)
    path = checkpoint["checkpoint_directory"] / "c.pt"
    content = bytearray(path.read_bytes())
    # of the numbers, not of what describes them
    content[random.Random(seed).randrange(len(content) // 4, len(content) // 2)] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointMismatchError, match="damaged"):
        train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)


class OwnLoop(MATTrainingLoop):
    """A training loop of the user's own."""


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
    # PyKEEN's pipeline looks into the file before there is a training loop
    for loop in ("MAT", OwnLoop):
        with pytest.raises(CheckpointMismatchError, match=r"c\.pt .*checkpoint_name"):
            pipeline(
                training=make_factory(),
                testing=make_factory(),
                model="AdaMFRotatE",
                training_loop=loop,
                training_kwargs=checkpoint,
            )
    assert not trap.exists()
