"""The configurations that come with the package."""

import json

import pytest
from click.testing import CliRunner
from pykeen.experiments.cli import experiments as pykeen_experiments
from pykeen.hpo import hpo_pipeline
from pykeen.pipeline import pipeline_from_config

from pykeen_adamf.cli.options import take_overrides
from pykeen_adamf.experiments.configuration import merge, read_configuration
from pykeen_adamf.experiments.paper.contenders import (
    CONFIGURATIONS,
    CONTENDERS,
    choose,
    load_configuration,
)
from pykeen_adamf.experiments.paper.experiments import GROUPS

from .cases import OVERRIDES, execute, plan_runs

FILES = sorted(CONFIGURATIONS.glob("*/*.json"))
FOLDERS = sorted({path.parent for path in FILES})


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_pykeen_reads(path, benchmark):
    """It is complete: nothing but the size of the task is changed for PyKEEN's own function to run it."""
    configuration = read(path)
    assert set(configuration) == {"metadata", "pipeline"}
    assert path.stem in CONTENDERS.values()
    small = dict(dataset="DB15K", dataset_kwargs=dict(directory=str(benchmark)), device="cpu", random_seed=0)
    changes = {**OVERRIDES, **small}
    if configuration["pipeline"]["training_loop"] in {"OneToN", "OneVsAll"}:
        del changes["negative_sampler_kwargs"]
    pipeline = merge(configuration["pipeline"], changes)
    result = pipeline_from_config({**configuration, "pipeline": pipeline}, use_tqdm=False)
    assert len(result.losses) == OVERRIDES["training_kwargs"]["num_epochs"]
    assert result.model.num_parameters > 0


