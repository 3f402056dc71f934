"""Files that want to be more than they are: structures and content that are larger than their file."""

import gzip
import io
import json
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

from pykeen_adamf.constants import MAX_BYTES_ENVIRONMENT_VARIABLE
from pykeen_adamf.features import FeatureError, read_features
from pykeen_adamf.limits import FileError, read_decompressed

from ..fuzz.oracle import peak_memory
from .cases import refuse

h5py = pytest.importorskip("h5py")

#: A limit that is cheap to exceed, and how many bytes are too many.
LIMIT = 2**24
TOO_MANY = 2**25


def _ladder(file) -> None:
    """Each of forty steps leads to the next one twice."""
    group = file
    for _ in range(40):
        group = group.create_group("x")
        group.parent["y"] = group
    group["a"] = numpy.zeros(2)


def _circle(file) -> None:
    for i in range(20):
        file.create_group(f"g{i}")
    for i in range(20):
        for j in range(20):
            file[f"g{i}/l{j}"] = file[f"g{j}"]
    file["a"] = numpy.zeros(2)


def _deep(file) -> None:
    group = file.id
    for _ in range(600):
        group = h5py.h5g.create(group, b"x")
    h5py.Group(group)["a"] = numpy.zeros(2)


@pytest.mark.parametrize("structure", [_ladder, _circle, _deep])
def test_each_group_is_looked_at_once(tmp_path, structure):
    path = tmp_path / "features.h5"
    with h5py.File(path, "w") as file:
        structure(file)
    features = read_features(path)
    assert features.num_entities == 1
    assert features.labels[0].endswith("a")


def _npz(path: Path, **sizes: int) -> None:
    """Write an archive with zeros of so many bytes beside a small matrix."""
    small = io.BytesIO()
    numpy.save(small, numpy.zeros((2, 3)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        if "features" not in sizes:
            archive.writestr("features.npy", small.getvalue())
        for name, size in sizes.items():
            with archive.open(f"{name}.npy", "w") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": (size,)}
                numpy.lib.format.write_array_header_1_0(file, header)
                for start in range(0, size, 2**24):
                    file.write(bytes(min(2**24, size - start)))


def _h5_unallocated(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (2, 10**12), dtype="f4")


def _h5_compressed(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (2, TOO_MANY // 8), dtype="f4", chunks=(1, 2**20), compression="gzip", fillvalue=0)


def _h5_chunk(path: Path) -> None:
    """A part that is much larger than it says, which HDF5 finds out too late."""
    import zlib

    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", (2, 2**15), dtype="f4", chunks=(1, 2**15), compression="gzip")
        state = zlib.compressobj(1)
        data.id.write_direct_chunk((0, 0), b"".join(state.compress(bytes(2**24)) for _ in range(4)) + state.flush())


def _h5_links(path: Path) -> None:
    """One dataset under many names."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", (2**22,), dtype="f4")
        for i in range(100):
            file[f"b{i}"] = data


def _pt_deflated(path: Path) -> None:
    torch.save(torch.zeros(2, 2**19), path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def _pickled(path: Path, pickled: bytes) -> None:
    """Write a file of PyTorch with a pickle of our own."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")


def _lists(depth: int) -> bytes:
    """Return a pickle of lists in lists, each of which has the next one twice: 2^depth in all."""
    return (
        b"\x80\x02}(X\x01\x00\x00\x00a"
        + b"]q\x00"
        + b"".join(b"](" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(depth))
        + b"u."
    )


BOMBS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "member": ("npz", lambda path: _npz(path, features=TOO_MANY)),
    "array that is larger than its member": ("npz", lambda path: _npz_header(path)),
    "unallocated": ("h5", _h5_unallocated),
    "compressed": ("h5", _h5_compressed),
    "compressed part": ("h5", _h5_chunk),
    "many names": ("h5", _h5_links),
    "deflated": ("pt", _pt_deflated),
    "expanded": ("pt", lambda path: torch.save(torch.zeros(1, 1).expand(2, 10**8), path)),
    "expanded rows": ("pt", lambda path: torch.save(torch.zeros(1, 1).expand(10**11, 2), path)),
    "expanded vectors": ("pt", lambda path: torch.save({x: torch.zeros(1).expand(10**8) for x in "ab"}, path)),
    "constructor": ("pt", lambda path: _pickled(path, b"\x80\x02ctorch\nTensor\n(J\x00\x00\x00\x10K\x02tR.")),
    "lists in lists": ("pt", lambda path: _pickled(path, _lists(60))),
    "opcodes": ("pt", lambda path: _pickled(path, b"\x80\x02(" + b"]" * (LIMIT + 1) + b"t.")),
    "a long name": ("pt", lambda path: _pickled(path, b"\x80\x02c" + b"9" * 2**20 + b"\na\n.")),
    "a long name without an archive": ("pt", lambda path: path.write_bytes(b"\x80\x02c" + b"9" * 2**20 + b"\na\n.")),
    "opcodes without an archive": ("pt", lambda path: path.write_bytes(b"\x80\x02(" + b"]" * 2**19)),
    "header": ("safetensors", lambda path: _safetensors(path, TOO_MANY)),
}


def _npz_header(path: Path) -> None:
    content = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**9)}
    numpy.lib.format.write_array_header_1_0(content, header)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("features.npy", content.getvalue())


def _safetensors(path: Path, size: int) -> None:
    header = json.dumps({"__metadata__": {"x": "y" * size}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setenv(MAX_BYTES_ENVIRONMENT_VARIABLE, str(LIMIT))


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs(tmp_path, bomb):
    suffix, make = BOMBS[bomb]
    path = tmp_path / f"features.{suffix}"
    make(path)
    with peak_memory() as peak:
        refuse(path)
    assert peak() < TOO_MANY


@pytest.mark.usefixtures("small_limit")
def test_a_bomb_that_is_not_needed_is_not_looked_at(tmp_path):
    path = tmp_path / "features.npz"
    _npz(path, other=TOO_MANY)
    with peak_memory() as peak:
        assert read_features(path, labels="ab").num_entities == 2
    assert peak() < TOO_MANY


def test_the_limit_is_an_option(tmp_path, monkeypatch):
    path = tmp_path / "features.npz"
    numpy.savez_compressed(path, features=numpy.zeros((2, 1000)))
    assert "16,000" not in refuse(path, max_bytes=1000)
    assert read_features(path, labels="ab", max_bytes=20_000).num_entities == 2
    monkeypatch.setenv(MAX_BYTES_ENVIRONMENT_VARIABLE, "1000")
    assert MAX_BYTES_ENVIRONMENT_VARIABLE in refuse(path)
    monkeypatch.setenv(MAX_BYTES_ENVIRONMENT_VARIABLE, "a lot")
    with pytest.raises(FeatureError, match="'a lot'"):
        read_features(path, labels="ab")


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_wide_tables(tmp_path, suffix):
    """Each column takes a time of its own, however short the table is."""
    path = tmp_path / f"features{suffix}"
    path.write_text(("," if suffix == ".csv" else "\t").join(["a", *"1" * 500_000]))
    start = time.process_time()
    assert "500,001 columns" in refuse(path)
    assert time.process_time() - start < 3


@pytest.mark.usefixtures("small_limit")
def test_compressed_tables(tmp_path):
    path = tmp_path / "triples.tsv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(TOO_MANY // 2**20):
            file.write(bytes(2**20))
    with pytest.raises(FileError, match="is refused"):
        read_decompressed(path)
