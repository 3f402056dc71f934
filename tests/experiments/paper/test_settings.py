"""What reports say of options and budgets, and of what the paper has."""

from copy import deepcopy

import pytest

from pykeen_adamf.experiments.paper.contenders import CONTENDERS, load_configuration
from pykeen_adamf.experiments.paper.reporting.settings import format_value

from .cases import get_seed, get_variant
from .synthetic import get_options, report, section, table, write_experiment

#: A configuration that leaves almost everything to defaults.
BARE = {"model": "AdaMFRotatE", "training_loop": "MAT"}


@pytest.mark.parametrize(
    ("name", "default", "changes", "value"),
    [
        ("batch size", 256, {"training_kwargs": {"batch_size": 32}}, 32),
        ("embedding dimension", 250, {"model_kwargs": {"embedding_dim": 8}}, 8),
        ("negatives", 128, {"negative_sampler_kwargs": {"num_negs_per_pos": 32}}, 32),
        ("negatives", 128, {"training_kwargs": {"num_negs_per_pos": 16}}, 16),
        ("negatives", 128, {"negative_sampler": "basic"}, 1),
        ("learning rate", 0.001, {"optimizer_kwargs": {"lr": 0.02}}, 0.02),
        ("margin", 12.0, {"loss_kwargs": {"margin": 4.0}}, 4.0),
        # PyKEEN's default of the loss if it is chosen, and the model's if not
        ("margin", 12.0, {"loss": "NSSA"}, 9.0),
        ("temperature", 2.0, {"loss": "NSSA"}, 1.0),
        ("temperature", 2.0, {"loss": "marginranking", "training_loop": "sLCWA"}, None),
        ("attention", "shared", {"model_kwargs": {"attention": "per-modality"}}, "per-modality"),
        ("attention", "shared", {"model_kwargs": {"fusion": "mean"}}, None),
        ("attention", "shared", {"model": "TBKGC"}, None),
        ("trained features", True, {"model": "TBKGC", "model_kwargs": {"trainable_features": False}}, False),
        ("trained features", True, {"model": "TransE", "training_loop": "sLCWA"}, None),
        ("learning rate of the generators", 0.001, {"optimizer_kwargs": {"lr": 0.02}}, 0.02),
        ("learning rate of the generators", 0.001, {"training_kwargs": {"generator_lr": 0.5}}, 0.5),
        ("weight λ of the adversarial loss", 0.1, {"training_kwargs": {"adversarial_weight": 0.0}}, 0.0),
        ("groups L of synthetic triples", 1, {"training_loop_kwargs": {"num_groups": 4}}, 4),
        ("dimension of the noise", 64, {"training_loop": "sLCWA"}, None),
        ("hidden dimension of the generators", 512, {"training_loop": None}, None),
        (
            "weighting of synthetic triples",
            "self-adversarial",
            {"training_loop": "MATTrainingLoop"},
            "self-adversarial",
        ),
        ("objective of the generators", "non-saturating", {"training_loop": "lcwa"}, None),
        ("margin of the adversarial loss", None, {"training_loop_kwargs": {"margin": 3.0}}, 3.0),
    ],
)
def test_options(name, default, changes, value):
    """What is in force is read from the objects that PyKEEN makes, whether it was given, left out, or derived."""
    assert get_options(BARE).get(name) == default
    assert get_options({**BARE, **changes}).get(name) == value


@pytest.mark.parametrize("name", CONTENDERS)
def test_budget(name):
    """Of each model of the paper's experiments, the objects have what its configuration says."""
    pipeline = load_configuration(name, "EmojiKG")["pipeline"]
    options = get_options(pipeline)
    assert options["embedding dimension"] == pipeline["model_kwargs"]["embedding_dim"]
    assert options["batch size"] == pipeline["training_kwargs"]["batch_size"]
    assert options.get("negatives") == pipeline.get("negative_sampler_kwargs", {}).get("num_negs_per_pos")
    assert options["learning rate"] == pipeline["optimizer_kwargs"]["lr"]
    assert options.get("margin") == pipeline.get("loss_kwargs", {}).get("margin")
    assert options.get("temperature") == pipeline.get("loss_kwargs", {}).get("adversarial_temperature")


def test_numbers():
    assert [format_value(x) for x in (4.0, 4, 0.001, 1e-5, True, "shared")] == [
        "4",
        "4",
        "0.001",
        "1e-05",
        "yes",
        "shared",
    ]


# --- in the report


def reconfigure(models, **groups):
    """Return a change of the recorded configurations of some models, and of what was in force."""

    def change(run, result):
        if get_variant(run) in models:
            result["configuration"] = deepcopy(result["configuration"])
            pipeline = result["configuration"]["pipeline"]
            for group, options in groups.items():
                pipeline.setdefault(group, {}).update(options)
            result["losses"] = [1.0] * pipeline["training_kwargs"]["num_epochs"]
            result["effective"] = {"options": get_options(pipeline)}

    return change


