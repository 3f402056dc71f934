"""Reading features from files: all formats, all ways to say whose row it is."""

import tempfile
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import assume, given

from pykeen_adamf.features import (
    FEATURE_SUFFIXES,
    FeatureError,
    ModalityFeatures,
    as_features,
    read_features,
    write_features,
)
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

from .cases import (
    BY_LABEL,
    BY_ROW,
    LABELS,
    TEXT,
    make_features,
    matrix_with_nan,
    modality_features,
    relaxed,
    save,
    suffix_of,
)


@pytest.mark.parametrize("missing", [[], [0], [1, 4], [6]], ids=str)
@pytest.mark.parametrize("way", BY_ROW)
def test_rows_in_the_order_of_entities(tmp_path, way, missing):
    features = make_features(missing=missing)
    loaded = read_features(save(way, tmp_path, features), labels=LABELS)
    assert loaded == features
    assert loaded.matrix.dtype == features.matrix.dtype
    assert not loaded.matrix.requires_grad


@pytest.mark.parametrize("missing", [[], [0], [1, 4], [6]], ids=str)
@pytest.mark.parametrize("way", BY_LABEL)
def test_rows_with_labels(tmp_path, way, missing):
    """The order of the given labels does not matter if the file has its own."""
    features = make_features(missing=missing)
    loaded = read_features(save(way, tmp_path, features), labels=LABELS[::-1])
    assert loaded.align(LABELS) == features


@pytest.mark.parametrize("way", [way for way in BY_LABEL if not way.startswith(".h5")])
def test_labels_of_the_file_suffice(tmp_path, way):
    features = make_features(missing=[2])
    assert read_features(save(way, tmp_path, features)).align(LABELS) == features


@pytest.mark.parametrize("way", BY_LABEL)
def test_entities_without_a_row_are_missing(tmp_path, way):
    features = make_features(LABELS[:4])
    loaded = read_features(save(way, tmp_path, features), labels=LABELS).align(LABELS)
    assert loaded.presence.tolist() == [True] * 4 + [False] * 3
    assert torch.equal(loaded.matrix[:4], features.matrix)


@pytest.mark.parametrize("way", BY_LABEL)
def test_rows_of_unknown_entities_are_found_out(tmp_path, way):
    path = save(way, tmp_path, make_features())
    others = [label for label in LABELS if label != "NA"]
    with pytest.raises(FeatureError) as info:
        read_features(path, labels=others).align(others)
    for part in (str(path), "rows for 'NA'", "unknown_labels='ignore'"):
        assert part in str(info.value)
    assert read_features(path, labels=others).align(others, unknown="ignore") == make_features().align(
        others, unknown="ignore"
    )


@pytest.mark.parametrize(
    ("way", "dtype"),
    [
        *((way, torch.float32) for way in [*BY_ROW, *BY_LABEL]),
        *((way, torch.float64) for way in [*BY_ROW, *BY_LABEL] if suffix_of(way) not in TEXT),
        *((way, torch.float16) for way in [*BY_ROW, *BY_LABEL] if suffix_of(way) not in {*TEXT, ".parquet"}),
        # NumPy and HDF5 have no such data type
        *((way, torch.bfloat16) for way in [*BY_ROW, *BY_LABEL] if suffix_of(way) in {".pth", ".pt", ".safetensors"}),
    ],
)
def test_data_type_is_kept(tmp_path, way, dtype):
    features = make_features(missing=[3], dtype=dtype)
    loaded = read_features(save(way, tmp_path, features), labels=LABELS).align(LABELS)
    assert loaded.matrix.dtype == dtype
    assert loaded == features


@pytest.mark.parametrize("way", BY_ROW)
def test_rows_need_labels(tmp_path, way):
    path = save(way, tmp_path, make_features())
    with pytest.raises(FeatureError, match=r"has no labels\. Pass the labels") as info:
        read_features(path)
    assert str(path) in str(info.value)


@pytest.mark.parametrize("way", BY_ROW)
def test_wrong_number_of_rows(tmp_path, way):
    path = save(way, tmp_path, make_features())
    with pytest.raises(FeatureError, match=r"has 7 rows, but there are 6 entities.*exactly one row") as info:
        read_features(path, labels=LABELS[:6])
    assert str(path) in str(info.value)


def test_every_suffix_has_a_test():
    assert {suffix_of(way) for way in [*BY_ROW, *BY_LABEL]} == set(FEATURE_SUFFIXES)


def test_suffix_in_capital_letters(tmp_path):
    features = make_features()
    path = save(".npy: array", tmp_path, features).rename(tmp_path / "FEATURES.NPY")
    assert read_features(path, LABELS) == features


@pytest.mark.parametrize("kind", [str, Path])
def test_source_is_the_path(tmp_path, kind):
    path = save(".npy: array", tmp_path, make_features())
    assert read_features(kind(path), LABELS).source == str(path)


def test_presence_may_be_a_list(tmp_path):
    path = tmp_path / "features.pt"
    torch.save({"features": torch.ones(2, 3), "presence": [True, False]}, path)
    assert read_features(path, ["a", "b"]).presence.tolist() == [True, False]