@pytest.mark.slow
def test_pykeens_command(tmp_path):
    """PyKEEN's command runs a file as it is, but for the number of epochs."""
    configuration = read(CONFIGURATIONS / "EmojiKG" / "AdaMF-MAT.json")
    configuration["pipeline"]["training_kwargs"]["num_epochs"] = 1
    path = tmp_path / "short.json"
    path.write_text(json.dumps(configuration), encoding="utf-8")
    result = CliRunner().invoke(pykeen_experiments, ["run", str(path), "-d", str(tmp_path / "output")])
    assert result.exit_code == 0, result.output
    assert list((tmp_path / "output").rglob("trained_model.pkl"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_equal_budget(folder):
    """What the models of a dataset have in common is the same for all that are trained in the same way."""
    budgets = {}
    for path in folder.glob("*.json"):
        pipeline = read(path)["pipeline"]
        training, loop = pipeline["training_kwargs"], pipeline["training_loop"]
        budget = [training["num_epochs"], training["batch_size"], pipeline["model_kwargs"]["embedding_dim"]]
        # the number of candidates is a part of the method
        kind = loop if loop in {"OneVsAll", "OneToN", "KBGAN"} else "sampled"
        if kind == "sampled":
            budget += [pipeline[name] for name in ("optimizer", "negative_sampler", "negative_sampler_kwargs")]
        budgets.setdefault(kind, set()).add(json.dumps(budget))
        assert pipeline["dataset"] == "EmojiKG"
    assert all(len(x) == 1 for x in budgets.values())


def test_losses():
    """Where nothing is tuned, they are those of the papers; for one, it is a part of the method."""
    losses = {}
    for path in (CONFIGURATIONS / "default").glob("*.json"):
        losses.setdefault(read(path)["pipeline"]["loss"], set()).add(path.stem)
    assert losses.pop("NSSA")
    assert losses == {
        "EntropyGuided": {"MoCME"},
        "MarginRanking": {"KBGAN-TransE", "KBGAN-TransD"},
        "CrossEntropy": {"RSME", "MoSE", "OTKGE"},
        "BCEWithLogits": {"MoMoK"},
    }


def test_norms():
    """Where nothing is tuned, PyKEEN's RotatE has the settings of ours, from the sum of moduli to the 2-norm."""
    ours, pykeens = (
        read(CONFIGURATIONS / "default" / f"{stem}.json")["pipeline"] for stem in ("RotatE", "RotatE-PyKEEN")
    )
    scale = ours["model_kwargs"]["embedding_dim"] ** 0.5
    assert (ours["model"], pykeens["model"]) == ("LpRotatE", "RotatE")
    for name, factor in (("margin", scale), ("adversarial_temperature", 1 / scale)):
        assert pykeens["loss_kwargs"][name] * factor == pytest.approx(ours["loss_kwargs"][name], rel=1e-3)


@pytest.mark.parametrize("name", CONTENDERS)
def test_finding(name):
    assert load_configuration(name, "EmojiKG")["metadata"]["source"].startswith("EmojiKG/")
    assert load_configuration(name, "emoji-kg")["metadata"]["source"].startswith("EmojiKG/")
    assert load_configuration(name, "Nations")["metadata"]["source"].startswith("default/")
    assert load_configuration(name, "Nations")["pipeline"]["dataset"] == "Nations"


def test_adversarial_training_is_the_difference():
    for name in ("AdaMF", "IKRL", "TBKGC"):
        with_mat, without = (load_configuration(x, "Nations")["pipeline"] for x in (f"{name}-MAT", name))
        assert with_mat.pop("training_loop_kwargs")
        assert (with_mat.pop("training_loop"), without.pop("training_loop")) == ("MAT", "sLCWA")
        assert with_mat == without


def test_adversarial_training_is_in_the_name(tmp_path):
    content = read(CONFIGURATIONS / "default" / "AdaMF.json")
    write(tmp_path / "own", "AdaMF-MAT", content)
    with pytest.raises(
        ValueError, match="has the training_loop SLCWATrainingLoop, but a file of that name must have MAT"
    ):
        load_configuration("AdaMF-MAT", "Nations", tmp_path / "own")


def test_overrides():
    pipeline = load_configuration("AdaMF-MAT", "Nations")["pipeline"]
    changed = merge(
        pipeline, take_overrides(dict(epochs=1, embedding_dim=2, batch_size=3, negatives=4, learning_rate=0.5))
    )
    assert changed["training_kwargs"] == dict(num_epochs=1, batch_size=3)
    assert changed["model_kwargs"]["embedding_dim"] == 2
    assert changed["negative_sampler_kwargs"]["num_negs_per_pos"] == 4
    assert changed["optimizer_kwargs"] == dict(lr=0.5)
    assert changed["training_loop_kwargs"] == pipeline["training_loop_kwargs"]
    assert merge(pipeline, take_overrides({})) == pipeline


def test_unknown():
    with pytest.raises(ValueError, match=r"There is no model 'AdaMFF'. Choose from: TransE; .*AdaMF-MAT"):
        load_configuration("AdaMFF", "EmojiKG")
    with pytest.raises(ValueError, match="No model is chosen"):
        choose("model", [], CONTENDERS)


def write(directory, stem, content):
    directory.mkdir(exist_ok=True)
    path = directory / f"{stem}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_own_directory(benchmark, tmp_path):
    """Files of a directory are used instead of the package's, and what an experiment decides about is left out."""
    configuration = read(CONFIGURATIONS / "default" / "AdaMF-MAT.json")
    configuration["pipeline"]["loss_kwargs"]["margin"] = 5.0
    configuration["pipeline"].update(device="cuda", random_seed=5, training=None, dataset_kwargs=dict(directory="x"))
    write(tmp_path, "AdaMF-MAT", configuration)
    (run,) = plan_runs(benchmark, models=["AdaMF-MAT"], configurations=tmp_path)
    expected = load_configuration("AdaMF-MAT", "DB15K")["pipeline"]
    expected["loss_kwargs"]["margin"] = 5.0
    small = dict(dataset_kwargs=dict(directory=str(benchmark)), random_seed=0)
    assert run.configuration["pipeline"] == merge(expected, {**OVERRIDES, **small})
    assert run.configuration["metadata"]["source"] == f"{tmp_path.name}/AdaMF-MAT.json"


def test_no_other_budget(benchmark, tmp_path):
    """A model without a file in the directory does not get one that is configured otherwise."""
    write(tmp_path, "AdaMF-MAT", read(CONFIGURATIONS / "default" / "AdaMF-MAT.json"))
    with pytest.raises(ValueError, match=r"no configuration of RotatE: .*RotatE\.json\. Write one, e\.g\., start"):
        plan_runs(benchmark, models=["RotatE", "AdaMF-MAT"], configurations=tmp_path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_is_refused(path):
    """What is right passes all checks."""
    assert read_configuration(path)["pipeline"]["model"] == read(path)["pipeline"]["model"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"RotatE\.json cannot be read: .*Correct the file"),
        ([], r"RotatE\.json has no 'pipeline'"),
        (dict(metadata={}), r"RotatE\.json has no 'pipeline'"),
        (dict(metadata=["x"], pipeline=dict(model="RotatE")), "has 'metadata', which is no dictionary"),
        (dict(pipeline=dict(model="LpRotatE", loss_kwargs=5)), "has 'loss_kwargs', which is no dictionary"),
        (dict(pipeline={}), r"RotatE\.json has no model"),
        (dict(pipeline=dict(model="LpRotat")), "has the model 'LpRotat'. There is no model .*Did you mean 'lprotate'"),
        (
            dict(pipeline=dict(model="LpRotatE", loss="x")),
            "has the loss 'x'. There is no loss 'x', but there are .*nssa",
        ),
        (dict(pipeline=dict(model="TransE")), "has the model TransE, but a file of that name must have LpRotatE"),
        (
            dict(pipeline=dict(model="LpRotatE", model_kwargs=dict(embeding_dim=5))),
            "has 'embeding_dim', which LpRotatE, the model, does not have. Did you mean 'embedding_dim'",
        ),
        (
            dict(pipeline=dict(model="LpRotatE", optimizer_kwargs=dict(lrr=5))),
            "has 'lrr', which Adam, the optimizer, does not have",
        ),
        (dict(pipeline=dict(model="LpRotatE", loss="NSSA", loss_kwargs=dict(margn=5))), "Did you mean 'margin'"),
        (
            dict(pipeline=dict(model="LpRotatE", use_testing_data=False)),
            "has use_testing_data: False under 'pipeline'. It would change what",
        ),
        (
            dict(pipeline=dict(model="LpRotatE", filter_validation_when_testing=False)),
            "It would change what is measured: remove it",
        ),
        (dict(pipeline=dict(model="LpRotatE", evaluator="sampledrankbased")), "has another evaluator, but results"),
        (dict(pipeline=dict(model="LpRotatE", evaluator="x")), "has another evaluator, but results are filtered ranks"),
        (dict(pipeline=dict(model="LpRotatE", evaluator_kwargs=dict(filtered=False))), "has another evaluator"),
        (
            dict(pipeline=dict(model="LpRotatE", evaluation_kwargs=dict(targets=["head"]))),
            "with 'targets', but results",
        ),
        (
            dict(pipeline=dict(model="LpRotatE", training_kwargs=dict(checkpoint_name="x.pt"))),
            "with 'checkpoint_name', but a run has its own checkpoint",
        ),
        (dict(pipeline=dict(modle="RotatE")), "has 'modle', which PyKEEN's pipeline does not have"),
        (
            dict(pipeline=dict(model="RotatE", testing="x.tsv")),
            "has testing: x.tsv under 'pipeline'. The data are a",
        ),
    ],
)
def test_refused_files(benchmark, tmp_path, content, message):
    write(tmp_path, "RotatE", content)
    with pytest.raises(ValueError, match=message):
        plan_runs(benchmark, models=["RotatE"], configurations=tmp_path)


def test_result_of_a_search(benchmark, tmp_path):
    """What a search has found can be put into an experiment, whose own options have the last word."""
    study = hpo_pipeline(
        dataset="DB15K",
        dataset_kwargs=dict(directory=str(benchmark), validation="holdout"),
        model="AdaMFRotatE",
        model_kwargs=dict(embedding_dim=4),
        training_loop="MAT",
        training_kwargs=dict(num_epochs=1, batch_size=16),
        n_trials=1,
        device="cpu",
    )
    study.save_to_directory(tmp_path / "search")
    best = read(tmp_path / "search" / "best_pipeline" / "pipeline_config.json")
    write(tmp_path / "own", "AdaMF-MAT", best)
    runs = plan_runs(benchmark, "figure4", overrides=take_overrides(dict(negatives=3)), configurations=tmp_path / "own")
    for run, num_groups in zip(runs, GROUPS, strict=True):
        pipeline = run.configuration["pipeline"]
        assert pipeline["training_loop_kwargs"]["num_groups"] == num_groups
        assert pipeline["negative_sampler_kwargs"]["num_negs_per_pos"] == 3
        # these would win
        assert not {"num_groups", "num_negs_per_pos"}.intersection(pipeline["training_kwargs"])
        assert (
            pipeline["training_kwargs"]["adversarial_weight"]
            == best["pipeline"]["training_kwargs"]["adversarial_weight"]
        )
    result, _ = execute(runs[1], tmp_path / "run")
    assert result["metrics"]
