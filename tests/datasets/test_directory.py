"""Benchmarks read from a directory."""

import logging
from pathlib import Path

import numpy
import pytest
import torch

from pykeen_adamf.constants import DATA_ENVIRONMENT_VARIABLE, TEXTUAL, VISUAL
from pykeen_adamf.datasets import DB15K, MKGW, DatasetFormatError, DownloadError
from pykeen_adamf.datasets.published import BENCHMARKS
from pykeen_adamf.features import FEATURE_SUFFIXES, FeatureError, ModalityFeatures
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..features.cases import BY_LABEL, BY_ROW, save, suffix_of
from .cases import (
    ENTITIES,
    RELATIONS,
    TEST,
    TRAIN,
    VALID,
    in_pykeens_order,
    listing,
    make_matrix,
    write_benchmark,
)


def factories(dataset):
    return dataset.training, dataset.testing, dataset.validation


# --- triples


def test_ids_and_triples_are_those_of_the_files(dataset_cls, directory):
    dataset = dataset_cls(directory=directory)
    assert dataset.entity_to_id == {label: i for i, label in enumerate(ENTITIES)}
    assert dataset.relation_to_id == {label: i for i, label in enumerate(RELATIONS)}
    for factory, lines in zip(factories(dataset), (TRAIN, TEST, VALID), strict=True):
        assert isinstance(factory, MultimodalTriplesFactory)
        assert factory.mapped_triples.tolist() == in_pykeens_order(lines)
        assert factory.entity_to_id == dataset.entity_to_id
        assert factory.num_entities == 12
        assert factory.num_relations == 3
        assert not factory.create_inverse_triples


def test_numbers_decide_and_not_the_order_of_lines(tmp_path):
    """A line may be anywhere in the file; rows of features follow the numbers."""
    shuffled = {label: (5 * i + 3) % 12 for i, label in enumerate(ENTITIES)}
    matrix = make_matrix()
    dataset = DB15K(write_benchmark(tmp_path / "x", entities=shuffled), features={"visual": matrix})
    assert dataset.entity_to_id == shuffled
    features = dataset.training.features["visual"]
    assert torch.equal(features.matrix, matrix)
    assert features.labels == tuple(sorted(shuffled, key=shuffled.__getitem__))


@pytest.mark.parametrize("kind", [str, Path])
def test_kinds_of_paths(directory, kind):
    assert DB15K(directory=kind(directory)).num_entities == 12


def test_nothing_is_written_to_the_directory(dataset_cls, directory):
    before = listing(directory)
    dataset_cls(directory=directory, eager=True)
    assert listing(directory) == before


def test_loading_is_lazy(directory):
    (directory / "train2id.txt").unlink()
    dataset = DB15K(directory=directory)
    with pytest.raises(DatasetFormatError, match="does not exist"):
        assert dataset.training
    with pytest.raises(DatasetFormatError, match="does not exist"):
        DB15K(directory=directory, eager=True)


def test_evaluation_may_have_no_triples(tmp_path):
    dataset = MKGW(write_benchmark(tmp_path / "x", valid=[], test=[]))
    assert dataset.validation.num_triples == dataset.testing.num_triples == 0
    assert dataset.training.num_triples == len(TRAIN)


@pytest.mark.parametrize("validation", ["published", "holdout"])
def test_create_inverse_triples(directory, validation):
    """For training only, as PyKEEN expects it."""
    dataset = DB15K(directory=directory, create_inverse_triples=True, validation=validation)
    plain = DB15K(directory=directory, validation=validation)
    assert dataset.create_inverse_triples
    assert dataset.training.num_relations == 6
    assert [factory.create_inverse_triples for factory in factories(dataset)] == [True, False, False]
    assert [factory.real_num_relations for factory in factories(dataset)] == [3, 3, 3]
    for one, other in zip(factories(dataset), factories(plain), strict=True):
        assert torch.equal(one.mapped_triples, other.mapped_triples)
        assert one.features == other.features


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": "none"}, "validation must be 'published' or 'holdout', but is 'none'"),
        ({"features": "visual"}, "features must be 'published', names, or a mapping, but is 'visual'"),
    ],
    ids=str,
)
def test_unknown_options(directory, options, message):
    with pytest.raises(ValueError, match=message):
        DB15K(directory=directory, **options)


