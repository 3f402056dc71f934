"""PyKEEN's own ways to save models write bundles."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pykeen.hpo import hpo_pipeline
from pykeen.models import Model, TransE
from pykeen.pipeline import PipelineResult, pipeline, replicate_pipeline_from_config
from pykeen.pipeline.api import save_pipeline_results_to_directory
from pykeen.triples import TriplesFactory

from pykeen_adamf import plugin
from pykeen_adamf.bundle import BundleError, load
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.triples import without_features

from ..cases import make_factory
from .cases import assert_same_predictions

PYKEENS = {"results.json", "metadata.json", "trained_model.pkl", "training_triples"}
OURS = {"model.json", "model.safetensors"}


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def run(model: str | type[Model] = "AdaMFRotatE", **kwargs) -> PipelineResult:
    training, testing = make_factory().split(0.8, random_state=0)
    if model == "TransE":
        training, testing = without_features(training), without_features(testing)
    return pipeline(
        training=training,
        testing=testing,
        model=model,
        **{
            "model_kwargs": dict(embedding_dim=4),
            "training_kwargs": dict(num_epochs=1, batch_size=32, use_tqdm=False),
            "evaluation_kwargs": dict(batch_size=32, use_tqdm=False),
            "random_seed": 0,
            "device": "cpu",
            **kwargs,
        },
    )


@pytest.fixture(scope="module")
def result() -> PipelineResult:
    return run(training_loop="MAT", loss_kwargs=dict(margin=5.0), regularizer="lp")


def test_saved_results_are_bundles(result, tmp_path):
    result.save_to_directory(tmp_path / "new")
    assert names(tmp_path / "new") == PYKEENS | OURS
    bundle = load(tmp_path / "new", device="cpu")
    assert bundle.training == result.training
    assert bundle.configuration["loss"]["kwargs"]["margin"] == 5.0
    assert_same_predictions(bundle.model, result.model, result.training)
    metrics = json.loads((tmp_path / "new" / "results.json").read_text())["metrics"]["both"]["realistic"]
    assert metrics["inverse_harmonic_mean_rank"] == result.get_metric("mrr")


@pytest.mark.parametrize("kind", [str, Path, lambda path: f"{path}/../{path.name}"])
def test_directories(result, tmp_path, kind):
    result.save_to_directory(directory=kind(tmp_path / "a"), save_metadata=False)
    assert names(tmp_path / "a") == PYKEENS - {"metadata.json"} | OURS


def test_home_directory(result, tmp_path, monkeypatch):
    """As PyKEEN does, whatever it does."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result.save_to_directory("~/out")
    (place,) = {path.parent for path in tmp_path.rglob("results.json")}
    assert names(place) == PYKEENS | OURS


def test_parts_of_results(result, tmp_path, caplog):
    """Without the model, or without what it was trained with, there is no bundle."""
    caplog.set_level("INFO")
    result.save_to_directory(tmp_path, save_replicates=False)
    assert names(tmp_path) == PYKEENS - {"trained_model.pkl"}
    result.save_to_directory(tmp_path / "model", save_training=False)
    assert names(tmp_path / "model") == PYKEENS - {"training_triples"}
    assert "save_training=True" in caplog.text
    with pytest.raises(BundleError, match="without its training triples"):
        load(tmp_path / "model")


def test_models_of_others_are_left_alone(tmp_path):
    """Also their users' own files."""
    other = run(TransE)
    (tmp_path / "model.json").write_text('{"format": "mine"}')
    other.save_to_directory(tmp_path)
    assert names(tmp_path) == PYKEENS | {"model.json"}
    assert (tmp_path / "model.json").read_text() == '{"format": "mine"}'


def test_bundles_do_not_outlive_their_results(result, tmp_path):
    """A bundle beside another model's results would be mistaken for it."""
    result.save_to_directory(tmp_path)
    # PyKEEN leaves the model, too
    result.save_to_directory(tmp_path, save_replicates=False, save_training=False)
    assert names(tmp_path) == PYKEENS | OURS
    assert load(tmp_path).training == result.training
    run("TransE").save_to_directory(tmp_path)
    assert names(tmp_path) == PYKEENS


