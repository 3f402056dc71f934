"""Triples that want to be more than their file, or that break what comes after them."""

import os

import numpy
import pandas
import pytest

from pykeen_adamf.constants import MAX_BYTES_ENVIRONMENT_VARIABLE
from pykeen_adamf.datasets.openke import DatasetFormatError, read_mapping, read_triples
from pykeen_adamf.datasets.path import read_labeled_triples
from pykeen_adamf.features import FeatureError
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory


@pytest.fixture(autouse=True)
def _small_limit(monkeypatch):
    monkeypatch.setenv(MAX_BYTES_ENVIRONMENT_VARIABLE, str(2**22))


def _long_label(path):
    """One label gives its length to all others in an array of NumPy."""
    path.write_text("a\tb\tc\n" * 3000 + "a\tb\t" + "c" * 10_000 + "\n")


def _many_rows(path):
    pandas.DataFrame({name: ["x"] * 2**18 for name in ("head", "relation", "tail")}).to_parquet(path)


def _long_value(path):
    pandas.DataFrame({name: ["x" * 1000] * 5000 for name in ("head", "relation", "tail")}).to_parquet(path)


def _rows_of_one(path):
    """A wide row, and many that end in a carriage return, each of which gets the same width."""
    path.write_bytes(b",".join(b"%d" % i for i in range(8000)) + b"\r" + b"a\r" * 8000)


def _quoted_row(path):
    """The same, behind a line break that is quoted."""
    path.write_bytes(b'"x\n",' + b",".join(b"%d" % i for i in range(8000)) + b"\n" + b"a\n" * 5000)


@pytest.mark.parametrize(
    ("make", "suffix"),
    [
        (_long_label, "tsv"),
        (_rows_of_one, "csv"),
        (_quoted_row, "csv"),
        (_many_rows, "parquet"),
        (_long_value, "parquet"),
    ],
)
def test_bombs(tmp_path, make, suffix):
    path = tmp_path / f"triples.{suffix}"
    make(path)
    with pytest.raises(ValueError, match=r"is refused|has a label of 10,000 characters: 'ccc") as info:
        read_labeled_triples(path)
    assert str(path) in str(info.value)


@pytest.mark.parametrize("name", ["triples.tsv", "triples.parquet", "triples.nt", "triples.tsv.gz"])
def test_a_pipe_does_not_block(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match="a pipe or a device"):
        read_labeled_triples(tmp_path / name)


def test_openke_files(tmp_path):
    path = tmp_path / "entity2id.txt"
    os.mkfifo(path)
    with pytest.raises(DatasetFormatError, match="a pipe or a device"):
        read_mapping(path)
    path.unlink()
    for content in ("9" * 5000 + "\na 0\n", "1\na " + "9" * 5000):
        path.write_text(content)
        with pytest.raises(DatasetFormatError, match="entity2id"):
            read_mapping(path)
    path.write_text("1\n0 0 " + "9" * 5000)
    with pytest.raises(DatasetFormatError, match="entity2id"):
        read_triples(path, 1, 1)


def test_n_triples_that_are_none(tmp_path):
    path = tmp_path / "triples.nt"
    path.write_text("<a> <b> c .\n")
    with pytest.raises(ValueError, match=r"triples\.nt cannot be read"):
        read_labeled_triples(path)


def test_half_a_character_is_refused_where_it_enters():
    """Otherwise, the table of predictions cannot be written after the training."""
    triples = numpy.array([["a\ud83d", "r", "b"], ["b", "r", "c"]])
    with pytest.raises(ValueError, match="half a character"):
        MultimodalTriplesFactory.from_labeled_triples(triples, features={})


@pytest.mark.parametrize("content", ['["../../elsewhere"]', "{}", "[1]", "no JSON", "[" * 10**5, '["visual"'])
def test_names_of_modalities_lead_nowhere(tmp_path, content):
    path = make_factory().to_path_binary(tmp_path / "factory")
    (path / "modalities.json").write_text(content)
    with pytest.raises(FeatureError, match=r"modalities\.json"):
        MultimodalTriplesFactory.from_path_binary(path)
