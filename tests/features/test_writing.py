"""Writing features: completely, or not at all."""

import json
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from safetensors import safe_open

from pykeen_adamf.features import ModalityFeatures, files, read_features, write_features

from .cases import LABELS, make_features, modality_features, relaxed


@pytest.mark.parametrize("with_labels", [True, False])
@pytest.mark.parametrize("missing", [[], [0, 3], range(7)], ids=["nobody", "some", "everybody"])
def test_round_trip(tmp_path, missing, with_labels):
    features = make_features(missing=list(missing))
    path = write_features(tmp_path / "features.safetensors", features, with_labels=with_labels)
    assert read_features(path, None if with_labels else LABELS) == features


@relaxed
@given(modality_features())
def test_round_trip_of_anything(features):
    with tempfile.TemporaryDirectory() as directory:
        path = write_features(Path(directory) / "features.safetensors", features)
        loaded = read_features(path)
    assert loaded == features
    assert loaded.labels == features.labels
    assert loaded.matrix.dtype == features.matrix.dtype


def test_round_trip_of_missing(tmp_path):
    features = ModalityFeatures.missing(LABELS, dim=3)
    assert read_features(write_features(tmp_path / "features.safetensors", features)) == features


def test_round_trip_of_a_view(tmp_path):
    """A matrix need not own its memory in one piece."""
    features = ModalityFeatures.from_matrix(torch.arange(12.0).view(3, 4).t()[::2], "ab")
    assert read_features(write_features(tmp_path / "features.safetensors", features)) == features


def test_returns_the_path_and_leaves_no_other_file(tmp_path):
    path = write_features(str(tmp_path / "features.safetensors"), make_features())
    assert path == tmp_path / "features.safetensors"
    assert list(tmp_path.iterdir()) == [path]


def test_metadata_is_stored_beside_the_labels(tmp_path):
    path = write_features(tmp_path / "f.safetensors", make_features(), metadata={"encoder": "VGG", "license": "MIT"})
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata.pop("encoder") == "VGG"
    assert metadata.pop("license") == "MIT"
    assert json.loads(metadata.pop("labels")) == list(LABELS)
    assert not metadata
    assert read_features(path) == make_features()


def test_file_can_be_read_by_others(tmp_path):
    """Temporary files are private, but this is none anymore."""
    path = write_features(tmp_path / "features.safetensors", make_features())
    assert path.stat().st_mode & 0o444 == 0o444


def test_replaces_an_older_file(tmp_path):
    path = tmp_path / "features.safetensors"
    write_features(path, make_features(seed=0))
    write_features(path, make_features(seed=1))
    assert read_features(path) == make_features(seed=1)


@pytest.mark.parametrize("name", ["features.pth", "features.npy", "features.safetensors.gz", "features"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"\.safetensors") as info:
        write_features(tmp_path / name, make_features())
    assert str(tmp_path / name) in str(info.value)
    assert not list(tmp_path.iterdir())


class Interruption(BaseException):
    """Something like Ctrl+C, but not confused with a user's."""


@pytest.fixture(params=["disk full", "interrupted", "interrupted before", "cannot move", "invalid metadata"])
def failure(request, monkeypatch):
    """Let writing fail in the middle; returns the exception's type, and the metadata to pass."""
    if request.param == "invalid metadata":
        return Exception, {"encoder": 3}
    error = Interruption() if request.param.startswith("interrupted") else OSError("No space left on device")

    def fail(tensors, filename, metadata=None):
        if request.param != "interrupted before":
            Path(filename).write_bytes(b"half of ")
        raise error

    def fail_to_move(self, target):
        raise error

    if request.param == "cannot move":
        monkeypatch.setattr(Path, "replace", fail_to_move)
    else:
        monkeypatch.setattr(files, "save_file", fail)
    return type(error), None


def test_failure_leaves_an_older_file_as_it_was(tmp_path, failure):
    path = tmp_path / "features.safetensors"
    write_old = make_features(seed=0)
    path.write_bytes(_content(write_old))
    before = path.read_bytes(), path.stat()
    error, metadata = failure
    with pytest.raises(error):
        write_features(path, make_features(seed=1), metadata=metadata)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before[0]
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before[1].st_mtime_ns, before[1].st_ino)
    assert read_features(path) == write_old


def test_failure_leaves_nothing(tmp_path, failure):
    error, metadata = failure
    with pytest.raises(error):
        write_features(tmp_path / "features.safetensors", make_features(), metadata=metadata)
    assert not list(tmp_path.iterdir())


def _content(features):
    """Return what a file with features and labels contains, without the function under test."""
    from safetensors.torch import save

    return save(
        {"features": features.matrix, "presence": features.presence}, metadata={"labels": json.dumps(features.labels)}
    )
