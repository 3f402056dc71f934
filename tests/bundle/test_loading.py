"""Bundles are loaded from anywhere, and without executing anything."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from pykeen.triples import CoreTriplesFactory, TriplesFactory

from pykeen_adamf.bundle import BundleError, load, save
from pykeen_adamf.features import ModalityFeatures, read_features
from pykeen_adamf.models import LpRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory, without_features

from ..cases import DIMS, make_factory
from .cases import assert_same_predictions, make_factory_of_files, make_model, predict


@pytest.fixture
def bundle(tmp_path) -> Path:
    factory = make_factory()
    model = make_model(factory=factory, missing="mask", trainable_features=False)
    return save(model, factory, tmp_path / "bundle")


@pytest.mark.slow
def test_another_process(bundle, tmp_path):
    """Nothing that this process knows is needed."""
    code = (
        "import sys, torch\n"
        "from pykeen_adamf.bundle import load\n"
        "bundle = load(sys.argv[1], device='cpu')\n"
        "torch.set_num_threads(1)\n"
        "print(bundle.model.predict_hrt(bundle.training.mapped_triples).flatten().tolist())"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(
        [sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, check=True, env=environment
    )
    here = load(bundle, device="cpu")
    expected = here.model.predict_hrt(here.training.mapped_triples).flatten().tolist()
    assert json.loads(process.stdout) == expected


def test_random_state_is_left_alone(bundle):
    before = torch.random.get_rng_state(), numpy.random.get_state(), random.getstate()  # noqa: NPY002
    load(bundle)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert all(numpy.array_equal(x, y) for x, y in zip(numpy.random.get_state(), before[1], strict=True))  # noqa: NPY002
    assert random.getstate() == before[2]


@pytest.mark.parametrize("device", [None, "cpu", torch.device("cpu")])
def test_devices(bundle, device):
    model = load(bundle, device=device).model
    assert model.device.type == ("cuda" if device is None and torch.cuda.is_available() else "cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu(bundle, tmp_path):
    cpu, gpu = load(bundle, device="cpu"), load(bundle, device="cuda")
    for name, x in predict(gpu.model, cpu.training).items():
        torch.testing.assert_close(x.cpu(), predict(cpu.model, cpu.training)[name], rtol=1e-4, atol=1e-4)
    # the features' table there is no view of the features
    again = load(save(gpu.model, gpu.training, tmp_path / "again"), device="cpu")
    assert again.configuration["tables_of_features"] == cpu.configuration["tables_of_features"]
    assert_same_predictions(again.model, cpu.model, cpu.training)


def test_relative_paths(bundle, monkeypatch):
    monkeypatch.chdir(bundle)
    assert load(".").training == load(str(bundle)).training


def test_moved_bundles(bundle, tmp_path):
    expected = load(bundle, device="cpu")
    bundle.rename(tmp_path / "elsewhere")
    loaded = load(tmp_path / "elsewhere", device="cpu")
    assert_same_predictions(loaded.model, expected.model, loaded.training)


def test_only_what_is_needed_is_read(bundle):
    """Features beside the triples, but nothing of PyKEEN's that is pickled."""
    for name in ("base.pth", "modalities.json"):
        (bundle / "training_triples" / name).unlink()
    assert set(load(bundle).training.features) == set(DIMS)


# --- triples of other kinds


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("kind", ["labels", "ids"])
def test_triples_without_features(tmp_path, kind, inverse):
    factory = without_features(make_factory(create_inverse_triples=inverse))
    if kind == "ids":
        # with more entities than there are in the triples
        factory = CoreTriplesFactory(factory.mapped_triples, 25, 6, create_inverse_triples=inverse)
    model = make_model(LpRotatE, factory, loop="slcwa")
    loaded = load(save(model, factory, tmp_path), device="cpu")
    assert type(loaded.training) is type(factory)
    assert loaded.training == factory
    assert_same_predictions(loaded.model, model, factory)


def test_features_that_the_model_does_not_use(tmp_path):
    factory = make_factory()
    loaded = load(save(make_model(LpRotatE, factory), factory, tmp_path))
    assert loaded.training == factory


def test_no_features_at_all(tmp_path):
    factory = MultimodalTriplesFactory.from_triples_factory(make_factory(), {})
    loaded = load(save(make_model(LpRotatE, factory), factory, tmp_path))
    assert type(loaded.training) is MultimodalTriplesFactory


