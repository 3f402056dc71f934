"""From an experiment to runs, and the names of their folders."""

import json

import numpy
import pytest

from pykeen_adamf.constants import SYNTHETIC_KINDS
from pykeen_adamf.experiments.paper.contenders import CONTENDERS, load_configuration
from pykeen_adamf.experiments.paper.experiments import EXPERIMENTS, GROUPS, MISSING_RATIOS, Run

from .cases import get_seed, get_variant, override, plan_runs, write_dataset


def make_run(dataset="MKG-Y", variant="AdaMF (S+V)", seed=3, **parameters):
    """Make a run of figure 3, more or less."""
    parameters = {"missing_ratio": 0.2, "model": "AdaMF"} | parameters
    metadata = {"experiment": "figure3", "variant": variant, "parameters": parameters}
    return Run({"metadata": metadata, "pipeline": {"dataset": dataset, "random_seed": seed}}, data="0123")


def test_stable():
    """The name of the folder is the same in any process, on any machine, and in the next version."""
    assert make_run().name == "mkg-y-adamf-s-v-missing-ratio-0.2-seed-3"


@pytest.mark.parametrize(
    "change",
    [
        dict(variant="AdaMF (S+T)"),
        dict(variant="AdaMF (S*V)"),
        dict(dataset="MKG-W"),
        dict(seed=4),
        dict(missing_ratio=0.4),
        dict(missing_by="degree"),
    ],
    ids=lambda change: next(iter(change)),
)
def test_distinct(change):
    """What may be in one directory has folders of its own; of anything else, a folder is of one run only."""
    assert make_run(**change).name != make_run().name


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_all_experiments(experiment, benchmark):
    """All runs have names of their own, which can be those of files, and planning again gives the same."""
    runs = plan_runs(benchmark, experiment, seeds=2)
    names = [run.name for run in runs]
    assert len(set(names)) == len(names) == 2 * len(EXPERIMENTS[experiment])
    assert runs == plan_runs(benchmark, experiment, seeds=2)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") and len(name) < 200 for name in names)
    # seed by seed
    assert [get_seed(run) for run in runs] == [seed for seed in (0, 1) for _ in EXPERIMENTS[experiment]]
    for run in runs:
        pipeline = run.configuration["pipeline"]
        assert pipeline["training_kwargs"].items() >= dict(num_epochs=2, batch_size=16).items()
        assert pipeline["dataset"] == "DB15K"
        assert run.configuration["metadata"]["experiment"] == experiment
    others = plan_runs(benchmark, experiment, seeds=2, overrides=override(epochs=3))
    assert [run.name for run in others] == names
    assert not any(run == other for run, other in zip(runs, others, strict=True))


def test_content_rather_than_place(benchmark, tmp_path):
    """The same files elsewhere are the same data, and another value in them makes others."""
    (data,) = {run.data for run in plan_runs(benchmark)}
    same = write_dataset(tmp_path / "same")
    assert {run.data for run in plan_runs(same)} == {data}
    other = write_dataset(tmp_path / "other")
    features = numpy.load(other / "visual.npy")
    features[0, 0] += 1
    numpy.save(other / "visual.npy", features)
    assert data not in {run.data for run in plan_runs(other)}


def test_table2(benchmark):
    runs = plan_runs(benchmark)
    assert [get_variant(run) for run in runs] == list(CONTENDERS)
    assert {get_variant(run) for run in runs if run.configuration["pipeline"]["training_loop"] == "MAT"} == {
        "MMKRL",
        "NativE",
        "IKRL-MAT",
        "TBKGC-MAT",
        "AdaMF-MAT",
    }


def test_table3(benchmark):
    """Each ablation differs from its model in what it is named after, and in nothing else."""
    runs = plan_runs(benchmark, "table3", overrides={})
    pipelines = {get_variant(run): run.configuration["pipeline"] for run in runs}
    added = dict(dataset_kwargs=dict(directory=str(benchmark)), random_seed=0)
    bases = {name: {**load_configuration(name, "DB15K")["pipeline"], **added} for name in ("AdaMF", "AdaMF-MAT")}

    def adamf(**kwargs):
        return {**bases["AdaMF"], "model_kwargs": {**bases["AdaMF"]["model_kwargs"], **kwargs}}

    def mat(*kinds):
        options = {**bases["AdaMF-MAT"]["training_loop_kwargs"], "synthetic_kinds": list(kinds)}
        return {**bases["AdaMF-MAT"], "training_loop_kwargs": options}

    assert SYNTHETIC_KINDS == ("head", "tail", "both")
    assert pipelines == {
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
    points = [run.configuration["metadata"] for run in runs]
    assert [(point["variant"], point["parameters"]["missing_ratio"]) for point in points] == [
        (name, ratio)
        for model in ("AdaMF", "TBKGC", "IKRL")
        for ratio in MISSING_RATIOS
        for name in (model, f"{model}-MAT")
    ]
    for run, point in zip(runs, points, strict=True):
        assert point["parameters"]["mat"] is (run.configuration["pipeline"]["training_loop"] == "MAT")
        assert point["variant"].startswith(point["parameters"]["model"])
        ratio = point["parameters"]["missing_ratio"]
        assert run.configuration["data"] == (dict(missing_ratio=ratio, missing_by="uniform") if ratio else {})
    runs = plan_runs(benchmark, "figure4")
    numbers = [run.configuration["pipeline"]["training_loop_kwargs"]["num_groups"] for run in runs]
    points = [run.configuration["metadata"]["parameters"] for run in runs]
    assert numbers == [point["num_groups"] for point in points] == list(GROUPS)
    assert [get_variant(run) for run in plan_runs(benchmark, "figure5")] == ["AdaMF", "AdaMF-MAT"]


def test_rare_entities_first(benchmark):
    """Figure 3 with another order of dropping is another experiment, which may be in the same directory."""
    runs, uniform = (plan_runs(benchmark, "figure3", **kwargs) for kwargs in (dict(missing_by="degree"), {}))
    assert {run.configuration["data"].get("missing_by", "uniform") for run in uniform} == {"uniform"}
    for run, other in zip(runs, uniform, strict=True):
        # without anything dropped, it is the same
        is_dropped = bool(run.configuration["data"])
        assert (run.name == other.name) is (run == other) is not is_dropped
        assert run.configuration["data"].get("missing_by", "uniform") == ("degree" if is_dropped else "uniform")
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
    assert [(get_variant(run), get_seed(run)) for run in runs] == [
        (x, i) for i in (0, 1) for x in ("RotatE", "AdaMF-MAT")
    ]


def test_spelling(benchmark):
    """However a dataset is spelled, it is the same."""
    assert plan_runs(benchmark, datasets=["db15k", "DB15K"]) == plan_runs(benchmark)


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