def test_directory_does_not_exist(dataset_cls, tmp_path):
    with pytest.raises(DatasetFormatError, match=rf"nowhere of {dataset_cls.benchmark_name} does not exist"):
        dataset_cls(directory=tmp_path / "nowhere")


# --- the environment variable


def test_environment_variable(dataset_cls, tmp_path, monkeypatch):
    write_benchmark(tmp_path / dataset_cls.benchmark_name)
    monkeypatch.setenv(DATA_ENVIRONMENT_VARIABLE, str(tmp_path))
    dataset = dataset_cls()
    assert dataset.directory == tmp_path / dataset_cls.benchmark_name
    assert dataset.training.num_triples == len(TRAIN)


def test_environment_variable_is_not_for_other_benchmarks(tmp_path, monkeypatch):
    write_benchmark(tmp_path / "MKG-W")
    monkeypatch.setenv(DATA_ENVIRONMENT_VARIABLE, str(tmp_path))
    dataset = DB15K(cache_root=tmp_path / "cache")
    assert dataset.directory is None
    with pytest.raises(DownloadError):
        assert dataset.training


def test_directory_goes_before_the_environment_variable(tmp_path, directory, monkeypatch):
    write_benchmark(tmp_path / "DB15K", train=TRAIN[:5])
    monkeypatch.setenv(DATA_ENVIRONMENT_VARIABLE, str(tmp_path))
    assert DB15K(directory=directory).training.num_triples == len(TRAIN)


@pytest.mark.parametrize("value", ["", "/nonexistent"])
def test_environment_variable_without_a_use(tmp_path, monkeypatch, value):
    monkeypatch.setenv(DATA_ENVIRONMENT_VARIABLE, value)
    assert DB15K(cache_root=tmp_path).directory is None


# --- features


def test_published_features_that_are_not_there_are_missing(dataset_cls, directory, caplog):
    """Each with a warning that names it, and as dimension that of the published file."""
    dataset = dataset_cls(directory=directory)
    with caplog.at_level(logging.WARNING, logger="pykeen_adamf"):
        features = dataset.training.features
    assert list(features) == [VISUAL, TEXTUAL]
    name = dataset_cls.benchmark_name
    for modality in features:
        assert features[modality].num_present == 0
        assert features[modality].labels == ENTITIES
        assert features[modality].dim == BENCHMARKS[name].features[modality].dim
        warnings = [record.getMessage() for record in caplog.records if f"no {modality} features" in record.message]
        assert warnings == [
            f"{name} has no {modality} features in {directory}: the modality is missing for every entity."
        ]


def test_missing_features_take_no_memory(directory):
    features = DB15K(directory=directory).training.features["visual"]
    assert features.matrix.shape == (12, 4096)
    assert features.matrix.untyped_storage().nbytes() == 4096 * 4


@pytest.mark.parametrize("named", [True, False], ids=["with the benchmark's name", "without"])
@pytest.mark.parametrize("suffix", FEATURE_SUFFIXES)
def test_published_features_are_found(dataset_cls, directory, suffix, named, caplog):
    """In every format, and under two names."""
    way = next(way for way in [*BY_ROW, *BY_LABEL] if suffix_of(way) == suffix)
    features = ModalityFeatures.from_matrix(make_matrix(), ENTITIES, source="test")
    name = f"{dataset_cls.benchmark_name}-visual" if named else "visual"
    path = save(way, directory, features).rename(directory / f"{name}{suffix}")
    training = dataset_cls(directory=directory).training
    assert list(training.features) == [VISUAL, TEXTUAL]
    assert training.features[VISUAL] == features
    assert training.features[VISUAL].source == str(path)
    assert training.features[TEXTUAL].num_present == 0
    assert "no visual features" not in caplog.text
    assert caplog.text.count("no textual features") == 1


