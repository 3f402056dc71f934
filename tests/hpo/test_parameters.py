"""Every trial uses what it reports, and searches the paper's grid by default."""

import json

import pytest
from optuna.trial import TrialState
from pykeen.hpo import hpo_pipeline_from_path
from pykeen.losses import loss_resolver
from pykeen.sampling import BasicNegativeSampler, negative_sampler_resolver
from pykeen.training import SLCWATrainingLoop

from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.training import MATTrainingLoop

from .cases import MODEL, Spy, make_splits, spy_on, tune

NUM_TRIALS = 10

#: Section 4.1 of the paper, and its figure 4 for the number of groups. It does not tune the embedding dimension, nor
#: the batch size of 1,024.
GRID = {
    "loss.margin": {1, 2, 4, 8, 12},
    "loss.adversarial_temperature": {0.5, 1, 2},
    "optimizer.lr": {1e-3, 1e-4, 1e-5},
    "training.generator_lr": {1e-3, 1e-4, 1e-5},
    "training.adversarial_weight": {0.1, 0.01, 0.001},
    "training.num_negs_per_pos": {32, 64, 128},
    "training.num_groups": {1, 2, 3, 4},
    "training.batch_size": {256, 512, 1024},
    "model.embedding_dim": {100, 150, 200, 250},
    "model.attention": {"shared", "per-modality"},
    "model.fusion": {"adaptive", "mean"},
    "model.missing": {"random", "zero", "mask"},
}


def values_of(distribution):
    """Return all values of a distribution."""
    return set(getattr(distribution, "choices", None) or range(distribution.low, distribution.high + 1))


@pytest.fixture(scope="module")
def groups():
    """Return the numbers of groups in synthetic embeddings, which the model is asked to score, by model."""
    seen = {}
    with pytest.MonkeyPatch.context() as patch:
        original = AdaMFRotatE.score_synthetic

        def score_synthetic(self, hrt_batch, head, tail, **kwargs):
            sizes = {x.shape[1] for x in (*head.values(), *tail.values())}
            seen.setdefault(id(self), (self, set()))[1].update(sizes)
            return original(self, hrt_batch, head, tail, **kwargs)

        patch.setattr(AdaMFRotatE, "score_synthetic", score_synthetic)
        yield seen


@pytest.fixture(scope="module")
def study(groups):
    """Run ten trials with the defaults, except that no graph of this size has batches of 256."""
    Spy.records.clear()
    result = tune(
        n_trials=NUM_TRIALS,
        training_kwargs=dict(callbacks=Spy),
        training_kwargs_ranges=dict(batch_size=dict(type="categorical", choices=[8, 16, 32])),
    )
    for record, (_, sizes) in zip(Spy.records, groups.values(), strict=True):
        record["groups"] = sizes
    return result.study, list(Spy.records)


@pytest.mark.slow
def test_trials_use_what_they_report(study):
    """As seen from inside of each trial."""
    study, records = study
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * NUM_TRIALS
    for trial, record in zip(study.trials, records, strict=True):
        params = trial.params
        assert set(params) == set(GRID)
        for name in ("training.batch_size", "training.adversarial_weight", "training.num_groups"):
            assert record[name] == params[name], name
        for name in ("model.embedding_dim", "model.fusion"):
            assert record[name] == params[name], name
        for name in ("loss.margin", "loss.adversarial_temperature", "optimizer.lr", "training.generator_lr"):
            assert record[name] == {params[name]}, name
        assert record["training.num_negs_per_pos"] == {params["training.num_negs_per_pos"]}
        assert record["measured weights"] == [pytest.approx(params["training.adversarial_weight"], rel=0.01)]
        assert record["groups"] == {params["training.num_groups"]}
        assert record["fused dim"] == 2 * params["model.embedding_dim"]
        vectors = {"shared": 1, "per-modality": 3}[params["model.attention"]]
        assert record["attention vectors"] == (vectors if params["model.fusion"] == "adaptive" else None)
        assert record["model.missing"] == {params["model.missing"]}
        assert record["mask"] == (params["model.missing"] == "mask")
        assert record["sampler"] == "filteredbernoulli"
    # trials differ: it was not one and the same value all the time
    for name in ("training.num_negs_per_pos", "training.num_groups", "loss.margin", "model.embedding_dim"):
        assert len({str(record[name]) for record in records}) > 1, name


@pytest.mark.parametrize("name", sorted(set(GRID) - {"training.batch_size"}))
def test_the_paper_s_grid(study, name):
    study, _ = study
    assert {frozenset(values_of(trial.distributions[name])) for trial in study.trials} == {frozenset(GRID[name])}


