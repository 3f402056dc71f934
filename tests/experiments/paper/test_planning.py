"""From an experiment to runs, and their IDs."""

import dataclasses
import json

import numpy
import pytest

from pykeen_adamf.constants import SYNTHETIC_KINDS
from pykeen_adamf.experiments.paper.contenders import CONTENDERS, Overrides, load_configuration
from pykeen_adamf.experiments.paper.experiments import EXPERIMENTS, GROUPS, MISSING_RATIOS
from pykeen_adamf.experiments.paper.planning import Run

from .cases import OVERRIDES, plan_runs, write_dataset

RUN = Run(
    experiment="figure3",
    variant="AdaMF (S+V)",
    dataset="MKG-Y",
    seed=3,
    parameters={"missing_ratio": 0.2, "model": "AdaMF"},
    configuration={"metadata": {}, "pipeline": {"model": "AdaMFRotatE", "model_kwargs": {"embedding_dim": 4}}},
    data="0123",
)


def test_stable():
    """The ID is the same in any process, on any machine, and in the next version."""
    assert RUN.id == "mkg-y-adamf-s-v-missing-ratio-0.2-seed-3-c92f5a5a71"


@pytest.mark.parametrize(
    "change",
    [
        dict(experiment="table3"),
        dict(variant="AdaMF (S*V)"),
        dict(dataset="MKG-W"),
        dict(seed=4),
        dict(parameters={"missing_ratio": 0.4, "model": "AdaMF"}),
        dict(parameters={"missing_ratio": 0.2, "model": "IKRL"}),
        dict(configuration={"metadata": {}, "pipeline": {"model": "IKRL", "model_kwargs": {"embedding_dim": 4}}}),
        dict(
            configuration={"metadata": {}, "pipeline": {"model": "AdaMFRotatE", "model_kwargs": {"embedding_dim": 5}}}
        ),
        dict(data="0124"),
        dict(num_test_triples=10),
    ],
    ids=lambda change: next(iter(change)),
)
def test_distinct(change):
    assert dataclasses.replace(RUN, **change).id != RUN.id


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_all_experiments(experiment, benchmark):
    """All runs have IDs of their own, which can be file names, and planning again gives the same."""
    runs = plan_runs(benchmark, experiment, seeds=2)
    ids = [run.id for run in runs]
    assert len(set(ids)) == len(ids) == 2 * len(EXPERIMENTS[experiment])
    assert ids == [run.id for run in plan_runs(benchmark, experiment, seeds=2)]
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") and len(name) < 200 for name in ids)
    # seed by seed
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    for run in runs:
        pipeline = run.configuration["pipeline"]
        assert pipeline["random_seed"] == run.seed
        assert pipeline["training_kwargs"] == dict(num_epochs=2, batch_size=16)
        assert pipeline["dataset"] == "DB15K"
    assert [
        run.id for run in plan_runs(benchmark, experiment, overrides=dataclasses.replace(OVERRIDES, epochs=3))
    ] != ids


def test_content_rather_than_place(benchmark, tmp_path):
    """The same files elsewhere make the same IDs, and another value in them makes others."""
    ids = [run.id for run in plan_runs(benchmark)]
    same = write_dataset(tmp_path / "same")
    assert [run.id for run in plan_runs(same)] == ids
    other = write_dataset(tmp_path / "other")
    features = numpy.load(other / "visual.npy")
    features[0, 0] += 1
    numpy.save(other / "visual.npy", features)
    assert not set(ids).intersection(run.id for run in plan_runs(other))


def test_table2(benchmark):
    runs = plan_runs(benchmark)
    assert [run.variant for run in runs] == list(CONTENDERS)
    assert {run.variant for run in runs if run.configuration["pipeline"]["training_loop"] == "MAT"} == {
        "IKRL-MAT",
        "TBKGC-MAT",
        "AdaMF-MAT",
    }


def test_table3(benchmark):
    """Each ablation differs from its model in what it is named after, and in nothing else."""
    runs = {run.variant: run.configuration["pipeline"] for run in plan_runs(benchmark, "table3", overrides=Overrides())}
    added = dict(dataset_kwargs=dict(directory=str(benchmark)), random_seed=0)
    bases = {name: {**load_configuration(name, "DB15K")["pipeline"], **added} for name in ("AdaMF", "AdaMF-MAT")}

    def adamf(**kwargs):
        return {**bases["AdaMF"], "model_kwargs": {**bases["AdaMF"]["model_kwargs"], **kwargs}}

    def mat(*kinds):
        options = {**bases["AdaMF-MAT"]["training_loop_kwargs"], "synthetic_kinds": list(kinds)}
        return {**bases["AdaMF-MAT"], "training_loop_kwargs": options}

    assert SYNTHETIC_KINDS == ("head", "tail", "both")
    assert runs == {
        "AdaMF-MAT": bases["AdaMF-MAT"],
        "AdaMF (S+V+T, adaptive)": adamf(fusion="adaptive"),
        "AdaMF (S+V+T, mean)": adamf(fusion="mean"),
        "AdaMF (S+V)": adamf(modalities=["visual"]),
        "AdaMF (S+T)": adamf(modalities=["textual"]),
        "AdaMF (V+T)": adamf(use_structural=False),
        "AdaMF-MAT w/o (h*, r, t)": mat("tail", "both"),
        "AdaMF-MAT w/o (h, r, t*)": mat("head", "both"),
        "AdaMF-MAT w/o (h*, r, t*)": mat("head", "tail"),
    }


