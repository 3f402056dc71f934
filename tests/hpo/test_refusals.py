"""What cannot be tuned, or contradicts itself, is refused before the first trial."""

import json

import optuna
import pytest
from pykeen.datasets import get_dataset
from pykeen.hpo import hpo_pipeline, hpo_pipeline_from_path
from pykeen.hpo.hpo import ExtraKeysError
from pykeen.sampling import BasicNegativeSampler

from pykeen_adamf.datasets import DB15K, MKGW
from pykeen_adamf.models import LpRotatE

from ..datasets.cases import write_benchmark
from .cases import MODEL, make_splits, tune

NEGATIVES = dict(num_negs_per_pos=dict(type=int, low=1, high=2))


class UnregisteredSampler(BasicNegativeSampler):
    """A negative sampler that nobody has registered."""


@pytest.fixture
def _no_trials(monkeypatch):
    """Fail if a study has been created."""
    monkeypatch.setattr("pykeen.hpo.hpo.create_study", None)


# --- options that contradict each other


@pytest.mark.usefixtures("_no_trials")
@pytest.mark.parametrize(
    ("kwargs", "messages"),
    [
        (
            dict(negative_sampler="basic", training_loop_kwargs=dict(negative_sampler="bernoulli")),
            ["sampler is given twice", "'basic'", "'bernoulli'"],
        ),
        (
            dict(negative_sampler_kwargs=dict(num_negs_per_pos=1), training_kwargs=dict(num_negs_per_pos=2)),
            ["num_negs_per_pos is given twice", "2 in training_kwargs", "1 in negative_sampler_kwargs"],
        ),
        (
            dict(
                negative_sampler_kwargs=dict(num_negs_per_pos=1),
                training_loop_kwargs=dict(negative_sampler_kwargs=dict(num_negs_per_pos=2)),
            ),
            ["num_negs_per_pos is given twice", "training_loop_kwargs['negative_sampler_kwargs']"],
        ),
        (
            dict(
                negative_sampler_kwargs_ranges=NEGATIVES,
                training_kwargs_ranges=dict(num_negs_per_pos=dict(type=int, low=1, high=3)),
            ),
            ["num_negs_per_pos is given twice", "training_kwargs_ranges"],
        ),
        (
            dict(negative_sampler_kwargs=dict(num_negs_per_pos=1), training_kwargs_ranges=NEGATIVES),
            ["num_negs_per_pos is fixed to 1 in negative_sampler_kwargs", "tuned in training_kwargs_ranges"],
        ),
        (
            dict(training_kwargs=dict(num_negs_per_pos=1), negative_sampler_kwargs_ranges=NEGATIVES),
            ["num_negs_per_pos is fixed to 1 in training_kwargs", "tuned in negative_sampler_kwargs_ranges"],
        ),
        (
            dict(training_loop_kwargs=dict(num_groups=1), training_kwargs=dict(num_groups=2)),
            ["num_groups is given twice", "1 in training_loop_kwargs"],
        ),
        (
            dict(
                training_loop_kwargs=dict(generator_optimizer_kwargs=dict(lr=1.0)),
                training_kwargs_ranges=dict(generator_lr=dict(type=float, low=0.1, high=1.0)),
            ),
            ["generator_lr is fixed to 1.0 in training_loop_kwargs", "tuned in training_kwargs_ranges"],
        ),
        (
            dict(negative_sampler=UnregisteredSampler),
            ["UnregisteredSampler is unknown to PyKEEN", "negative_sampler_resolver.register(UnregisteredSampler)"],
        ),
        (
            dict(negative_sampler=BasicNegativeSampler(mapped_triples=make_splits()["training"].mapped_triples)),
            ["name or the class of BasicNegativeSampler rather than an instance"],
        ),
    ],
)
def test_contradictions(kwargs, messages):
    with pytest.raises(ValueError, match=r"given twice|fixed|unknown to PyKEEN|instance") as info:
        tune(**kwargs)
    for message in messages:
        assert message in str(info.value)


@pytest.mark.usefixtures("_no_trials")
@pytest.mark.parametrize(
    "kwargs",
    [
        dict(negative_sampler_kwargs_ranges=dict(num_negatives=NEGATIVES["num_negs_per_pos"])),
        dict(negative_sampler_kwargs=dict(num_negatives=3)),
        dict(training_loop_kwargs=dict(negative_sampler_kwargs=dict(num_negatives=3))),
        # options of another sampler
        dict(negative_sampler="basic", negative_sampler_kwargs=dict(num_negatives=3, pool_size=5)),
        # not for users to decide
        dict(negative_sampler_kwargs=dict(num_negatives=3, num_entities=5)),
        # not options of the sampler, but of the training
        dict(negative_sampler_kwargs=dict(num_negatives=3, num_epochs=5)),
    ],
)
def test_unknown_options_of_the_sampler(kwargs):
    """With the error of PyKEEN's own loop."""
    with pytest.raises(ExtraKeysError, match="num_negatives"):
        tune(**kwargs)


