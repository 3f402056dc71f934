"""Ablation studies of PyKEEN use the negative sampler that they are given."""

import json

import pandas
import pytest
from pykeen.ablation import ablation_pipeline
from pykeen.hpo import hpo_pipeline_from_path
from pykeen.training.callbacks import callback_resolver

from ..datasets.cases import write_benchmark
from .cases import MODEL, Spy


@pytest.fixture(autouse=True)
def _directory(tmp_path, monkeypatch):
    """Let benchmarks be small ones, since an ablation study cannot choose their directories."""
    for name in ("MKG-W", "DB15K"):
        write_benchmark(tmp_path / "data" / name)
    monkeypatch.setenv("PYKEEN_ADAMF_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(callback_resolver.lookup_dict, "spy", Spy)
    Spy.records.clear()


def options(training_loops=("mat",), models=("AdaMFRotatE",), sampler="bernoulli", **kwargs):
    """Return the arguments of a tiny ablation study."""
    training_kwargs = dict(num_epochs=1, batch_size=32, use_tqdm=False, callbacks="spy")
    negatives = {model: {sampler: dict(num_negs_per_pos=5)} for model in models} if sampler else None
    defaults = dict(
        datasets="MKG-W",
        models=list(models),
        losses="nssa",
        optimizers="adam",
        training_loops=list(training_loops),
        negative_sampler=sampler,
        model_to_model_kwargs={"AdaMFRotatE": MODEL, "RotatE": dict(embedding_dim=4)},
        model_to_training_loop_to_training_kwargs={
            model: dict.fromkeys(training_loops, training_kwargs) for model in models
        },
        model_to_negative_sampler_to_negative_sampler_kwargs=negatives,
        n_trials=1,
    )
    return {**defaults, **kwargs}


@pytest.mark.slow
def test_ablation(tmp_path):
    """AdaMF against AdaMF-MAT, with the same negatives."""
    ablation_pipeline(**options(["slcwa", "mat"]), directory=tmp_path / "out", best_replicates=1)
    # a trial and a replicate of each
    assert [record["training.num_negs_per_pos"] for record in Spy.records] == [{5}] * 4
    assert [record["sampler"] for record in Spy.records] == ["bernoulli"] * 4
    assert ["training.adversarial_weight" in record for record in Spy.records] == [False, False, True, True]
    directories = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in directories] == ["0000_mkgw_adamfrotate", "0001_mkgw_adamfrotate"]
    for directory in directories:
        assert pandas.read_csv(directory / "trials.tsv", sep="\t")["state"].tolist() == ["COMPLETE"]
        assert (directory / "best_pipeline" / "replicates" / "replicate-00000" / "results.json").is_file()


@pytest.mark.slow
def test_ranges_of_the_sampler(tmp_path):
    ranges = {"AdaMFRotatE": {"basic": dict(num_negs_per_pos=dict(type="int", low=2, high=3))}}
    ablation_pipeline(
        **options(
            sampler="basic",
            model_to_negative_sampler_to_negative_sampler_kwargs=None,
            model_to_negative_sampler_to_negative_sampler_kwargs_ranges=ranges,
            n_trials=2,
        ),
        directory=tmp_path / "out",
    )
    assert {record["sampler"] for record in Spy.records} == {"basic"}
    assert {n for record in Spy.records for n in record["training.num_negs_per_pos"]} <= {2, 3}


def samplers(directory, **kwargs):
    """Return the negative samplers in the configurations of an ablation study by model and training loop."""
    ablation_pipeline(**kwargs, directory=directory, dry_run=True)
    configs = [json.loads(path.read_text())["pipeline"] for path in sorted(directory.glob("*/hpo_config.json"))]
    return {(config["model"], config["training_loop"]): config.get("negative_sampler") for config in configs}


def test_all_configurations_of_a_study_have_the_same_sampler(tmp_path):
    """Except for training without sampled negatives."""
    assert samplers(tmp_path, **options(["slcwa", "mat", "lcwa"], ["AdaMFRotatE", "RotatE"])) == {
        (model, loop): None if loop == "lcwa" else "bernoulli"
        for model in ("AdaMFRotatE", "RotatE")
        for loop in ("slcwa", "mat", "lcwa")
    }


def test_studies_of_others_are_left_as_they_are(tmp_path):
    assert samplers(tmp_path, **options(["slcwa"], ["RotatE"])) == {("RotatE", "slcwa"): None}


@pytest.mark.slow
def test_without_a_sampler(tmp_path):
    """Training loops use their own."""
    ablation_pipeline(**options(sampler=None), directory=tmp_path)
    (record,) = Spy.records
    assert record["sampler"] == "filteredbernoulli"
    assert record["training.num_negs_per_pos"] <= {32, 64, 128}


def test_options_of_no_sampler_are_refused(tmp_path):
    """PyKEEN would use those of a "basic" sampler with whatever the training loop has, and drop all others."""
    negatives = {"AdaMFRotatE": {"filteredbernoulli": dict(num_negs_per_pos=5)}}
    arguments = options(sampler=None, model_to_negative_sampler_to_negative_sampler_kwargs=negatives)
    with pytest.raises(ValueError, match=r"filteredbernoulli.* does not say which sampler") as info:
        ablation_pipeline(**arguments, directory=tmp_path / "out")
    assert "Pass its name as negative_sampler" in str(info.value)


@pytest.mark.slow
def test_db15k(tmp_path):
    """There is no argument to choose its validation split, but the configurations can be edited."""
    arguments = options(datasets="DB15K")
    with pytest.raises(ValueError, match="DB15K's published validation split leaks"):
        ablation_pipeline(**arguments, directory=tmp_path / "refused")
    ablation_pipeline(**arguments, directory=tmp_path / "edited", dry_run=True)
    (path,) = (tmp_path / "edited").glob("*/hpo_config.json")
    config = json.loads(path.read_text())
    config["pipeline"]["dataset_kwargs"]["validation"] = "holdout"
    path.write_text(json.dumps(config))
    assert hpo_pipeline_from_path(path).study.best_trial
    assert [record["sampler"] for record in Spy.records] == ["bernoulli"]