def test_figures(benchmark):
    runs = plan_runs(benchmark, "figure3")
    assert [(run.variant, run.missing_ratio) for run in runs] == [
        (name, ratio)
        for model in ("AdaMF", "TBKGC", "IKRL")
        for ratio in MISSING_RATIOS
        for name in (model, f"{model}-MAT")
    ]
    for run in runs:
        assert run.parameters["mat"] is (run.configuration["pipeline"]["training_loop"] == "MAT")
        assert run.variant.startswith(run.parameters["model"])
    runs = plan_runs(benchmark, "figure4")
    numbers = [run.configuration["pipeline"]["training_loop_kwargs"]["num_groups"] for run in runs]
    assert numbers == [run.parameters["num_groups"] for run in runs] == list(GROUPS)
    assert [run.variant for run in plan_runs(benchmark, "figure5")] == ["AdaMF", "AdaMF-MAT"]


def test_rare_entities_first(benchmark):
    """Figure 3 with another order of dropping is another experiment, which may be in the same directory."""
    runs, uniform = (plan_runs(benchmark, "figure3", **kwargs) for kwargs in (dict(missing_by="degree"), {}))
    assert [run.missing_by for run in uniform] == ["uniform"] * len(runs)
    for run, other in zip(runs, uniform, strict=True):
        # without anything dropped, it is the same
        assert (run.id == other.id) is (run.key == other.key) is (run.missing_by == "uniform") is not run.missing_ratio
    assert [run.configuration["pipeline"] for run in runs] == [run.configuration["pipeline"] for run in uniform]


@pytest.mark.parametrize("validation", [None, "published", "holdout"])
def test_early_stopping(benchmark, tmp_path, validation):
    """Nothing is stopped by validation triples that are test triples, unless somebody says so."""
    configuration = load_configuration("RotatE", "DB15K")
    configuration["pipeline"]["stopper"] = "early"
    (tmp_path / "RotatE.json").write_text(json.dumps(configuration), encoding="utf-8")
    dataset_kwargs = dict(directory=str(benchmark)) | ({} if validation is None else dict(validation=validation))
    kwargs = dict(models=["RotatE"], configurations=tmp_path, dataset_kwargs=dataset_kwargs)
    if validation is None:
        with pytest.raises(ValueError, match=r"RotatE\.json has a stopper\. .* leaks.*As an option.*: --validation"):
            plan_runs(benchmark, **kwargs)
    else:
        (run,) = plan_runs(benchmark, **kwargs)
        assert run.configuration["pipeline"]["stopper"] == "early"


def test_choice(benchmark):
    """In the experiment's order, whatever the order of the choice."""
    runs = plan_runs(benchmark, models=["AdaMF-MAT", "RotatE"], seeds=2)
    assert [(run.variant, run.seed) for run in runs] == [(x, i) for i in (0, 1) for x in ("RotatE", "AdaMF-MAT")]


def test_spelling(benchmark):
    """However a dataset is spelled, it is the same."""
    assert [run.id for run in plan_runs(benchmark, datasets=["db15k", "DB15K"])] == [
        run.id for run in plan_runs(benchmark)
    ]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(experiment="table4"), "There is no experiment 'table4'. Choose from: table2; table3; figure3"),
        (dict(models=["AdaMFF"]), "There is no model of table2 'AdaMFF'. Choose from: TransE; "),
        (dict(datasets=["DB16K"]), "There is no dataset 'DB16K'"),
        (dict(datasets=[]), "No dataset"),
        (dict(seeds=0), "at least one seed"),
        (dict(missing_by="degree"), "table2 drops no features, neither by degree nor otherwise. Choose figure3"),
        (dict(experiment="figure3", missing_by="age"), "no order of dropping 'age'. Choose from: uniform; degree"),
        (dict(datasets=["DB15K", "EmojiKG"]), "one dataset at a time, but not for DB15K and EmojiKG"),
        (dict(datasets=["EmojiKG"]), "EmojiKG has no parameter 'directory'"),
    ],
)
def test_refusals(benchmark, kwargs, message):
    with pytest.raises(ValueError, match=message):
        plan_runs(benchmark, **kwargs)


@pytest.mark.parametrize("experiment", ["table3", "figure3", "figure5", "table2"])
def test_missing_modalities(tmp_path, experiment):
    """What cannot be trained is refused before anything is, and the message says what is there."""
    directory = write_dataset(tmp_path, ())
    features = {"audio": str(directory / "audio.npy")}
    numpy.save(directory / "audio.npy", numpy.ones((12, 3), dtype="float32"))
    kwargs = dict(dataset_kwargs=dict(directory=str(directory), features=features))
    if experiment == "figure5":
        assert plan_runs(directory, experiment, **kwargs)
    else:
        with pytest.raises(ValueError, match=r"needs the modalities visual.*but DB15K has the modalities audio\."):
            plan_runs(directory, experiment, **kwargs)


def test_no_features(benchmark):
    with pytest.raises(ValueError, match="AdaMF needs features of entities, but Nations has no modality at all"):
        plan_runs(benchmark, "figure5", datasets=["Nations"], dataset_kwargs={})
    # a structural model needs none
    assert plan_runs(benchmark, models=["RotatE"], datasets=["Nations"], dataset_kwargs={})
