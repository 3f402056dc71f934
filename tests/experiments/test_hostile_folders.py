"""Folders of runs that somebody else has made: what is in them is read, or refused by name."""

import os
import zipfile

import numpy
import pytest

from pykeen_adamf.bundle.trained import read_held_out
from pykeen_adamf.constants import MAX_BYTES_ENVIRONMENT_VARIABLE
from pykeen_adamf.evaluation import read_ranks
from pykeen_adamf.experiments.folder import RunFolder, write_json

TRIPLES = numpy.array([[0, 1, 2], [3, 0, 1]])


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    folder = RunFolder(tmp_path)
    folder.write_held_out({"testing": TRIPLES})
    write_json(folder.configuration, {"pipeline": {}})
    folder.finish({}, {"triples": TRIPLES, "head_rank": numpy.ones(2), "tail_rank": numpy.ones(2)})
    folder.fail("an error")
    return folder


READERS = {
    "configuration": lambda x: x.read_configuration(),
    "result": lambda x: x.read_result(),
    "error": lambda x: x.read_error(),
    "held_out": lambda x: read_held_out(x.path, 4, 2),
    "ranks": lambda x: read_ranks(x.ranks),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_no_files(folder, name, kind):
    """Nothing waits for what never comes."""
    path = getattr(folder, name)
    READERS[name](folder)
    path.unlink()
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(ValueError, match=f"cannot be read.* there is a {kind}"):
        READERS[name](folder)


@pytest.mark.parametrize(
    "triples", [TRIPLES + 3, TRIPLES - 1, TRIPLES[:, :2], TRIPLES[0], TRIPLES / 2, TRIPLES.astype(str)]
)
def test_held_out_of_others(folder, triples):
    """Other numbers than those of entities and relations would be found out in the middle of a question."""
    folder.write_held_out({"testing": TRIPLES, "validation": triples})
    with pytest.raises(ValueError, match=r"has held out cannot be read: .*repeat the run") as info:
        read_held_out(folder.path, 4, 2)
    assert str(folder.path) in str(info.value)


@pytest.mark.parametrize("name", ["held_out", "ranks"])
def test_bombs(folder, name, monkeypatch):
    """What is larger than its file allows is not made; what is not needed is not looked at."""
    monkeypatch.setenv(MAX_BYTES_ENVIRONMENT_VARIABLE, "100000")
    path, zeros = getattr(folder, name), numpy.zeros((10_000, 3), dtype=int)
    numpy.savez_compressed(path, triples=zeros, head_rank=zeros, tail_rank=zeros)
    with pytest.raises(ValueError, match="are the limit for a file of this size") as info:
        READERS[name](folder)
    assert str(path) in str(info.value)
    numpy.savez_compressed(folder.ranks, triples=TRIPLES, head_rank=[1, 1], tail_rank=[1, 1], other=zeros)
    assert read_ranks(folder.ranks).num_triples == 2


@pytest.mark.parametrize("name", ["held_out", "ranks"])
def test_members_that_are_no_arrays(folder, name):
    path = getattr(folder, name)
    with zipfile.ZipFile(path, "w") as file:
        for member in ("triples", "head_rank", "tail_rank"):
            file.writestr(member, "text")
    with pytest.raises(ValueError, match="cannot be read") as info:
        READERS[name](folder)
    assert str(path.parent) in str(info.value)