def test_beside_the_paper(tmp_path):
    """Rows of what at least one model has, each value with its models if there are several."""
    write_experiment(tmp_path, models=["RotatE", "IKRL-MAT", "AdaMF-MAT"], seeds=1)
    rows = {row[0]: row[1:] for row in table(section(report(tmp_path), "Setting"))}
    configured = load_configuration("AdaMF-MAT", "EmojiKG")["pipeline"]["training_loop_kwargs"]
    assert configured["generator_objective"] == "minimax"
    here, paper = rows["objective of the generators"]
    assert here == "minimax (AdaMF-MAT), non-saturating (IKRL-MAT)"
    assert paper.startswith("minimax (eq. 11)")
    assert rows["attention"][0] == "per-modality"
    assert rows["dimension of the noise"] == ["64", "64"]
    assert "margin of the adversarial loss" not in rows


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (["textual"], "384 dimensions"),
        ({"textual": "/data/names.npy"}, "file names.npy, 384 dimensions"),
        ({"textual": {"source": "/data/texts", "encoder": "descriptor"}}, "file texts, 384 dimensions"),
    ],
)
def test_files_of_features(tmp_path, features, text):
    """However datasets take them, cf. those of EmojiKG, of the benchmarks, and of an own graph."""

    def change(_, result):
        result["configuration"] = deepcopy(dict(result["configuration"]))
        result["configuration"]["pipeline"]["dataset_kwargs"] = {"features": features}

    write_experiment(tmp_path, models=["AdaMF-MAT"], seeds=1, change=change)
    rows = {row[0]: row[1:] for row in table(section(report(tmp_path), "Setting"))}
    assert rows["textual features"][0].startswith(text)


def test_without_adversarial_training(tmp_path):
    write_experiment(tmp_path, models=["RotatE"], seeds=1)
    rows = [row[0] for row in table(section(report(tmp_path), "Setting"))]
    assert "learning rate" in rows
    assert not any("adversarial" in row or "generators" in row or row == "attention" for row in rows)


@pytest.mark.slow
def test_budgets(tmp_path):
    """They are the same, or it is said that they are not, also between the seeds of a model."""
    options = dict(models=["RotatE", "AdaMF"], seeds=2)
    write_experiment(tmp_path / "same", **options)
    assert "**" not in section(report(tmp_path / "same"), "Setting")
    other = reconfigure(["AdaMF"], training_kwargs={"num_epochs": 7}, negative_sampler_kwargs={"num_negs_per_pos": 3})

    def change(run, result):
        if get_seed(run) == 1:
            other(run, result)

    write_experiment(tmp_path / "other", **options, change=change)
    text = section(report(tmp_path / "other"), "Setting")
    assert "**The runs do not have the same budget: they differ in epochs and number of negatives.**" in text
    rows = {row[0]: row[1] for row in table(text)}
    assert rows["epochs"] == "7, 40"
    # one line for each configuration
    assert [(row[0], row[3]) for row in table(text, 1)[1:]] == [("RotatE", "40"), ("AdaMF", "40"), ("AdaMF", "7")]


def test_versions_and_devices(tmp_path):
    def change(run, result):
        if get_seed(run) == 1:
            result["environment"] |= {"torch": "0.0.1", "device": "cuda"}
        else:
            result["environment"]["torch"] = "0.0.2"

    write_experiment(tmp_path, models=["RotatE"], change=change)
    text = section(report(tmp_path), "Setting")
    assert "**The runs were made with different versions of torch (0.0.1 and 0.0.2).**" in text
    assert "**The runs were made on different devices: cpu and cuda.**" in text


def test_where_configurations_are_from(tmp_path):
    def change(run, result):
        if get_variant(run) == "AdaMF":
            result["configuration"] = {"pipeline": result["configuration"]["pipeline"]}

    write_experiment(tmp_path, models=["TransE", "TransD", "AdaMF"], seeds=1, change=change)
    text = section(report(tmp_path), "Setting")
    sources = {row[0]: row[2] for row in table(text, 1)}
    assert sources["TransE"] == "EmojiKG/TransE.json"
    assert sources["AdaMF"] == "not recorded"
    comments = load_configuration("TransE", "EmojiKG")["metadata"]["comments"]
    assert comments == load_configuration("TransD", "EmojiKG")["metadata"]["comments"]
    assert f"\n- TransE, TransD: {comments}\n" in text
    assert "\n- AdaMF: how its configuration was chosen is not recorded." in text


@pytest.mark.slow
def test_tuned_differently(tmp_path):
    """A sentence about each two that are compared, once for all points of a line."""
    tuned = reconfigure(["AdaMF-MAT"], optimizer_kwargs={"lr": 0.5}, loss_kwargs={"margin": 7.0})
    alike = reconfigure(["IKRL", "IKRL-MAT"], optimizer_kwargs={"lr": 0.1}, loss_kwargs={"margin": 3.0})

    def change(run, result):
        tuned(run, result)
        alike(run, result)

    write_experiment(tmp_path, "figure3", models=["AdaMF", "AdaMF-MAT", "IKRL", "IKRL-MAT"], seeds=1, change=change)
    text = section(report(tmp_path), "Comparisons")
    assert text.count("have different") == 1
    expected = "have different learning rates, 0.5 and 0.001, and different margins, 7 and 4: each its own."
    assert f"\nAdaMF-MAT and AdaMF {expected}\n" in text