def test_labels_that_look_like_something_else(tmp_path):
    labels = ["NA", "1984", "nan", "a\tb", '"', "", " x ", "\u2028", "\0y", "emoji:🚀"]
    entities, relations = {label: i for i, label in enumerate(labels)}, {"true": 0, "007": 1}
    triples = torch.tensor([[0, 0, 9], [3, 1, 5], [7, 1, 8]])
    features = {"visual": ModalityFeatures.from_matrix(torch.rand(10, 3), labels)}
    factory = MultimodalTriplesFactory(triples, entities, relations, features=features)
    loaded = load(save(make_model(factory=factory), factory, tmp_path))
    assert loaded.training == factory
    assert loaded.training.entity_to_id == entities
    assert loaded.training.relation_to_id == relations


def test_ids_with_gaps(tmp_path):
    factory = MultimodalTriplesFactory(
        torch.tensor([[0, 0, 3], [3, 0, 5]]),
        {"a": 0, "b": 3, "c": 5},
        {"r": 0},
        features={"visual": ModalityFeatures.from_matrix(torch.rand(2, 3), ["c", "a"])},
    )
    model = make_model(factory=factory)
    loaded = load(save(model, factory, tmp_path), device="cpu")
    assert loaded.training == factory
    assert_same_predictions(loaded.model, model, factory)


def test_a_modality_that_nobody_has(tmp_path):
    base = make_factory()
    features = {**base.features, "audio": ModalityFeatures.missing(base.entity_to_id, dim=4)}
    factory = MultimodalTriplesFactory.from_triples_factory(base, features)
    model = make_model(factory=factory, trainable_features=False, missing="mask")
    assert_same_predictions(load(save(model, factory, tmp_path), device="cpu").model, model, factory)


# --- references


def test_references(tmp_path):
    factory = make_factory_of_files(tmp_path)
    model = make_model(factory=factory, trainable_features=False, missing="mask")
    directory = save(model, factory, tmp_path / "bundle", features="reference")
    assert not list(directory.rglob("features-*"))
    loaded = load(directory, device="cpu")
    assert loaded.training == factory
    assert loaded.training.features["visual"].source == str(tmp_path / "visual.pth")
    assert_same_predictions(loaded.model, model, factory)
    # PyKEEN's own way to read them still works
    assert TriplesFactory.from_path_binary(directory / "training_triples") == without_features(factory)


def test_references_after_a_split(tmp_path):
    training, _ = make_factory_of_files(tmp_path).split(0.8, random_state=0)
    model = make_model(factory=training)
    loaded = load(save(model, training, tmp_path / "bundle", features="reference"), device="cpu")
    assert_same_predictions(loaded.model, model, training)


def test_references_of_loaded_bundles(tmp_path):
    """The features of a loaded bundle come from its files."""
    factory = make_factory()
    first = load(save(make_model(factory=factory), factory, tmp_path / "first"))
    second = load(save(first.model, first.training, tmp_path / "second", features="reference"))
    assert second.training == factory
    assert "first" in second.training.features["visual"].source


def test_moved_features(tmp_path):
    """They are found where one says, in whatever format, and are recognized."""
    factory = make_factory_of_files(tmp_path)
    model = make_model(factory=factory)
    directory = save(model, factory, tmp_path / "bundle", features="reference")
    (tmp_path / "visual.pth").rename(tmp_path / "moved.pth")
    with pytest.raises(BundleError, match=r"features={'visual': PATH}"):
        load(directory)
    visual = factory.features["visual"]
    for source in (tmp_path / "moved.pth", str(tmp_path / "moved.pth"), visual, read_features(tmp_path / "moved.pth")):
        assert_same_predictions(load(directory, device="cpu", features={"visual": source}).model, model, factory)


def test_features_of_copies_can_be_given(bundle):
    """Anything that has the same numbers."""
    expected = load(bundle)
    visual = expected.training.features["visual"]
    (bundle / "training_triples" / "features-visual.safetensors").unlink()
    matrix = visual.matrix.clone()
    matrix[~visual.presence] = torch.nan
    for source in (matrix, matrix.numpy(), visual):
        assert load(bundle, features={"visual": source}).training == expected.training