@pytest.mark.usefixtures("_no_trials")
@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        (dict(model="NoSuchModel"), KeyError),
        (dict(training_loop="NoSuchLoop"), KeyError),
        (dict(negative_sampler="NoSuchSampler"), KeyError),
        (dict(no_such_argument=1), TypeError),
    ],
)
def test_unknown_names(kwargs, error):
    with pytest.raises(error, match=r"(?i)no_?such"):
        tune(**kwargs)


def test_without_a_model():
    with pytest.raises(TypeError, match="model"):
        hpo_pipeline(dataset="Nations", n_trials=1)


# --- DB15K's published validation split


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """Return a small directory, which DB15K and MKG-W find by themselves, too."""
    monkeypatch.setenv("PYKEEN_ADAMF_DATA", str(tmp_path / "data"))
    write_benchmark(tmp_path / "data" / "MKG-W")
    return write_benchmark(tmp_path / "data" / "DB15K")


def refused(**kwargs):
    """Check that a study is refused, and return what to do instead."""
    with pytest.raises(ValueError, match="DB15K's published validation split leaks") as info:
        tune(model_kwargs=dict(embedding_dim=4), **kwargs)
    return str(info.value)


@pytest.mark.usefixtures("_no_trials")
@pytest.mark.parametrize("model", ["AdaMFRotatE", "TransE", LpRotatE])
@pytest.mark.parametrize("dataset", ["DB15K", "db15k", "DB-15K", DB15K])
def test_db15k_is_refused(dataset, model):
    message = refused(dataset=dataset, model=model, training_loop=None)
    assert "dataset_kwargs=dict(validation='holdout')" in message
    assert "dataset_kwargs=dict(validation='published')" in message


@pytest.mark.usefixtures("_no_trials")
@pytest.mark.parametrize("kwargs", [dict(), dict(dataset_kwargs=dict(validation="holdout"))])
def test_an_instance_is_refused(directory, kwargs):
    """Also with options that PyKEEN is not going to use for an instance."""
    message = refused(dataset=DB15K(directory=directory), **kwargs)
    assert "DB15K(validation='holdout')" in message
    assert "DB15K(validation='published')" in message


@pytest.mark.usefixtures("_no_trials")
def test_db15k_from_get_dataset_is_refused():
    assert "DB15K(validation='holdout')" in refused(dataset=get_dataset(dataset="DB15K"))


@pytest.mark.usefixtures("_no_trials")
@pytest.mark.parametrize("options", [dict(create_inverse_triples=True), dict(validation=None), dict(validation_seed=1)])
def test_other_options_do_not_choose(options):
    assert "dataset_kwargs=dict(validation='holdout')" in refused(dataset="DB15K", dataset_kwargs=options)


@pytest.mark.usefixtures("_no_trials")
def test_db15k_from_a_file_is_refused(tmp_path):
    path = tmp_path / "hpo.json"
    path.write_text(json.dumps(dict(pipeline=dict(dataset="DB15K", model="TransE"), optuna=dict(n_trials=1))))
    with pytest.raises(ValueError, match="validation='holdout'"):
        hpo_pipeline_from_path(path)


@pytest.mark.parametrize("validation", ["holdout", "published"])
@pytest.mark.parametrize("how", ["by name", "by class", "instance"])
def test_who_has_chosen_may_tune(how, validation):
    options = dict(validation=validation)
    kwargs = dict(dataset={"by name": "DB15K", "by class": DB15K}.get(how), dataset_kwargs=options)
    if how == "instance":
        kwargs = dict(dataset=DB15K(**options))
    (trial,) = tune(**kwargs, model_kwargs=MODEL).study.trials
    assert trial.state is optuna.trial.TrialState.COMPLETE


@pytest.mark.parametrize("dataset", ["MKG-W", MKGW])
def test_other_datasets_are_not_refused(dataset):
    (trial,) = tune(dataset=dataset, model_kwargs=MODEL).study.trials
    assert trial.state is optuna.trial.TrialState.COMPLETE


def test_default_split_is_still_the_published_one(directory):
    """Outside of hyper-parameter optimization, nothing has changed."""
    default, published = DB15K(directory=directory), DB15K(directory=directory, validation="published")
    assert default == published
    assert (default.validation_split, default.validation_chosen) == ("published", False)
    assert (published.validation_split, published.validation_chosen) == ("published", True)
