"""Files that are not what they claim to be."""

import pickle
import random

import numpy
import pytest
import torch
from safetensors.torch import save_file

from pykeen_adamf.features import FEATURE_SUFFIXES, FeatureError, read_features

from .cases import BY_LABEL, BY_ROW, LABELS, TEXT, make_features, save, suffix_of

# --- files that would run code


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def _object_array(payload):
    return numpy.array([[payload, payload]], dtype=object)


def _npz_with_pickle(path, payload):
    """Write an archive whose labels are Python objects."""
    numpy.savez(path, features=numpy.ones((1, 2)), labels=numpy.array([payload], dtype=object))


MALICIOUS = {
    "torch.save.pth": lambda path, payload: torch.save(payload, path),
    "torch.save.pt": lambda path, payload: torch.save(payload, path),
    "legacy.pth": lambda path, payload: torch.save(payload, path, _use_new_zipfile_serialization=False),
    "beside features.pth": lambda path, payload: torch.save({"features": torch.ones(1, 2), "labels": payload}, path),
    "entry.pt": lambda path, payload: torch.save({"features": torch.ones(1, 2), "other": payload}, path),
    "objects.npy": lambda path, payload: numpy.save(path, _object_array(payload), allow_pickle=True),
    "objects.npz": lambda path, payload: numpy.savez(path, features=_object_array(payload)),
    "labels.npz": _npz_with_pickle,
    **{f"pickle{suffix}": lambda path, payload: path.write_bytes(pickle.dumps(payload)) for suffix in FEATURE_SUFFIXES},
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_payload_does_not_run(tmp_path, name):
    """Reading a file never runs what is in it; the message says so."""
    path, marker = tmp_path / name, tmp_path / "marker"
    MALICIOUS[name](path, Payload(marker))
    with pytest.raises(FeatureError) as info:
        read_features(path, labels=["a"])
    assert not marker.exists()
    assert str(path) in str(info.value)
    if path.suffix in {".pth", ".pt", ".npy", ".npz"}:
        assert "could run any code" in str(info.value)


@pytest.mark.parametrize("name", ["torch.save.pth", "legacy.pth", "beside features.pth", "objects.npy", "pickle.pth"])
def test_payload_would_run_otherwise(tmp_path, name):
    """The tests above are worth nothing if the payload is harmless."""
    path, marker = tmp_path / name, tmp_path / "marker"
    MALICIOUS[name](path, Payload(marker))
    if name.startswith("pickle"):
        pickle.loads(path.read_bytes())
    elif name.endswith(".npy"):
        numpy.load(path, allow_pickle=True)
    else:
        torch.load(path, weights_only=False)
    assert marker.exists()


def test_an_environment_variable_does_not_change_that(tmp_path, monkeypatch):
    """PyTorch has a variable that makes unpickling anything the default."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path, marker = tmp_path / "features.pth", tmp_path / "marker"
    torch.save(Payload(marker), path)
    with pytest.raises(FeatureError, match="could run any code"):
        read_features(path, labels=["a"])
    assert not marker.exists()


# --- damaged files


@pytest.mark.parametrize("size", ["0", "1", "3", "10", "1/4", "1/2", "3/4", "all but one"])
@pytest.mark.parametrize("way", [way for way in [*BY_ROW, *BY_LABEL] if suffix_of(way) not in TEXT])
def test_truncated_files(tmp_path, way, size):
    path = save(way, tmp_path, make_features())
    content = path.read_bytes()
    sizes = {"1/4": len(content) // 4, "1/2": len(content) // 2, "3/4": len(content) * 3 // 4}
    path.write_bytes(content[: sizes.get(size, len(content) - 1 if size == "all but one" else None) or int(size)])
    with pytest.raises(FeatureError) as info:
        read_features(path, labels=LABELS)
    assert str(path) in str(info.value)


@pytest.mark.parametrize("way", [*BY_ROW, *BY_LABEL])
def test_damaged_files(tmp_path, way):
    """Flipping bits leads to other values or to a clear error, but never to an unrelated one."""
    path = save(way, tmp_path, make_features())
    content = path.read_bytes()
    rng = random.Random(0)
    messages, unclear = set(), set()
    for _ in range(80):
        damaged = bytearray(content)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            read_features(path, labels=LABELS)
        except FeatureError as error:
            messages.add(str(error))
        except Exception as error:
            unclear.add(f"{type(error).__module__}.{type(error).__name__}: {error}")
    assert not unclear
    assert all(str(path) in message for message in messages)


@pytest.mark.parametrize("suffix", FEATURE_SUFFIXES)
def test_a_web_page(tmp_path, suffix):
    """That is what one gets from a failed download; it is nothing that would run code."""
    path = tmp_path / f"features{suffix}"
    path.write_text("<!DOCTYPE html><html><title>Quota exceeded</title></html>" * 20)
    with pytest.raises(FeatureError, match="damaged") as info:
        read_features(path, labels=LABELS)
    assert str(path) in str(info.value)


@pytest.mark.parametrize("suffix", FEATURE_SUFFIXES)
@pytest.mark.parametrize(
    "way", [".pth: tensor", ".npy: array", ".npz: one array", ".safetensors: labels", ".h5: matrix"]
)
def test_wrong_suffix(tmp_path, way, suffix):
    """A file of one format under the name of another is either read correctly, or refused clearly."""
    features = make_features()
    path = save(way, tmp_path, features)
    path = path.rename(tmp_path / f"renamed{suffix}")
    try:
        message, loaded = None, read_features(path, labels=LABELS)
    except FeatureError as error:
        message, loaded = str(error), None
    assert loaded == features if message is None else str(path) in message


# --- files that are fine, but not features


@pytest.mark.parametrize("name", ["features.xlsx", "features.txt", "features.pkl", "features", "features.npy.gz"])
def test_unknown_formats(tmp_path, name):
    path = tmp_path / name
    path.write_text("1,2,3")
    with pytest.raises(FeatureError, match=r"use one of the formats \.pth, .*\.safetensors") as info:
        read_features(path, labels=LABELS)
    assert str(path) in str(info.value)


@pytest.mark.parametrize("suffix", FEATURE_SUFFIXES)
@pytest.mark.parametrize("kind", ["nothing", "a directory"])
def test_no_file(tmp_path, suffix, kind):
    path = tmp_path / f"features{suffix}"
    if kind == "a directory":
        path.mkdir()
    with pytest.raises(FeatureError, match="does not exist") as info:
        read_features(path, labels=LABELS)
    assert str(path) in str(info.value)


TORCH_CONTENTS = {
    "a list": [torch.ones(7, 3)],
    "a number": 3.0,
    "None": None,
    "text": "features",
    "an empty dictionary": {},
    "text beside nothing": {"a": "b"},
    "None for an entity": {"a": None},
    "vectors of other lengths": {"a": torch.ones(2), "b": torch.ones(3)},
    "features in a list": {"features": [[1.0, 2.0]] * 7},
    "features are None": {"features": None},
    "features are text": {"features": "features.npy"},
    "features in a dictionary": {"features": {"a": torch.ones(2)}},
    "labels are a number": {"features": torch.ones(7, 3), "labels": 7},
    "presence is text": {"features": torch.ones(7, 3), "presence": "yes"},
    "presence are numbers": {"features": torch.ones(7, 3), "presence": [1.0] * 7},
    "presence in a dictionary": {"features": torch.ones(7, 3), "presence": {"a": True}},
    "complex numbers": torch.ones(7, 3, dtype=torch.cfloat),
    "three dimensions": torch.ones(7, 3, 1),
    "a sparse tensor": torch.ones(7, 3).to_sparse(),
    "duplicated labels": {"features": torch.ones(7, 3), "labels": ["a"] * 7},
    "too few labels": {"features": torch.ones(7, 3), "labels": ["a"]},
    "too short a mask": {"features": torch.ones(7, 3), "presence": torch.ones(6, dtype=torch.bool)},
    "NaN where presence is claimed": {
        "features": torch.full((7, 3), float("nan")),
        "presence": torch.ones(7, dtype=torch.bool),
    },
}


@pytest.mark.parametrize("content", TORCH_CONTENTS)
def test_unusable_content_of_torch_files(tmp_path, content):
    path = tmp_path / "features.pt"
    torch.save(TORCH_CONTENTS[content], path)
    with pytest.raises(FeatureError) as info:
        read_features(path, labels=LABELS)
    assert str(path) in str(info.value)


NUMPY_CONTENTS = {
    "no array": {},
    "vectors of other lengths": {"a": numpy.ones(2), "b": numpy.ones(3)},
    "vectors of text": {"a": numpy.array(["x", "y"]), "b": numpy.array(["x", "y"])},
    "features are text": {"features": numpy.array([["x"] * 3] * 7)},
    "features are a number": {"features": 3.0},
    "too few labels": {"features": numpy.ones((7, 3)), "labels": numpy.array(["a"])},
    "labels are a number": {"features": numpy.ones((7, 3)), "labels": 3},
    "presence are numbers": {"features": numpy.ones((7, 3)), "presence": numpy.ones(7)},
    "presence is text": {"features": numpy.ones((7, 3)), "presence": numpy.array(["yes"] * 7)},
    "records": {"features": numpy.ones((7, 3), dtype=[("x", "f4"), ("y", "f4")])},
    "dates": {"features": numpy.zeros((7, 3), dtype="M8[s]")},
}


@pytest.mark.parametrize("content", NUMPY_CONTENTS)
def test_unusable_content_of_numpy_files(tmp_path, content):
    path = tmp_path / "features.npz"
    numpy.savez(path, **NUMPY_CONTENTS[content])
    with pytest.raises(FeatureError) as info:
        read_features(path, labels=LABELS)
    assert str(path) in str(info.value)


@pytest.mark.parametrize(
    "labels", ["no JSON", "3", "null", '{"a": 1}', '["a"]', "[]", '["a", "a", "b", "c", "d", "e", "f"]']
)
def test_unusable_labels_of_safetensors_files(tmp_path, labels):
    path = tmp_path / "features.safetensors"
    save_file({"features": torch.ones(7, 3)}, path, metadata={"labels": labels})
    with pytest.raises(FeatureError) as info:
        read_features(path)
    assert str(path) in str(info.value)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("way", [".pth: tensor", ".npy: array", ".npz: vectors", ".pth: vectors", ".h5: entities"])
def test_values_that_are_not_finite(tmp_path, way, value):
    """One such value is a mistake of an encoder, and not how one says that a row is missing."""
    features = make_features()
    features.matrix[3, 1] = value
    path = save(way, tmp_path, features)
    with pytest.raises(FeatureError, match=r"NaN or infinite values for '1984'.* set its whole row to NaN") as info:
        read_features(path, labels=LABELS)
    assert str(path) in str(info.value)


def test_a_mask_of_a_file_cannot_claim_nan(tmp_path):
    path = tmp_path / "features.npz"
    numpy.savez(path, features=numpy.array([[1.0], [numpy.nan]]), presence=numpy.array([True, True]))
    with pytest.raises(FeatureError, match="for 'b', although") as info:
        read_features(path, labels="ab")
    assert str(path) in str(info.value)


def test_reading_changes_no_file(tmp_path):
    path = save(".npy: array", tmp_path, make_features(missing=[1]))
    before = path.read_bytes()
    features = read_features(path, LABELS)
    features.matrix.fill_(0)
    assert path.read_bytes() == before
