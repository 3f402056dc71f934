"""The graph that is part of the package."""

import io
import pickle
import re
import shutil
import socket
import zipfile
from collections import Counter

import pytest
import torch
from PIL import Image
from pykeen.datasets import get_dataset
from safetensors import safe_open

from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.digests import digest_file
from pykeen_adamf.features import ModalityFeatures, read_features, write_features
from pykeen_adamf.triples import MultimodalTriplesFactory

SPLITS = ("training", "testing", "validation")


@pytest.fixture(scope="module")
def dataset():
    """Return the dataset."""
    return EmojiKG(eager=True)


@pytest.fixture(scope="module")
def labeled(dataset):
    """Return the labeled triples of each split."""
    return {
        name: [tuple(triple) for triple in factory.label_triples(factory.mapped_triples).tolist()]
        for name, factory in dataset.factory_dict.items()
    }


@pytest.fixture(scope="module")
def triples(labeled):
    """Return all labeled triples."""
    return [triple for part in labeled.values() for triple in part]


def words(text):
    """Return the words of a text."""
    return set(re.split(r"\W+", text.casefold())) - {""}


def name_of(label):
    return label.partition(":")[2]


# --- triples


def test_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("there is no network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    dataset = get_dataset(dataset="EmojiKG")
    assert isinstance(dataset, EmojiKG)
    assert dataset.training.num_triples > 4000
    assert dataset.characters["emoji:rocket"] == "🚀"
    assert dataset.picture("emoji:rocket")


def test_documented_numbers(dataset, triples):
    assert dataset.docdata("statistics") == {
        "entities": dataset.num_entities,
        "relations": dataset.num_relations,
        **{name: dataset.factory_dict[name].num_triples for name in SPLITS},
        "triples": len(triples),
    }


def test_every_entity_and_relation_is_in_training(dataset, labeled):
    assert {entity for head, _, tail in labeled["training"] for entity in (head, tail)} == set(dataset.entity_to_id)
    assert {relation for _, relation, _ in labeled["training"]} == set(dataset.relation_to_id)


def test_each_triple_is_in_one_split(triples):
    assert len(set(triples)) == len(triples)


def test_triple_and_reverse_are_in_one_split(labeled):
    part_of = {triple: name for name, part in labeled.items() for triple in part}
    symmetric = [(h, r, t) for h, r, t in part_of if (t, r, h) in part_of]
    assert {relation for _, relation, _ in symmetric} == {"gender_counterpart"}
    assert len(symmetric) == sum(relation == "gender_counterpart" for _, relation, _ in part_of)
    assert all(part_of[h, r, t] == part_of[t, r, h] for h, r, t in symmetric)
    assert {part_of[triple] for triple in symmetric} == set(SPLITS)


def test_shares_of_splits(labeled, triples):
    """Of all triples, and of each of the relations for which there are enough."""
    for relation, tolerance in ((None, 0.005), ("has_keyword", 0.005), ("in_subgroup", 0.005), ("composed_of", 0.02)):
        counts = {
            name: sum(relation in (None, triple[1]) for triple in part) / sum(relation in (None, t[1]) for t in triples)
            for name, part in labeled.items()
        }
        assert counts == pytest.approx({"training": 0.8, "testing": 0.1, "validation": 0.1}, abs=tolerance)


def test_keywords_are_shared(triples):
    counts = Counter(tail for _, relation, tail in triples if relation == "has_keyword")
    assert min(counts.values()) == 3
    assert all(label.startswith("keyword:") for label in counts)


def test_no_answer_is_in_the_name(triples):
    """Neither keywords nor parts can be copied from the text of the emoji."""
    checked = [triple for triple in triples if triple[1] in {"has_keyword", "composed_of"}]
    assert len(checked) > 3000
    assert not [triple for triple in checked if words(name_of(triple[2])) <= words(name_of(triple[0]))]


def test_kinds_of_entities(triples):
    kinds = {
        "has_keyword": ("emoji", "keyword"),
        "in_subgroup": ("emoji", "subgroup"),
        "in_group": ("subgroup", "group"),
        "composed_of": ("emoji", "emoji"),
        "gender_counterpart": ("emoji", "emoji"),
    }
    assert all((h.partition(":")[0], t.partition(":")[0]) == kinds[r] for h, r, t in triples)
    # each emoji is in exactly one subgroup, and each subgroup in one group
    for relation in ("in_subgroup", "in_group"):
        heads = [head for head, name, _ in triples if name == relation]
        assert len(set(heads)) == len(heads)


def test_inverse_triples():
    one, two = EmojiKG(), EmojiKG(create_inverse_triples=True)
    assert (one.training.num_relations, two.training.num_relations) == (5, 10)
    assert not two.testing.create_inverse_triples
    assert torch.equal(one.testing.mapped_triples, two.testing.mapped_triples)
    assert two.training.features == one.training.features


# --- features


def test_coverage(dataset):
    """All have a text; emoji, and nothing else, have an image."""
    emoji = torch.tensor([label.startswith("emoji:") for label in dataset.entity_to_id])
    features = dataset.training.features
    assert torch.equal(features["visual"].presence, emoji)
    assert features["textual"].presence.all()
    assert set(dataset.characters) == {label for label in dataset.entity_to_id if label.startswith("emoji:")}


@pytest.mark.parametrize(
    ("name", "dim", "encoder", "expected"),
    [
        ("visual", 128, "descriptor", {"pca_source_dim": "2212", "pca_dim": "128"}),
        ("textual", 384, "sentence-transformers", {"device": "cpu"}),
    ],
)
def test_feature_files(name, dim, encoder, expected):
    """Half precision, no unusable values, and a header that says where they come from."""
    with safe_open(EmojiKG.directory / f"{name}.safetensors", framework="pt") as file:
        metadata = file.metadata()
        matrix, presence = file.get_tensor("features"), file.get_tensor("presence")
    assert matrix.dtype == torch.float16
    assert matrix.shape == (len(presence), dim)
    assert presence.dtype == torch.bool
    assert presence.all()
    assert matrix.isfinite().all()
    # next to all of the columns say something, and rows differ, except for entities with equal texts
    assert (matrix.float().var(dim=0) > 0).sum() > 0.99 * dim
    assert len(matrix.unique(dim=0)) > 0.95 * len(matrix)
    assert metadata.items() >= {"encoder": encoder, "modality": name, **expected}.items()
    assert metadata["versions"]
    assert metadata["preprocessing"]


def test_features_keep_their_type(dataset):
    assert {name: features.matrix.dtype for name, features in dataset.training.features.items()} == {
        "visual": torch.float16,
        "textual": torch.float16,
    }


@pytest.mark.parametrize("modalities", [["visual"], ("textual",), {"visual", "textual"}, []])
def test_modalities(modalities):
    dataset = EmojiKG(modalities=modalities)
    assert set(dataset.training.features) == set(modalities)
    assert dataset.training.num_triples == 4069


@pytest.mark.parametrize("modalities", ["visual", ["visual", "audio"], ["Visual"]])
def test_unknown_modalities(modalities):
    with pytest.raises(ValueError, match=re.escape(f"['visual', 'textual'], but is {modalities!r}")):
        EmojiKG(modalities=modalities)


def test_nothing_is_cached(pykeen_datasets, tmp_path, monkeypatch):
    """Other data, and other arguments, never give what an earlier call has given."""
    for modalities in (["visual"], ["textual"], ["visual"]):
        dataset = get_dataset(dataset="emojikg", dataset_kwargs=dict(modalities=modalities))
        assert list(dataset.training.features) == modalities
    assert not list(pykeen_datasets.rglob("*"))
    before = get_dataset(dataset="emojikg").training.features["visual"]
    shutil.copytree(EmojiKG.directory, tmp_path / "copy")
    monkeypatch.setattr(EmojiKG, "directory", tmp_path / "copy")
    path = tmp_path / "copy" / "visual.safetensors"
    old = read_features(path)
    write_features(path, ModalityFeatures.from_matrix(old.matrix + 1, old.labels))
    after = get_dataset(dataset="emojikg").training.features["visual"]
    assert torch.equal(after.matrix[after.presence], before.matrix[before.presence] + 1)


def test_features_survive(dataset, tmp_path):
    """Saving, pickling, and restricting keep them."""
    dataset.to_directory_binary(tmp_path / "saved")
    assert EmojiKG.from_directory_binary(tmp_path / "saved").training.features == dataset.training.features
    # as PyKEEN's own, factories cannot be pickled once they have labeled triples
    unpickled = pickle.loads(pickle.dumps(EmojiKG(eager=True)))
    assert isinstance(unpickled, EmojiKG)
    assert unpickled.training.features == dataset.training.features
    assert unpickled.picture("emoji:rocket") == dataset.picture("emoji:rocket")
    restricted = dataset.restrict(relations=["gender_counterpart"])
    assert isinstance(restricted.training, MultimodalTriplesFactory)
    assert 0 < restricted.num_entities < 200
    for name, features in restricted.training.features.items():
        rows = [dataset.entity_to_id[label] for label in restricted.entity_to_id]
        assert torch.equal(features.matrix, dataset.training.features[name].matrix[rows])
        assert features.presence.all()


# --- pictures, characters, provenance


def test_pictures(dataset):
    """Every emoji has a picture of its own, in the size that is documented."""
    names = {label: dataset.picture_name(label) for label in dataset.characters}
    with zipfile.ZipFile(dataset.directory / "pictures.zip") as archive:
        assert sorted(archive.namelist()) == sorted(names.values())
        contents = {label: archive.read(name) for label, name in names.items()}
    for content in contents.values():
        picture = Image.open(io.BytesIO(content))
        picture.load()
        assert (picture.format, picture.size) == ("WEBP", (40, 40))
    assert len(set(contents.values())) > 0.98 * len(contents)
    for label in ("emoji:rocket", "emoji:red heart", "emoji:woman astronaut"):
        assert dataset.picture(label) == contents[label]


def test_pictures_show_what_they_should(dataset):
    """A red heart is red in the middle, and transparent in the corners."""
    for label, channel in (("emoji:red heart", 0), ("emoji:green circle", 1), ("emoji:blue circle", 2)):
        picture = Image.open(io.BytesIO(dataset.picture(label))).convert("RGBA")
        middle = picture.getpixel((20, 20))
        assert max(range(3), key=middle.__getitem__) == channel
        assert middle[3] == 255
        assert picture.getpixel((0, 39))[3] == 0


@pytest.mark.parametrize("label", ["keyword:money", "subgroup:zodiac", "emoji:nothing", ""])
def test_no_picture(dataset, label):
    with pytest.raises(KeyError):
        dataset.picture(label)


def test_characters(dataset):
    assert dataset.characters["emoji:rocket"] == "\N{ROCKET}"
    assert dataset.characters["emoji:woman astronaut"] == "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}"
    assert len(set(dataset.characters.values())) == len(dataset.characters)


def test_provenance(dataset, triples):
    """It describes the very files that are there."""
    data = dataset.provenance
    files = {path.name for path in dataset.directory.iterdir() if path.suffix in {".tsv", ".zip", ".safetensors"}}
    assert set(data["sha256"]) == files
    assert data["sha256"] == {name: digest_file(dataset.directory / name) for name in files}
    assert data["entities"] == dataset.num_entities
    assert data["relations"] == Counter(relation for _, relation, _ in triples)
    assert data["split"] == {
        "seed": 0,
        "train": dataset.training.num_triples,
        "valid": dataset.validation.num_triples,
        "test": dataset.testing.num_triples,
    }


def test_licenses(dataset):
    """Each package's, and that of the pictures."""
    phrases = {"MIT": "Permission is hereby granted, free of charge", "Unicode-3.0": "UNICODE LICENSE V3"}
    for package in dataset.provenance["packages"]:
        text = (dataset.directory / f"LICENSE-{package['name']}.txt").read_text(encoding="utf-8")
        assert phrases[package["license"].split(" ")[0]] in text
    apache = (dataset.directory / "LICENSE-pictures.txt").read_text(encoding="utf-8")
    assert "Apache License" in apache
    assert "Version 2.0, January 2004" in apache