@pytest.mark.parametrize("way", BY_LABEL)
def test_files_with_labels(directory, way):
    """Their rows can come in any order, and some may not be there."""
    features = ModalityFeatures.from_matrix(make_matrix(), ENTITIES).align(ENTITIES[9:2:-1], unknown="ignore")
    path = save(way, directory, features)
    path.rename(directory / f"textual{path.suffix}")
    loaded = DB15K(directory=directory, features=["textual"]).training.features["textual"]
    assert loaded.labels == ENTITIES
    assert loaded.presence.tolist() == [2 < i < 10 for i in range(12)]
    assert torch.equal(loaded.matrix[3:10], make_matrix()[3:10])


@pytest.mark.parametrize("names", [["textual"], ["textual", "visual"], ("name", "visual"), ["name"], []], ids=str)
def test_names_of_features(directory, names):
    """Only those, and in that order; any file can be a modality."""
    matrices = {name: make_matrix(seed=i) for i, name in enumerate(["visual", "textual", "name"])}
    for name, matrix in matrices.items():
        numpy.save(directory / f"{name}.npy", matrix.numpy())
    features = DB15K(directory=directory, features=names).training.features
    assert list(features) == list(names)
    for name in names:
        assert torch.equal(features[name].matrix, matrices[name])


def test_named_features_must_be_there(dataset_cls, directory):
    numpy.save(directory / "visual.npy", make_matrix().numpy())
    dataset = dataset_cls(directory=directory, features=["visual", "textual"])
    name = dataset_cls.benchmark_name
    with pytest.raises(FeatureError, match=f"{name} has no textual features in .*{name}-textual.pth") as info:
        assert dataset.training
    for part in (str(directory), "Put a file", "features={'textual': PATH}"):
        assert part in str(info.value)


@pytest.mark.parametrize("kind", ["path", "str", "tensor", "array", "features"])
def test_mapping_of_features(directory, kind):
    """Exactly those, whatever files are in the directory."""
    numpy.save(directory / "visual.npy", make_matrix(seed=1).numpy())
    numpy.save(directory / "other.npy", make_matrix(seed=2).numpy())
    source = {
        "path": directory / "other.npy",
        "str": str(directory / "other.npy"),
        "tensor": make_matrix(seed=2),
        "array": make_matrix(seed=2).numpy(),
        "features": ModalityFeatures.from_matrix(make_matrix(seed=2).flip(0), ENTITIES[::-1]),
    }[kind]
    dataset = DB15K(directory=directory, features={"visual": source})
    for factory in factories(dataset):
        assert list(factory.features) == ["visual"]
        assert torch.equal(factory.features["visual"].matrix, make_matrix(seed=2))


def test_order_of_a_mapping_is_kept(directory):
    names = ["z", "visual", "a", "textual"]
    assert list(DB15K(directory=directory, features={name: make_matrix() for name in names}).training.features) == names


def test_splits_share_features(directory):
    dataset = DB15K(directory=directory, features={"visual": make_matrix()})
    for factory in factories(dataset):
        assert factory.features["visual"] is dataset.training.features["visual"]


@pytest.mark.parametrize("features", [[], {}, ()], ids=repr)
def test_no_modalities(directory, features):
    """That is a dataset like any other, but AdaMF has nothing to fuse, and says so."""
    dataset = DB15K(directory=directory, features=features)
    assert dataset.training.features == {}
    with pytest.raises(ValueError, match=r"has no features|no modalit"):
        AdaMFRotatE(triples_factory=dataset.training, embedding_dim=2)


def test_unknown_labels(directory):
    features = ModalityFeatures.from_matrix(torch.ones(2, 3), ["nobody", "Q42"])
    with pytest.raises(FeatureError, match=r"rows for 'nobody'.*unknown_labels='ignore'"):
        assert DB15K(directory=directory, features={"visual": features}).training
    training = DB15K(directory=directory, features={"visual": features}, unknown_labels="ignore").training
    assert training.features["visual"].num_present == 1
