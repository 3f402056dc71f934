"""Mistakes that are found at the start, each in a sentence: small graphs, missing triples, misspelled options."""

import numpy
import pytest
from pykeen.hpo import hpo_pipeline
from pykeen.pipeline import pipeline
from pykeen.triples import TriplesFactory

from pykeen_adamf.experiments.run import make_resumable

from .cases import make_factory

RANGE = dict(type=float, low=0.1, high=1.0)


def make_graph(entities, **kwargs):
    """Make a graph of which each entity is related with every one."""
    triples = numpy.array([[a, "r", b] for a in entities for b in entities])
    return TriplesFactory.from_labeled_triples(triples, **kwargs)


def train(factory, training_loop="sLCWA", validation=None, **kwargs):
    options = {
        "model": "Structural",
        "model_kwargs": dict(embedding_dim=4),
        "training_kwargs": dict(num_epochs=1, batch_size=8, use_tqdm=False),
        **kwargs,
    }
    evaluation_kwargs = dict(use_tqdm=False)
    return pipeline(
        training=factory,
        testing=factory,
        validation=validation,
        training_loop=training_loop,
        random_seed=0,
        device="cpu",
        evaluation_kwargs=evaluation_kwargs,
        **options,
    )


@pytest.mark.parametrize("training_loop", ["KBGAN", "OneToN", "OneVsAll", *map(make_resumable, ("sLCWA", "LCWA"))])
def test_one_entity(training_loop):
    """All training loops say the same."""
    factory = make_graph("a", create_inverse_triples=training_loop == "OneVsAll")
    with pytest.raises(ValueError, match=r"only one entity, so that there is nothing for a model to tell apart\. Add"):
        train(factory, training_loop)


@pytest.mark.parametrize("loss", ["NSSA", "MarginRanking"])
@pytest.mark.parametrize("training_loop", ["OneToN", make_resumable("LCWA")])
def test_complete_relation(training_loop, loss):
    """Losses that compare with other entities have nothing to compare with; others have."""
    with pytest.raises(ValueError, match=rf"3 of 3 pairs .*, e\.g\., head 0, relation 0, .* all 3 .*{loss}Loss needs"):
        train(make_graph("abc"), training_loop, loss=loss)
    assert numpy.isfinite(train(make_graph("abc"), training_loop, loss="BCEWithLogits").losses).all()


def test_complete_pair():
    """One of several pairs is enough for a softmax over what is not there."""
    triples = numpy.array([*(["a", "r", x] for x in "abc"), ["b", "r", "a"]])
    factory = TriplesFactory.from_labeled_triples(triples)
    with pytest.raises(ValueError, match="1 of 2 pairs"):
        train(factory, "OneToN", loss="NSSA")
    assert numpy.isfinite(train(factory, "OneToN", loss="MarginRanking").losses).all()


@pytest.mark.parametrize("training_loop", ["MAT", "sLCWA"])
@pytest.mark.parametrize("place", ["pipeline", "training_kwargs"])
def test_no_validation(training_loop, place):
    training_kwargs = dict(num_epochs=1, batch_size=8, **({"stopper": "early"} if place == "training_kwargs" else {}))
    kwargs = dict(stopper="early") if place == "pipeline" else {}
    with pytest.raises(ValueError, match=r"Early stopping needs validation triples, .* Pass validation=\.\.\."):
        train(make_factory(), training_loop, model="AdaMFRotatE", training_kwargs=training_kwargs, **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(model_kwargs=dict(embeding_dim=4)), "model AdaMF has no option 'embeding_dim'. .* 'embedding_dim'"),
        (
            dict(training_loop_kwargs=dict(num_group=2)),
            "loop MATTrainingLoop has no option 'num_group'. .* 'num_groups'",
        ),
        (dict(training_kwargs=dict(num_epoch=2)), "training of MATTrainingLoop has no option .* 'num_epochs'"),
        (dict(training_kwargs=dict(num_negs_per_po=2)), "'num_negs_per_po'. Did you mean 'num_negs_per_pos'"),
    ],
)
def test_misspelled_options(kwargs, message):
    with pytest.raises(TypeError, match=message):
        train(make_factory(), "MAT", model="AdaMF", **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(model_kwargs=dict(fusoin="mean")), "model AdaMF has no option 'fusoin'. .* 'fusion'"),
        (dict(model_kwargs_ranges=dict(embeding_dim=RANGE)), "model AdaMF has no option 'embeding_dim'"),
        (dict(training_loop_kwargs=dict(num_group=2)), "loop MATTrainingLoop has no option 'num_group'"),
        (dict(training_kwargs=dict(num_epoch=2)), "training of MATTrainingLoop has no option .* 'num_epochs'"),
        (dict(training_kwargs_ranges=dict(adversarial_weigth=RANGE)), "no option .* 'adversarial_weight'"),
    ],
)
def test_misspelled_options_of_studies(monkeypatch, kwargs, message):
    """They are told before there is a study, rather than by each trial."""
    monkeypatch.setattr("pykeen.hpo.hpo.create_study", None)
    factory = make_factory()
    splits = dict(training=factory, testing=factory, validation=factory)
    with pytest.raises(TypeError, match=message):
        hpo_pipeline(**splits, model="AdaMF", training_loop="MAT", n_trials=1, **kwargs)
