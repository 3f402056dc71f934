"""Every reason not to write or read a bundle is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pykeen.losses import MarginRankingLoss, MSELoss
from pykeen.models import TransE
from pykeen.regularizers import LpRegularizer

from pykeen_adamf.bundle import BundleError, load, save
from pykeen_adamf.bundle.layout import FORMAT_VERSION
from pykeen_adamf.models import GCOTE, AdaMFRotatE, LpRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory, without_features

from ..cases import make_factory
from .cases import make_factory_of_files, make_model

CITATION = """A class of somebody's.

---
citation:
    author: Somebody
    year: 2024
    link: https://example.org
"""


# --- saving


class OwnModel(AdaMFRotatE):
    __doc__ = CITATION


class OwnLoss(MSELoss):
    __doc__ = CITATION


class OwnRegularizer(LpRegularizer):
    __doc__ = CITATION


def activated(loss: MarginRankingLoss) -> MarginRankingLoss:
    loss.margin_activation = torch.nn.Tanh()
    return loss


@pytest.mark.parametrize(
    ("cls", "kwargs", "message"),
    [
        (OwnModel, {}, r"PyKEEN does not know OwnModel by name. Register it with pykeen.models.model_resolver"),
        (AdaMFRotatE, dict(loss=OwnLoss()), "The loss is a OwnLoss, which PyKEEN does not know by name"),
        (AdaMFRotatE, dict(loss=activated(MarginRankingLoss())), "of which the arguments cannot be told"),
        (
            *(AdaMFRotatE, dict(regularizer=OwnRegularizer())),
            "The argument regularizer of AdaMFRotatE is a OwnRegularizer, which PyKEEN does not know",
        ),
        (AdaMFRotatE, dict(modalities={"visual", "textual"}), "argument modalities of AdaMFRotatE is a set"),
        (LpRotatE, dict(regularizer="lp", regularizer_kwargs=dict(weight=torch.ones(2))), "regularizer_kwargs"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_cannot_be_described(tmp_path, cls, kwargs, message):
    factory = make_factory()
    with pytest.raises(BundleError, match=message):
        save(make_model(cls, factory, **kwargs), factory, tmp_path / "bundle")
    assert not list((tmp_path / "bundle").iterdir())


def test_another_graph(tmp_path):
    factory = make_factory()
    model = make_model(GCOTE, factory)
    other = factory.clone_and_exchange_triples(factory.mapped_triples[1:])
    with pytest.raises(BundleError, match="other triples than the model's graph"):
        save(model, other, tmp_path / "bundle")


def test_models_of_others(tmp_path):
    factory = without_features(make_factory())
    with pytest.raises(BundleError, match=r"Only models of pykeen-adamf .* but this is a TransE"):
        save(TransE(triples_factory=factory, random_seed=0), factory, tmp_path)


def test_models_of_earlier_versions(tmp_path):
    """They do not know what they were created with."""
    model = make_model()
    del model.__dict__["creation_kwargs"]
    with pytest.raises(BundleError, match="does not know the arguments that it was created with"):
        save(model, make_factory(), tmp_path)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (make_factory(num_entities=21), "num_entities=20, but the triples factory num_entities=21"),
        (make_factory(create_inverse_triples=True), "num_relations=4, but the triples factory num_relations=8"),
        (make_factory(seed=1), "not the features of the model's entity_representations.0.bases.visual"),
        (without_features(make_factory()), "not the features of the model's entity_representations.0.bases.visual"),
    ],
)
def test_another_factory(tmp_path, factory, message):
    with pytest.raises(BundleError, match=message):
        save(make_model(), factory, tmp_path)


def test_unknown_storage(tmp_path):
    with pytest.raises(BundleError, match="features must be 'copy' or 'reference'"):
        save(make_model(), make_factory(), tmp_path, features="link")


def test_references_to_nothing(tmp_path):
    factory = make_factory()
    with pytest.raises(BundleError, match=r"visual features do not come from a file\. Save with features='copy'"):
        save(make_model(factory=factory), factory, tmp_path, features="reference")


def replace_file(factory: MultimodalTriplesFactory, path: Path) -> MultimodalTriplesFactory:
    torch.save({label: torch.rand(12) for label in factory.entity_to_id}, path)
    return factory


def remove_file(factory: MultimodalTriplesFactory, path: Path) -> MultimodalTriplesFactory:
    path.unlink()
    return factory


def relabel(factory: MultimodalTriplesFactory, path: Path) -> MultimodalTriplesFactory:
    labels = {f"another {label}": i for label, i in factory.entity_to_id.items()}
    return factory.with_labels(labels, factory.relation_to_id)


@pytest.mark.parametrize(
    ("change", "message"),
    [(replace_file, "no longer those of"), (remove_file, "does not exist"), (relabel, "no longer those of")],
)
def test_references_to_something_else(tmp_path, change, message):
    factory = change(make_factory_of_files(tmp_path), tmp_path / "visual.pth")
    with pytest.raises(BundleError, match=message):
        save(make_model(factory=factory), factory, tmp_path / "bundle", features="reference")


# --- loading


@pytest.fixture
def bundle(tmp_path) -> Path:
    factory = make_factory()
    return save(make_model(factory=factory), factory, tmp_path / "bundle")


def change_configuration(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    configuration = json.loads((bundle / "model.json").read_text())
    change(configuration)
    (bundle / "model.json").write_text(json.dumps(configuration))


@pytest.mark.parametrize("name", ["nothing", "results.json"])
def test_no_bundle(tmp_path, name):
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(BundleError, match=r"has no model\.json, i\.e\., is neither a bundle nor"):
        load(tmp_path / name)


def test_folder_of_a_run(bundle):
    """It is read as its bundle, if it has one."""
    assert load(bundle.parent).configuration == load(bundle).configuration
    (bundle.parent / "effective.json").write_text("{}")
    (bundle / "model.json").unlink()
    with pytest.raises(BundleError, match=r"is the folder of a run that has no bundle\. Repeat its command"):
        load(bundle.parent)


NEEDED = [
    "model.json",
    "model.safetensors",
    *(
        f"training_triples/{name}"
        for name in (
            *("numeric_triples.tsv.gz", "entity_to_id.tsv.gz", "relation_to_id.tsv.gz"),
            *("features-visual.safetensors", "features-textual.safetensors"),
        )
    ),
]


@pytest.mark.parametrize("name", NEEDED)
def test_missing_files(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=name):
        load(bundle)


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("damage", ["truncated", "empty", "changed"])
def test_damaged_files(bundle, name, damage):
    content = bytearray((bundle / name).read_bytes())
    if damage == "changed":
        content[-20] ^= 0xFF
    (bundle / name).write_bytes({"truncated": content[:-9], "empty": b"", "changed": content}[damage])
    with pytest.raises(BundleError, match=r"damaged|changed|does not belong|has not the|cannot be read"):
        load(bundle)


@pytest.mark.parametrize("name", NEEDED)
def test_files_of_another_bundle(bundle, tmp_path, name):
    """Even if they are of a model for the same triples."""
    factory = make_factory(seed=1)
    other = save(make_model(factory=factory, random_seed=1), factory, tmp_path / "other")
    if (bundle / name).read_bytes() != (other / name).read_bytes():
        (bundle / name).write_bytes((other / name).read_bytes())
        if "_to_id" not in name:
            with pytest.raises(BundleError):
                load(bundle)


def test_exchanged_labels(bundle):
    """The same labels, but with other IDs."""
    entity_to_id = {f"e{i}": 19 - i for i in range(20)}
    path = bundle / "training_triples"
    factory = MultimodalTriplesFactory(make_factory().mapped_triples, entity_to_id, {"r0": 0, "r1": 3}, features={})
    factory.to_path_binary(path)
    with pytest.raises(BundleError, match=r"labels or their IDs in .* have changed"):
        load(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.update(format="something"), "does not describe a model of pykeen-adamf"),
        (
            lambda x: (x.update(format_version=FORMAT_VERSION + 1), x["versions"].update({"pykeen-adamf": "9.9"})),
            f"format version {FORMAT_VERSION + 1}, .* reads {FORMAT_VERSION}. It was written by pykeen-adamf 9.9",
        ),
        (lambda x: x.pop("format_version"), "format version None"),
        (
            lambda x: (x.update(model="adamfcomplex"), x["versions"].update({"pykeen-adamf": "9.9"})),
            "no model of pykeen-adamf named 'adamfcomplex' here. It was written by pykeen-adamf 9.9",
        ),
        (lambda x: x["model_kwargs"].update(novelty=1), "AdaMFRotatE cannot be created .* 'novelty'"),
        (lambda x: x["model_kwargs"].update(missing="guess"), "missing must be one of"),
        (lambda x: x["model_kwargs"].update(modalities=["audio"]), "modalities must be some of"),
        (lambda x: x["model_kwargs"].update(compute_dtype={"$dtype": "float1"}), "no data type 'float1'"),
        (lambda x: x["model_kwargs"].update(compute_dtype={"$dtype": "load"}), "no data type 'load'"),
        (lambda x: x["model_kwargs"].update(embedding_dim=5), "does not fit the model"),
        (lambda x: x["model_kwargs"].update(p=2.0), "does not score as it did"),
        (lambda x: x["loss"]["kwargs"].update(margin=1.0), "does not score as it did"),
        (lambda x: x["loss"].update(name="magic"), "no loss named 'magic' here"),
        (lambda x: x["loss"]["kwargs"].update(magic=1), "NSSALoss does not take these arguments"),
        (lambda x: x.pop("loss"), "damaged: its 'loss' is missing, or no dict"),
        (lambda x: x.update(triples=[]), "damaged"),
        (lambda x: x.update(model_kwargs=3), "damaged"),
        (lambda x: x["tables_of_features"].update(loss="float32"), "damaged"),
        (lambda x: x["triples"].update(kind="magic"), "damaged"),
        (lambda x: x["triples"]["features"][0].update(name="../visual"), "damaged|cannot be the name"),
        (lambda x: x["triples"].update(features=[]), "modalities|needs features|no features"),
    ],
)
def test_other_configurations(bundle, change, message):
    change_configuration(bundle, change)
    with pytest.raises(BundleError, match=message):
        load(bundle)


@pytest.mark.parametrize("content", ["", "[]", "3", "null", "{", '{"format": 1}', "\udcff"])
def test_other_contents(bundle, content):
    (bundle / "model.json").write_text(content, errors="surrogateescape")
    with pytest.raises(BundleError, match=r"model\.json"):
        load(bundle)


@pytest.mark.parametrize("stored", ["copy", "reference"])
def test_given_features(tmp_path, stored):
    factory = make_factory_of_files(tmp_path)
    bundle = save(make_model(factory=factory), factory, tmp_path / "bundle", features=stored)
    with pytest.raises(BundleError, match=r"no modalities \['audio'\] in the bundle, but \['visual', 'textual'\]"):
        load(bundle, features={"audio": torch.rand(20, 3)})
    with pytest.raises(BundleError, match="the given Tensor has not the visual features"):
        load(bundle, features={"visual": torch.rand(20, 12)})
    with pytest.raises(BundleError, match="The visual features of the bundle cannot be read"):
        load(bundle, features={"visual": torch.rand(19, 12)})
    with pytest.raises(BundleError, match=r"textual\.npy has not the visual features"):
        load(bundle, features={"visual": tmp_path / "textual.npy"})


def test_changed_references(tmp_path):
    factory = make_factory_of_files(tmp_path)
    bundle = save(make_model(factory=factory), factory, tmp_path / "bundle", features="reference")
    replace_file(factory, tmp_path / "visual.pth")
    with pytest.raises(BundleError, match=r"visual\.pth has not the visual features .* If the file was moved, pass"):
        load(bundle)