class Unknown(AdaMFRotatE):
    """A model that PyKEEN does not know.

    ---
    citation:
        author: Nobody
        year: 2024
        link: https://example.org
    """


@pytest.mark.parametrize("occupied", [False, True], ids=["", "in place of another"])
def test_nothing_is_lost_if_there_is_no_bundle(tmp_path, result, caplog, occupied):
    if occupied:
        result.save_to_directory(tmp_path)
    unknown = run(Unknown)
    unknown.save_to_directory(tmp_path)
    assert names(tmp_path) == PYKEENS
    assert "PyKEEN does not know Unknown by name" in caplog.text
    assert type(torch.load(tmp_path / "trained_model.pkl", weights_only=False)) is Unknown


def test_nothing_is_lost_if_the_disk_is_full(tmp_path, result, monkeypatch, caplog):
    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr("pykeen_adamf.bundle.saving.save_file", full)
    result.save_to_directory(tmp_path)
    assert names(tmp_path) == PYKEENS
    assert "No space left on device" in caplog.text


def test_registration_happens_once():
    method = vars(PipelineResult)["save_to_directory"]
    plugin.register()
    assert vars(PipelineResult)["save_to_directory"] is method
    assert not hasattr(method.__wrapped__, "__wrapped__")


# --- whatever calls it


CONFIGURATION = dict(
    dataset="EmojiKG",
    model="AdaMFRotatE",
    model_kwargs=dict(embedding_dim=4, modalities=["textual"]),
    training_kwargs=dict(num_epochs=1, batch_size=512, use_tqdm=False),
    evaluation_kwargs=dict(batch_size=256, use_tqdm=False),
)


def test_replicates(tmp_path):
    """They are saved without training triples unless one asks for them."""
    replicate_pipeline_from_config(
        {"pipeline": CONFIGURATION, "metadata": {}}, directory=tmp_path, replicates=1, save_training=True, device="cpu"
    )
    (replicate,) = (tmp_path / "replicates").iterdir()
    assert load(replicate).training.num_triples == 4069


def test_saving_several_results(tmp_path, result):
    save_pipeline_results_to_directory(config={}, directory=tmp_path, pipeline_results=[result], save_training=True)
    assert_same_predictions(load(tmp_path / "replicates" / "replicate-00000").model, result.model, result.training)


def test_hyper_parameter_optimization(tmp_path):
    training, testing = make_factory().split(0.8, random_state=0)
    hpo_pipeline(
        n_trials=2,
        training=training,
        testing=testing,
        validation=testing,
        model="AdaMFRotatE",
        model_kwargs_ranges=dict(embedding_dim=dict(type=int, low=2, high=4)),
        training_kwargs=dict(num_epochs=1),
        training_kwargs_ranges=dict(batch_size=dict(type="categorical", choices=[32])),
        evaluation_kwargs=dict(batch_size=32, use_tqdm=False),
        save_model_directory=str(tmp_path),
        device="cpu",
    )
    assert names(tmp_path) == {"0", "1"}
    for directory in tmp_path.iterdir():
        kwargs = load(directory).configuration["model_kwargs"]
        assert kwargs["embedding_dim"] in {2, 3, 4}
        assert kwargs["attention"] in {"shared", "per-modality"}


@pytest.mark.slow
def test_command_line(tmp_path):
    options = ["--dataset", "EmojiKG", "--training-loop", "mat", "--missing", "mask", "-n", "1", "-b", "1024"]
    options += ["--embedding-dim", "4", "--device", "cpu", "--output-directory", str(tmp_path)]
    process = subprocess.run(
        [sys.executable, "-m", "pykeen", "train", "adamfrotate", *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert names(tmp_path) == PYKEENS | OURS
    bundle = load(tmp_path)
    assert bundle.model.fused.mask_missing
    assert isinstance(bundle.training, TriplesFactory)
