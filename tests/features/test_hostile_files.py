"""Files that want to be more than they are: to read what lies elsewhere, or to go unnoticed."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

from pykeen_adamf.features import FEATURE_SUFFIXES, FeatureError, read_features

from .cases import refuse

h5py = pytest.importorskip("h5py")

#: A limit that is cheap to exceed, and how many bytes are too many.
LIMIT = 2**24
TOO_MANY = 2**25


# --- what lies outside of the file


def _external_link(file, secret: Path) -> None:
    file["a"] = h5py.ExternalLink(str(secret), "secret")


def _link_through_external_link(file, secret: Path) -> None:
    file["b"] = numpy.zeros(2)
    file["a"] = h5py.SoftLink("b")


def _external_storage(file, secret: Path) -> None:
    file.create_dataset("a", (1, 2), dtype="f8", external=[(str(secret), 0, 16)])


def _virtual(file, secret: Path) -> None:
    layout = h5py.VirtualLayout((2, 2), "f8")
    layout[:] = h5py.VirtualSource(str(secret), "secret", (2, 2))
    file.create_virtual_dataset("a", layout)


def _foreign_filter(file, secret: Path) -> None:
    """A filter that is not part of HDF5 is loaded as a library; scale-offset stands for all that are not expected."""
    file.create_dataset("a", data=numpy.zeros((2, 2), dtype="f4"), chunks=(2, 2), scaleoffset=3)


OUTSIDE: dict[str, Callable[[h5py.File, Path], None]] = {
    "external link": _external_link,
    "link by name": _link_through_external_link,
    "external storage": _external_storage,
    "virtual": _virtual,
    "filter": _foreign_filter,
}


@pytest.mark.parametrize("way", OUTSIDE)
def test_nothing_outside_of_the_file_is_read(tmp_path, way):
    path, secret = tmp_path / "features.h5", tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["secret"] = numpy.ones((2, 2))
    with h5py.File(path, "w") as file:
        OUTSIDE[way](file, secret)
    assert "tore" in refuse(path) or "Copy" in refuse(path)


@pytest.mark.parametrize("chunks", [None, (1, 2)])
def test_what_was_never_written(tmp_path, chunks):
    """HDF5 would read zeros."""
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file.create_dataset("features", (2, 2), "f4", chunks=chunks)
    assert "has nothing in 'features'" in refuse(tmp_path / "features.h5")


@pytest.mark.parametrize("suffix", FEATURE_SUFFIXES)
def test_a_pipe_does_not_block(tmp_path, suffix):
    path = tmp_path / f"features{suffix}"
    os.mkfifo(path)
    assert "a pipe or a device" in refuse(path)


@pytest.mark.parametrize("name", ["x" * 300 + ".npy", "a\0b.npy"])
def test_paths_that_cannot_be(tmp_path, name):
    with pytest.raises(FeatureError, match=r"cannot be opened .*Check the path"):
        read_features(tmp_path / name)


# --- damage


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_header_of_another_shape(tmp_path, suffix):
    """Rows of other lengths are others' numbers."""
    path = tmp_path / f"features.{suffix}"
    matrix = numpy.ones((2, 300_000))
    numpy.save(path, matrix) if suffix == "npy" else numpy.savez(path, features=matrix)
    content = path.read_bytes().replace(b"(2, 300000)", b"(2, 200000)")
    path.write_bytes(content)
    assert "damaged" in refuse(path)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_presence_is_true_or_false(tmp_path, suffix):
    path = tmp_path / f"features.{suffix}"
    presence = numpy.array([1, 2], dtype=numpy.uint8).view(bool)
    if suffix == "npz":
        numpy.savez(path, features=numpy.ones((2, 3)), presence=presence)
    else:
        entries = {
            "features": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
            "presence": {"dtype": "BOOL", "shape": [2], "data_offsets": [24, 26]},
        }
        header = json.dumps(entries).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(24) + b"\1\2")
    assert "other than 0 and 1" in refuse(path)


UNUSABLE = {
    "labels in lists": (lambda: {"features": torch.ones(2, 3), "labels": [["a"], ["b"]]}, "label that is a list"),
    "labels of tensors": (
        lambda: {"features": torch.ones(2, 3), "labels": [torch.ones(1)] * 2},
        "label that is a Tensor",
    ),
    "labels as a tensor": (lambda: {"features": torch.ones(2, 3), "labels": torch.arange(2)}, "are a Tensor"),
    "keys of tuples": (lambda: {("a",): torch.ones(3), ("b",): torch.ones(3)}, "label that is a tuple"),
    "half a character": (lambda: {"features": torch.ones(2, 3), "labels": ["a", "\ud83d"]}, "half a character"),
    "half a character as a key": (lambda: {"a": torch.ones(3), "\ud83d": torch.ones(3)}, "half a character"),
    "ragged presence": (lambda: {"features": torch.ones(2, 3), "presence": [[True], [True, False]]}, "must be boolean"),
    "nothing but a shape": (lambda: torch.ones(2, 3, device="meta"), "without numbers"),
    "nothing but the shape of a vector": (
        lambda: {"a": torch.ones(3), "b": torch.ones(3, device="meta")},
        "nor one vector",
    ),
    "sparse": (lambda: torch.ones(2, 3).to_sparse(), "sparse or nested"),
    "nested": (lambda: torch.nested.nested_tensor([torch.ones(3), torch.ones(2)]), "nested"),
    "eight bits": (lambda: torch.ones(2, 3).to(torch.float8_e4m3fn), "plain tensor"),
    "quantized": (lambda: torch.quantize_per_tensor(torch.ones(2, 3), 0.1, 0, torch.qint8), "qint8"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", UNUSABLE)
def test_answers_say_what_is_wrong(tmp_path, name):
    content, message = UNUSABLE[name]
    path = tmp_path / "features.pt"
    torch.save(content(), path)
    assert message in refuse(path)