def test_presence_without_labels(tmp_path):
    path = tmp_path / "features.npz"
    numpy.savez(path, features=numpy.ones((2, 3)), presence=numpy.array([False, True]))
    assert read_features(path, ["a", "b"]).presence.tolist() == [False, True]


def test_vectors_by_number(tmp_path):
    """Labels of entities are text, even if they look like numbers."""
    path = tmp_path / "features.pt"
    torch.save({7: torch.ones(2), 11: torch.zeros(2)}, path)
    assert read_features(path).labels == ("7", "11")


def test_labels_of_bytes(tmp_path):
    """NumPy stores ASCII labels as bytes, e.g. ``labels.astype("S")``."""
    path = tmp_path / "features.npz"
    numpy.savez(path, features=numpy.ones((2, 3)), labels=numpy.array(["Ada", "Bob"]).astype("S"))
    assert read_features(path).labels == ("Ada", "Bob")


@pytest.mark.parametrize("way", [".pth: features, labels, presence", ".pth: vectors", ".safetensors: labels"])
@relaxed
@given(features=modality_features(min_size=1))
def test_round_trip_of_anything(way, features):
    # a single vector of this name is a matrix without one dimension
    assume(features.num_present != 1 or "features" not in features.labels)
    with tempfile.TemporaryDirectory() as directory:
        loaded = read_features(save(way, Path(directory), features)) if features.num_present else features
    assert loaded.align(features.labels) == features
    assert loaded.matrix.dtype == features.matrix.dtype


# --- anything that may hold features


def test_as_features_leaves_features_alone():
    features = make_features()
    assert as_features(features, ["whatever"], "visual") is features


@pytest.mark.parametrize("kind", [str, Path, torch.Tensor, numpy.ndarray])
def test_as_features(tmp_path, kind):
    features = make_features(missing=[1])
    if kind is torch.Tensor:
        source = matrix_with_nan(features)
    elif kind is numpy.ndarray:
        source = matrix_with_nan(features).numpy()
    else:
        source = kind(save(".pth: tensor", tmp_path, features))
    assert as_features(source, LABELS, "visual") == features


def test_as_features_names_the_modality():
    with pytest.raises(FeatureError, match="the visual matrix has 2 rows, but there are 3 entities"):
        as_features(torch.ones(2, 3), "abc", "visual")


def test_vectors_by_label():
    """In any order: labels say whose they are."""
    features = as_features({"b": [3.0, 4.0], "a": numpy.array([1.0, 2.0])}, ["a", "b", "c"], "visual")
    assert features.labels == ("b", "a")
    assert features.matrix.tolist() == [[3, 4], [1, 2]]


@pytest.mark.parametrize("source", [{}, {"a": [1.0], "b": [1.0, 2.0]}, {"a": [[1.0]]}], ids=repr)
def test_vectors_of_other_shapes(source):
    with pytest.raises(FeatureError, match="The visual features must be vectors of equal length, but their shapes are"):
        as_features(source, ["a", "b"], "visual")


@pytest.mark.parametrize("source", [None, 3, b"features.npy"], ids=repr)
def test_as_features_refuses(source):
    with pytest.raises(FeatureError, match=rf"Cannot use a {type(source).__name__} as visual features: pass a path"):
        as_features(source, ["a"], "visual")


def test_as_features_shares_nothing_that_an_entity_lacks():
    """NaN of the caller's matrix never shows up."""
    features = as_features(torch.full((2, 3), float("nan")), "ab", "visual")
    assert features == ModalityFeatures.missing("ab", dim=3)


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="needs to look at the process' memory")
@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_large_files_are_mapped(tmp_path, suffix, dtype):
    """What nobody looks at stays on disk, all the way to a model with frozen features; and the file is not changed."""
    path = tmp_path / f"features{suffix}"
    labels = [f"e{i}" for i in range(600)]
    original = ModalityFeatures.from_matrix(torch.randn(600, 1200).to(dtype), labels)
    if suffix == ".npy":
        numpy.save(path, original.matrix.numpy())
    else:
        write_features(path, original)
    content = path.read_bytes()
    features = read_features(path, labels=labels).align(labels)
    assert features == ModalityFeatures.from_matrix(original.matrix, labels)
    factory = MultimodalTriplesFactory(
        mapped_triples=torch.tensor([[0, 0, 1], [1, 0, 2]]),
        entity_to_id={label: i for i, label in enumerate(labels)},
        relation_to_id={"r": 0},
        features={"textual": features},
    )
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, trainable_features=False, random_seed=0)
    table = model.fused.bases["textual"].table
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if path.name in line]
    areas = [line.split()[0].split("-") for line in lines]
    assert any(int(start, 16) <= table.data_ptr() < int(stop, 16) for start, stop in areas)
    model.score_hrt(factory.mapped_triples).sum().backward()
    with torch.no_grad():
        table[0] = 7
    assert path.read_bytes() == content


def test_entity_named_features(tmp_path):
    """One vector for each entity, whatever they are called."""
    path = tmp_path / "vectors.pt"
    torch.save({"features": torch.ones(3), "labels": torch.zeros(3)}, path)
    assert read_features(path).labels == ("features", "labels")


def test_directories_that_are_not_there(tmp_path):
    """The error is that of any other file, whatever library writes it."""
    features = make_features()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_features(tmp_path / "nowhere" / "x.safetensors", features)
