"""What a study has saved is what its best trial was, including the negative sampler."""

import json

import pytest
from pykeen.pipeline import pipeline_from_path
from pykeen.training.callbacks import callback_resolver

from ..datasets.cases import write_benchmark
from .cases import MODEL, Spy, tune


@pytest.fixture
def spy(monkeypatch):
    """Return a spy that PyKEEN knows by name, as configurations in files need it."""
    monkeypatch.setitem(callback_resolver.lookup_dict, "spy", Spy)
    Spy.records.clear()
    return Spy


@pytest.fixture
def result(tmp_path, spy):
    """Return a study on a dataset that can be named."""
    directory = write_benchmark(tmp_path / "MKG-W")
    return tune(
        dataset="MKG-W",
        dataset_kwargs=dict(directory=str(directory)),
        model_kwargs=MODEL,
        negative_sampler="bernoulli",
        negative_sampler_kwargs_ranges=dict(num_negs_per_pos=dict(type=int, low=2, high=9)),
        training_kwargs=dict(callbacks="spy"),
        n_trials=3,
    )


def in_force(record):
    """Return what must be the same."""
    names = ("negs", "weight", "lr", "groups", "margin", "temperature", "sampler", "embedding_dim")
    return {key: value for key, value in record.items() if any(name in key for name in names) and "measured" not in key}


def test_replicates_are_like_the_best_trial(result, spy, tmp_path):
    result.save_to_directory(tmp_path / "study")
    best = spy.records[result.study.best_trial.number]
    assert best["sampler"] == "bernoulli"
    assert best["training.num_negs_per_pos"] == {result.study.best_params["training.num_negs_per_pos"]}
    assert len(in_force(best)) >= 10

    path = tmp_path / "study" / "best_pipeline" / "pipeline_config.json"
    config = json.loads(path.read_text())["pipeline"]
    assert config["training_loop_kwargs"] == {"negative_sampler": "bernoulli"}
    assert config["training_kwargs"]["adversarial_weight"] == best["training.adversarial_weight"]
    assert json.loads((tmp_path / "study" / "study.json").read_text())["negative_sampler"] == "bernoulli"

    spy.records.clear()
    result.replicate_best_pipeline(directory=tmp_path / "replicates", replicates=1)
    assert (tmp_path / "replicates" / "replicates" / "replicate-00000" / "results.json").is_file()
    pipeline_from_path(path)
    assert [in_force(record) for record in spy.records] == [in_force(best)] * 2


def test_stopped_early(tmp_path):
    """The saved number of epochs is the one after which the best trial was stopped."""
    result = tune(
        dataset="MKG-W",
        dataset_kwargs=dict(directory=str(write_benchmark(tmp_path / "MKG-W"))),
        model_kwargs=MODEL,
        training_kwargs=dict(num_epochs=40),
        stopper="early",
        stopper_kwargs=dict(frequency=1, patience=1, relative_delta=0.5),
    )
    stopped = result.study.best_trial.user_attrs["stopped_epoch"]
    assert 0 < stopped < 40
    assert result._get_best_study_config()["pipeline"]["training_kwargs"]["num_epochs"] == stopped