def test_batch_sizes_and_epochs():
    assert MATTrainingLoop.hpo_default["num_epochs"] == SLCWATrainingLoop.hpo_default["num_epochs"]
    (trial,) = tune(model_kwargs=MODEL).study.trials
    assert values_of(trial.distributions["training.batch_size"]) == GRID["training.batch_size"]


def test_pykeen_s_own_loop_has_the_paper_s_margins_too():
    """The model and the loss are the same, and so are the number of epochs and the batch size of PyKEEN."""
    record, params = spy_on(training_loop=None, model_kwargs=MODEL, training_kwargs=dict(batch_size=32))
    assert record["loss.margin"] == {params["loss.margin"]}
    assert params["loss.margin"] in GRID["loss.margin"]
    assert params["optimizer.lr"] in GRID["optimizer.lr"]
    assert record["training.num_negs_per_pos"] == {params["negative_sampler.num_negs_per_pos"]}


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("kwargs", "name", "value"),
    [
        (dict(loss_kwargs=dict(margin=3.0)), "loss.margin", {3.0}),
        (dict(optimizer_kwargs=dict(lr=0.5)), "optimizer.lr", {0.5}),
        (dict(training_kwargs=dict(adversarial_weight=0.7)), "training.adversarial_weight", 0.7),
        (dict(training_kwargs=dict(generator_lr=0.7)), "training.generator_lr", {0.7}),
        (dict(training_kwargs=dict(num_groups=5)), "training.num_groups", 5),
        (dict(training_kwargs=dict(num_negs_per_pos=7)), "training.num_negs_per_pos", {7}),
        (dict(training_loop_kwargs=dict(adversarial_weight=0.7)), "training.adversarial_weight", 0.7),
        (dict(training_loop_kwargs=dict(num_groups=5)), "training.num_groups", 5),
        (
            dict(training_loop_kwargs=dict(generator_optimizer="SGD", generator_optimizer_kwargs=dict(lr=0.7))),
            *("training.generator_lr", {0.7}),
        ),
        (dict(negative_sampler_kwargs=dict(num_negs_per_pos=7)), "training.num_negs_per_pos", {7}),
        (
            dict(training_loop_kwargs=dict(negative_sampler_kwargs=dict(num_negs_per_pos=7))),
            *("training.num_negs_per_pos", {7}),
        ),
        (
            # twice the same is no contradiction
            dict(
                training_kwargs=dict(num_negs_per_pos=7),
                training_loop_kwargs=dict(negative_sampler_kwargs=dict(num_negs_per_pos=7)),
                negative_sampler_kwargs=dict(num_negs_per_pos=7),
            ),
            *("training.num_negs_per_pos", {7}),
        ),
    ],
)
def test_what_is_fixed_is_not_tuned(kwargs, name, value):
    """Wherever it is fixed."""
    record, params = spy_on(model_kwargs=MODEL, **kwargs)
    assert record[name] == value
    # the others still are
    assert set(params) == set(GRID) - set(name.split()) - {f"model.{key}" for key in MODEL}


@pytest.mark.parametrize(
    "kwargs",
    [
        dict(training_kwargs_ranges=dict(num_negs_per_pos=dict(type=int, low=5, high=6))),
        dict(negative_sampler_kwargs_ranges=dict(num_negs_per_pos=dict(type=int, low=5, high=6))),
    ],
)
def test_ranges_of_the_number_of_negatives(kwargs):
    record, params = spy_on(model_kwargs=MODEL, **kwargs)
    assert record["training.num_negs_per_pos"] == {params["training.num_negs_per_pos"]} <= {5, 6}


def test_any_option_of_the_sampler_can_be_tuned():
    """Here, from how many entities a batch draws."""
    ranges = dict(pool_size=dict(type=int, low=2, high=3))
    record, params = spy_on(model_kwargs=MODEL, negative_sampler_kwargs_ranges=ranges)
    assert 1 <= record["replacements"] <= params["training.pool_size"] <= 3
    record, params = spy_on(model_kwargs=MODEL)
    assert "training.pool_size" not in params
    assert record["replacements"] > 3


@pytest.mark.parametrize("optimizer", ["Adam", "Adamax", "LazyAdam"])
def test_learning_rates_of_optimizers_like_adam(optimizer):
    (trial,) = tune(model_kwargs=MODEL, optimizer=optimizer).study.trials
    assert values_of(trial.distributions["optimizer.lr"]) == GRID["optimizer.lr"]


