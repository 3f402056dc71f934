"""Feature files that are archives: nothing in them is damaged, hidden, or there twice."""

import io
import struct
import zipfile
import zlib
from contextlib import suppress

import numpy
import pytest
import torch
from pykeen.training.training_loop import CheckpointMismatchError

from pykeen_adamf.archives import LOCAL, LOCATOR_MAGIC, MAGIC
from pykeen_adamf.features import FeatureError, read_features
from pykeen_adamf.training.checkpoint_file import load_tensors

from .test_hostile_files import refuse


@pytest.mark.parametrize("content", [torch.ones(50, 4), {"features": torch.ones(50, 4)}], ids=["tensor", "dictionary"])
def test_every_flipped_number_is_noticed(tmp_path, content):
    """PyTorch does not look at the checksums that it stores."""
    path = tmp_path / "features.pt"
    torch.save(content, path)
    good = path.read_bytes()
    where = good.index(torch.ones(50, 4).numpy().tobytes())
    labels = [str(i) for i in range(50)]
    for offset in range(where, where + 800, 37):
        damaged = bytearray(good)
        damaged[offset] ^= 1
        path.write_bytes(damaged)
        assert "checksum" in refuse(path, labels)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("features.npy", "features.npy"), ("features.npy", "features")])
def test_duplicates(tmp_path, names):
    path, content = tmp_path / "features.npz", io.BytesIO()
    numpy.save(content, numpy.ones((2, 3)))
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content.getvalue())
    assert "Save" in refuse(path)


def test_no_member_is_lost_in_a_comment(tmp_path):
    """One number in the directory decides whether what follows are members or a comment."""
    path = tmp_path / "features.npz"
    numpy.savez(path, a=numpy.ones(3), b=numpy.zeros(3))
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\x01\x02")
    length = content.index(b"PK\x05\x06") - content.index(b"PK\x01\x02", first + 1)
    content[first + 32 : first + 34] = length.to_bytes(2, "little")
    path.write_bytes(content)
    assert "2 members, but 1" in refuse(path)


@pytest.mark.parametrize("name", [b"prezence.npy", b"\0\0\0\0\0\0\0\0.npy"])
def test_no_member_is_lost_by_its_name(tmp_path, name):
    """Those in the directory have no checksum; without the mask, what is missing would count as present."""
    path = tmp_path / "features.npz"
    numpy.savez(path, features=numpy.ones((2, 3)), presence=numpy.array([True, False]))
    before, _, after = path.read_bytes().rpartition(b"presence.npy")
    path.write_bytes(before + name + after)
    assert "has another name" in refuse(path)


@pytest.mark.parametrize("where", ["before", "behind"])
@pytest.mark.parametrize("suffix", ["npz", "pt"])
def test_nothing_hides_around_an_archive(tmp_path, suffix, where):
    """What is there may be another archive, which some programs see rather than this one."""
    path = tmp_path / f"features.{suffix}"
    numpy.savez(path, features=numpy.ones((2, 3))) if suffix == "npz" else torch.save(torch.ones(2, 3), path)
    content = path.read_bytes()
    path.write_bytes(b"PK\x03\x04" + content if where == "before" else content + b"PK\x03\x04")
    assert path.name in refuse(path)


@pytest.mark.parametrize("padding", [0, 200, 2**15])
def test_no_byte_is_of_two_members(tmp_path, padding):
    """What lies between the header of one and its content may be another one with the same content."""
    path, content = tmp_path / "features.npz", io.BytesIO()
    numpy.save(content, numpy.ones(3))
    data = content.getvalue()

    def header(name: bytes, len_extra: int) -> bytes:
        sizes = (zlib.crc32(data), len(data), len(data), len(name), len_extra)
        return LOCAL.pack(MAGIC, 20, 0, 0, 0, 0, *sizes) + name

    inner = header(b"b.npy", 0)
    outer = header(b"a.npy", padding + len(inner)) + bytes(padding)
    directory = b"".join(
        struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, zlib.crc32(data), *[len(data)] * 2, 5, *[0] * 5, at
        )
        + name
        for name, at in ((b"a.npy", 0), (b"b.npy", len(outer)))
    )
    start = len(outer + inner + data)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), start, 0)
    path.write_bytes(outer + inner + data + directory + end)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["a.npy", "b.npy"]
    assert "overlapping" in refuse(path)


@pytest.mark.parametrize("suffix", ["npz", "pt"])
def test_a_part_is_missing(tmp_path, suffix):
    """The directory says that the first member is before the beginning of the file."""
    path = tmp_path / f"features.{suffix}"
    numpy.savez(path, features=numpy.ones((99, 3))) if suffix == "npz" else torch.save(torch.ones(99, 3), path)
    content = path.read_bytes()
    path.write_bytes(content[:10] + content[210:])
    assert path.name in refuse(path)


@pytest.mark.parametrize(("where", "message"), [("locator", "where it should be"), ("end", "two directories")])
def test_there_is_one_directory(tmp_path, where, message):
    """PyTorch takes the directory that it is told of, and Python the one before: it may be another one."""
    path = tmp_path / "features.pt"
    torch.save(torch.ones(2, 3), path)
    content = bytearray(path.read_bytes())
    # of the locator, the offset of the larger end; of the end, that of the directory
    position = content.index(LOCATOR_MAGIC) + 8 if where == "locator" else len(content) - 6
    content[position] ^= 1
    path.write_bytes(content)
    assert message in refuse(path)


def change_pickle(path, change):
    """Change the pickle in a file of PyTorch; its checksum fits afterwards."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, change(content) if name.endswith("data.pkl") else content)
        archive.writestr(f"{next(iter(members)).split('/')[0]}/data/1", bytes(5000))


def test_tensors_do_not_grow(tmp_path):
    """A pickle can enlarge a tensor that it has read: the rest would be what has been in memory before."""
    path = tmp_path / "features.pt"
    torch.save(torch.ones(1), path)
    # x.set_(), and then x.set_(x, 0, (2, 500), (500, 1))
    grow = b"q\xc8)b(h\xc8K\x00K\x02M\xf4\x01\x86M\xf4\x01K\x01\x86tb."
    change_pickle(path, lambda content: content[:-1] + grow)
    assert torch.load(path, weights_only=True).shape == (2, 500)
    assert "more than was saved" in refuse(path, ["a", "b"])
    with pytest.raises(CheckpointMismatchError, match="damaged"):
        load_tensors(path)


def test_before_checksums(tmp_path):
    """PyTorch's older format tells no damage, and fills no tensor that it does not list."""
    path = tmp_path / "features.pt"
    torch.save(torch.ones(2, 3), path, _use_new_zipfile_serialization=False)
    assert "of PyTorch before 1.6" in refuse(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["npz", "pt"])
def test_every_flipped_bit_is_noticed(tmp_path, suffix):
    """In headers and in the directory, too: either it changes nothing, or it is refused."""
    path, matrix, labels = tmp_path / f"features.{suffix}", numpy.arange(6, dtype="f4").reshape(2, 3), ["a", "b"]
    presence = numpy.array([True, False])
    if suffix == "npz":
        numpy.savez(path, features=matrix, presence=presence)
    else:
        torch.save({"features": torch.from_numpy(matrix), "presence": torch.from_numpy(presence)}, path)
    good, expected = path.read_bytes(), read_features(path, labels=labels)
    for position in range(8 * len(good)):
        damaged = bytearray(good)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        with suppress(FeatureError):
            assert read_features(path, labels=labels) == expected, position
