"""Ensembles as directories that refer to runs and bundles."""

import json
import shutil

import pytest
import torch

from pykeen_adamf.bundle import BundleError, combine, load, open_trained, save, save_ensemble
from pykeen_adamf.explaining.directory import explain_directory
from pykeen_adamf.exploring.loading import open_explorer
from pykeen_adamf.models import AdaMF, LpRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory


def make(path, cls=AdaMF, factory=None, **kwargs):
    factory = factory or make_factory()
    return save(cls(triples_factory=factory, embedding_dim=3, random_seed=0, **kwargs), factory, path)


@pytest.fixture
def parts(tmp_path):
    inverse = make_factory(create_inverse_triples=True)
    return [make(tmp_path / "a", factory=inverse, interaction="ComplEx"), make(tmp_path / "b", LpRotatE)]


@pytest.fixture
def directory(tmp_path, parts):
    ensemble = combine(parts, "cpu").model
    ensemble.part_weights.copy_(torch.rand(4, 2))
    return save_ensemble(ensemble, parts, tmp_path / "both" / "of them")


def change(directory, function):
    path = directory / "ensemble.json"
    content = json.loads(path.read_text())
    function(content)
    path.write_text(json.dumps(content))


@torch.inference_mode()
def test_round_trip(tmp_path, parts, directory):
    """Scores are the weighted ones, also after everything was moved together."""
    weights = torch.tensor(json.loads((directory / "ensemble.json").read_text())["weights"])
    assert [x.name for x in directory.iterdir()] == ["ensemble.json"]
    triples = make_factory(seed=1).mapped_triples
    models = [open_trained(part, "cpu").model for part in parts]
    expected = sum(w[:, None] * x.predict_hrt(triples) for w, x in zip(weights[triples[:, 1]].T, models, strict=True))
    trained = open_trained(directory, "cpu")
    torch.testing.assert_close(trained.model.predict_hrt(triples), expected)
    assert trained.path == directory
    assert trained.name == "Ensemble in of them"
    assert not trained.held_out
    shutil.move(tmp_path, moved := tmp_path.with_name(f"{tmp_path.name}-moved"))
    torch.testing.assert_close(open_trained(moved / "both" / "of them").model.predict_hrt(triples), expected)
    with pytest.raises(BundleError, match=r"a part of an ensemble, has no model\.json\. Was it moved"):
        open_trained(shutil.move(moved / "both" / "of them", moved / "deeper"))


def test_explaining(directory):
    """Ranks and scores without modalities are those of the sum; the explorer shows single models."""
    (table,) = explain_directory(directory, triples=[("e1", "r0", "e2")], device="cpu", progress=False).values()
    assert table["modality"].tolist() == ["structural", "visual", "textual"]
    assert (table["score_change"] != 0).all()
    with pytest.raises(ValueError, match=r"Ensemble in of them cannot be explored.*one of its parts"):
        open_explorer(directory, device="cpu")


@pytest.mark.parametrize(
    ("change_content", "message"),
    [
        (lambda x: x.update(format="other"), "describes no ensemble"),
        (lambda x: x.update(format_version=2), "describes no ensemble"),
        (lambda x: x.pop("parts"), r"ensemble\.json is damaged"),
        (lambda x: x.update(parts=[{"path": 3, "weights_sha256": ""}] * 2), r"ensemble\.json is damaged"),
        (lambda x: x.update(parts=[]), "weights are not those of its 0 parts"),
        (lambda x: x["parts"].pop(), "weights are not those of its 1 parts"),
        (lambda x: x.update(weights="1"), "weights are not those of its 2 parts"),
        (lambda x: x.update(weights=[]), "weights are not those"),
        (lambda x: x.update(weights=[["a", 1]]), r"ensemble\.json is damaged"),
        (lambda x: x["weights"][2].__setitem__(0, -1), "weights must not be negative"),
        (lambda x: x["weights"].__setitem__(2, [0, 0]), "weights must not be negative, nor all zero"),
        (lambda x: x["weights"].pop(), "weights for 3 relations, but there are 4"),
        (lambda x: x["parts"][0].update(weights_sha256="0"), "has changed since the ensemble .* was made"),
        (lambda x: x["parts"][0].update(path="nowhere"), "a part of an ensemble, has no model.json"),
    ],
)
def test_damage(directory, change_content, message):
    change(directory, change_content)
    with pytest.raises(BundleError, match=message):
        open_trained(directory)


def test_an_ensemble_is_no_part(directory, parts):
    """Neither of itself, which would never end."""
    change(directory, lambda x: x["parts"][0].update(path="."))
    with pytest.raises(BundleError, match=r"has no model\.json"):
        open_trained(directory)
    with pytest.raises(BundleError, match="is an ensemble, and no bundle"):
        combine([directory, *parts])


def test_an_ensemble_is_no_bundle(tmp_path, directory):
    """Whoever saves or loads it as one is told how."""
    with pytest.raises(BundleError, match="is an ensemble, and no bundle: open it by open_trained"):
        load(directory)
    with pytest.raises(BundleError, match="save its parts, and then the ensemble by save_ensemble"):
        save(open_trained(directory, "cpu").model, make_factory(), tmp_path / "bundle")


def test_parts_that_do_not_fit(tmp_path, parts):
    factory = make_factory()
    labels = [f"e{i}" for i in reversed(range(20))]
    others = {
        "entity_to_id": {label: i for i, label in enumerate(labels)},
        "relation_to_id": {f"s{i}": i for i in range(4)},
    }
    for name, mapping in others.items():
        kwargs = {"entity_to_id": factory.entity_to_id, "relation_to_id": factory.relation_to_id, name: mapping}
        features = {key: x.align(labels) if name == "entity_to_id" else x for key, x in factory.features.items()}
        other = MultimodalTriplesFactory(mapped_triples=factory.mapped_triples, features=features, **kwargs)
        with pytest.raises(ValueError, match=f"other has other {name} than .*on the same dataset"):
            combine([*parts, make(tmp_path / "other", factory=other)])
    fewer = make_factory(num_triples=50)
    with pytest.raises(ValueError, match=r"fewer was trained on other triples than .*on the same dataset"):
        combine([*parts, make(tmp_path / "fewer", factory=fewer)])
    with pytest.raises(ValueError, match="needs models; there are none"):
        combine([])
    with pytest.raises(ValueError, match="has 2 parts, but there are 1 directories"):
        save_ensemble(combine(parts, "cpu").model, parts[:1], tmp_path / "less")
    assert not (tmp_path / "less").exists()