@pytest.mark.parametrize(
    ("kwargs", "names", "values"),
    [
        (
            dict(loss_kwargs_ranges=dict(margin=dict(type=float, low=20.0, high=21.0))),
            *(["loss.margin"], (20.0, 21.0)),
        ),
        (
            dict(optimizer_kwargs_ranges=dict(lr=dict(type=float, low=0.2, high=0.3))),
            *(["optimizer.lr"], (0.2, 0.3)),
        ),
        (
            dict(optimizer="SGD"),
            *(["optimizer.lr"], (0.001, 0.1)),
        ),
    ],
)
def test_other_ranges_are_left_as_they_are(kwargs, names, values):
    """Those of the user, and those of PyKEEN for what the paper does not have."""
    (trial,) = tune(model_kwargs=MODEL, **kwargs).study.trials
    assert [(trial.distributions[name].low, trial.distributions[name].high) for name in names] == [values]


@pytest.mark.parametrize("loss", [None, "nssa"])
def test_models_of_others_are_left_as_they_are(loss):
    kwargs = dict(model="RotatE", training_loop=None, loss=loss, model_kwargs=dict(embedding_dim=4))
    (trial,) = tune(**kwargs, training_kwargs=dict(batch_size=32)).study.trials
    default = loss_resolver.lookup(loss).hpo_default["margin"]
    margin, lr = trial.distributions["loss.margin"], trial.distributions["optimizer.lr"]
    assert (margin.low, margin.high) == (default["low"], default["high"])
    assert (lr.low, lr.high) == (0.001, 0.1)


def test_no_trial_without_any_modality():
    """Without the structural modality, entities may have nothing left if missing features are masked."""
    choices = []
    for kwargs in (
        dict(model_kwargs=dict(use_structural=False)),
        dict(model_kwargs_ranges=dict(use_structural=dict(type="bool"))),
        dict(model_kwargs=dict(use_structural=True)),
    ):
        (trial,) = tune(training_loop=None, training_kwargs=dict(batch_size=32), **kwargs).study.trials
        choices.append(trial.distributions["model.missing"].choices)
    assert choices == [("random", "zero"), ("random", "zero"), ("random", "zero", "mask")]


def test_nothing_of_the_caller_s_is_changed():
    kwargs = dict(
        training_kwargs=dict(num_epochs=1),
        training_loop_kwargs=dict(negative_sampler="bernoulli", negative_sampler_kwargs=dict(num_negs_per_pos=2)),
        training_kwargs_ranges=dict(num_groups=dict(type=int, low=1, high=2)),
        loss_kwargs_ranges=dict(margin=dict(type=int, low=1, high=2)),
    )
    before = repr(kwargs)
    tune(model_kwargs=MODEL, **kwargs)
    assert repr(kwargs) == before


class PickySampler(BasicNegativeSampler):
    """A negative sampler with a range of its own."""

    hpo_default = {
        **BasicNegativeSampler.hpo_default,
        "corruption_scheme": dict(type="categorical", choices=[("head",), ("tail",)]),
    }


@pytest.fixture
def _register():
    negative_sampler_resolver.register(PickySampler)
    yield
    del negative_sampler_resolver.lookup_dict[negative_sampler_resolver.normalize_cls(PickySampler)]


@pytest.mark.usefixtures("_register")
@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution:UserWarning")
def test_default_ranges_of_the_sampler():
    """Those of the paper's grid are the loop's."""
    record, params = spy_on(model_kwargs=MODEL, negative_sampler=PickySampler)
    assert record["sampler"] == negative_sampler_resolver.normalize_cls(PickySampler)
    assert record["sampler options"]["corruption_scheme"] == params["training.corruption_scheme"]
    assert record["training.num_negs_per_pos"] == {params["training.num_negs_per_pos"]} <= {32, 64, 128}


def test_study_from_a_file(tmp_path):
    """Where there are only names, numbers and texts."""
    path = tmp_path / "hpo.json"
    pipeline = dict(
        model="AdaMFRotatE",
        model_kwargs=MODEL,
        training_loop="MAT",
        negative_sampler="basic",
        negative_sampler_kwargs_ranges=dict(num_negs_per_pos=dict(type="int", low=2, high=3)),
        training_kwargs=dict(num_epochs=1, use_tqdm=False),
    )
    path.write_text(json.dumps(dict(pipeline=pipeline, optuna=dict(n_trials=2, sampler="random"))))
    study = hpo_pipeline_from_path(path, **make_splits()).study
    assert study.user_attrs["negative_sampler"] == "basic"
    assert {trial.params["training.num_negs_per_pos"] for trial in study.trials} <= {2, 3}


def test_another_loss():
    """What it does not have is not tuned."""
    (trial,) = tune(model="MoCME", model_kwargs=dict(embedding_dim=4)).study.trials
    assert trial.state is TrialState.COMPLETE
    assert trial.params["loss.margin"] in GRID["loss.margin"]
    assert "loss.adversarial_temperature" not in trial.params
