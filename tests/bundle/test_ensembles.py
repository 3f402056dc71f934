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
from ..test_atomic import no_space


def make(path, cls=AdaMF, factory=None, **kwargs):
    factory = factory or make_factory()
    return save(cls(triples_factory=factory, embedding_dim=3, random_seed=0, **kwargs), factory, path)


@pytest.fixture
def parts(tmp_path):
    inverse = make_factory(create_inverse_triples=True)
    return [make(tmp_path / "a", factory=inverse, interaction="ComplEx"), make(tmp_path / "b", LpRotatE)]


@pytest.fixture
def directory(tmp_path, parts):
    trained = combine(parts, "cpu")
    trained.model.part_weights.copy_(torch.rand(4, 2))
    return save_ensemble(trained, tmp_path / "both" / "of them")


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
    with pytest.raises(BundleError, match=r"a part of the ensemble .*deeper, is no run or bundle\. Was it moved"):
        open_trained(shutil.move(moved / "both" / "of them", moved / "deeper"))


def test_explaining(directory):
    """Ranks and scores without modalities are those of the sum; the explorer shows single models."""
    (table,) = explain_directory(directory, triples=[("e1", "r0", "e2")], device="cpu", progress=False).values()
    assert table["modality"].tolist() == ["structural", "visual", "textual"]
    assert (table["score_change"] != 0).all()
    with pytest.raises(ValueError, match=r"Ensemble in of them cannot be explored.*Pass a part of it"):
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
        (lambda x: x.update(weights="1"), "weights are no numbers"),
        (lambda x: x.update(weights=[]), "weights are not those"),
        (lambda x: x.update(weights=[1, 1]), "weights are no numbers"),
        (lambda x: x.update(weights=[["a", 1]]), "weights are no numbers"),
        (lambda x: x.update(weights=["11"] * 4), "weights are no numbers"),
        (lambda x: x.update(weights=[[True, 1]] * 4), "weights are no numbers"),
        (lambda x: x.update(weights=[[1, 1], [1]]), r"ensemble\.json is damaged"),
        (lambda x: x.update(weights=[[1e300, 1]] * 4), "weights must not be negative"),
        (lambda x: x.update(weights=[[1e-300, 0]] * 4), "weights must not be negative, nor all zero"),
        (lambda x: x["parts"][0].update(path="x" * 5000), r"ensemble\.json"),
        (lambda x: x["parts"][0].pop("weights_sha256"), r"ensemble\.json is damaged"),
        (lambda x: x["weights"][2].__setitem__(0, -1), "weights must not be negative"),
        (lambda x: x["weights"].__setitem__(2, [0, 0]), "weights must not be negative, nor all zero"),
        (lambda x: x["weights"].pop(), "weights for 3 relations, but there are 4"),
        (lambda x: x["parts"][0].update(weights_sha256="0"), "has changed since the ensemble .* was made"),
        (lambda x: x["parts"][1].update(path="../../a"), r"ensemble\.json cannot be used: .*two or more different"),
        (lambda x: x["parts"][0].update(path="nowhere"), "a part of the ensemble .*, is no run or bundle"),
    ],
)
def test_damage(directory, change_content, message):
    change(directory, change_content)
    with pytest.raises(BundleError, match=message):
        open_trained(directory)


@pytest.mark.parametrize("reverse", [False, True])
def test_modalities_of_any_part(tmp_path, reverse):
    """Entities are explained by all modalities, whichever part has them."""
    plain = make_factory(dims={"textual": 10})
    parts = [make(tmp_path / "plain", LpRotatE, factory=make_factory(dims={})), make(tmp_path / "a", factory=plain)]
    trained = combine(parts[::-1] if reverse else parts, "cpu")
    assert (
        trained.name == f"Ensemble of {'AdaMF in a, LpRotatE in plain' if reverse else 'LpRotatE in plain, AdaMF in a'}"
    )
    (table,) = explain_directory(save_ensemble(trained, tmp_path / "both"), entities=["e1"], device="cpu").values()
    assert table["modality"].tolist() == ["structural", "textual"]


def test_an_ensemble_is_no_part(directory, parts):
    """Neither of itself, which would never end."""
    change(directory, lambda x: x["parts"][0].update(path="."))
    with pytest.raises(BundleError, match="is no run or bundle"):
        open_trained(directory)
    with pytest.raises(BundleError, match="is an ensemble, and no bundle"):
        combine([directory, *parts])


def test_an_ensemble_is_no_bundle(tmp_path, directory):
    """Whoever saves or loads it as one is told how."""
    with pytest.raises(BundleError, match="is an ensemble, and no bundle: pass its parts, or open it by open_trained"):
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
    shutil.copytree(parts[0], tmp_path / "run" / "bundle")
    twice = [tmp_path / "run", tmp_path / "run" / "bundle"]
    for directories in ([], parts[:1], [*parts, tmp_path / "." / "a"], "ab", twice):
        with pytest.raises(ValueError, match="is made of two or more different runs or bundles, not of"):
            combine(directories)


def test_where_it_is_saved(tmp_path, parts, directory):
    """In a directory of its own; nothing is left of what could not be written."""
    trained = combine(parts, "cpu")
    for part in parts:
        with pytest.raises(ValueError, match=r"has model\.json. Choose a new directory"):
            save_ensemble(trained, part)
    (directory / ".ensemble.json.part").write_text("of a killed process")
    assert save_ensemble(trained, directory) == directory
    assert [x.name for x in directory.iterdir()] == ["ensemble.json"]
    with pytest.raises(ValueError, match=r"ensemble\.json is a file. Choose a new directory"):
        save_ensemble(trained, directory / "ensemble.json")
    with pytest.raises(ValueError, match="AdaMF in a is no ensemble of runs or bundles"):
        save_ensemble(open_trained(parts[0]), tmp_path / "single")
    with no_space(), pytest.raises(OSError, match=r"ensemble\.json"):
        save_ensemble(trained, tmp_path / "new")
    assert not {"single", "new"} & {x.name for x in tmp_path.iterdir()}
    make(directory)
    with pytest.raises(BundleError, match=r"has both an ensemble and a model. Remove ensemble\.json"):
        open_trained(directory)


def test_half_precision(tmp_path, parts):
    """Weights are numbers of single precision, at least, whatever the first part is."""
    factory = make_factory()
    model = AdaMF(triples_factory=factory, interaction="DistMult", embedding_dim=3, random_seed=0).bfloat16()
    trained = combine([save(model, factory, tmp_path / "half"), *parts], "cpu")
    assert trained.model.part_weights.dtype == torch.float32
    other = open_trained(save_ensemble(trained, tmp_path / "three"), "cpu").model
    triples = factory.mapped_triples
    assert torch.equal(other.predict_hrt(triples), trained.model.predict_hrt(triples))
    assert other.predict_hrt(triples).dtype == torch.float32
