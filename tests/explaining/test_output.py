"""Explanations as text and as files, and triples from files."""

import os
from pathlib import Path

import numpy
import pandas
import pytest
import torch
from pykeen.datasets import EagerDataset

from pykeen_adamf.bundle import TrainedModel
from pykeen_adamf.explaining import directory, explain_entities, explain_relations, explain_triples
from pykeen_adamf.explaining.directory import choose_triples
from pykeen_adamf.explaining.output import check_path, format_table, write_table
from pykeen_adamf.labeled_triples import read_labeled_triples

from .cases import make_case


@pytest.fixture(scope="module")
def tables():
    model, factory = make_case()
    # labels that look like something else, and one with a comma and a quotation mark
    factory = factory.with_labels(
        {**{f"e{i}": i for i in range(4, 20)}, "NA": 0, "007": 1, 'Ulm, "Germany"': 2, "": 3},
        {"r0": 0, "r1": 1, "r2": 2, "größer": 3},
    )
    return {
        "entities": explain_entities(model, factory, [0, 1, 2, 3]),
        "triples": explain_triples(model, factory, factory.mapped_triples[:5]),
        "relations": explain_relations(model, factory, factory),
    }


@pytest.mark.parametrize("kind", ["entities", "triples", "relations"])
@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".json", ".TSV"])
def test_files(tables, tmp_path, kind, suffix):
    """What is read is what was written, to the last digit."""
    path = tmp_path / f"table{suffix}"
    path.write_text("of an earlier run")
    write_table(tables[kind], path)
    strings = dict.fromkeys(("entity", "head", "relation", "tail"), str)
    if suffix == ".json":
        table = pandas.read_json(path, orient="records", dtype=strings, precise_float=True)
    else:
        separator = "," if suffix == ".csv" else "\t"
        table = pandas.read_csv(path, sep=separator, dtype=strings, keep_default_na=False)
    pandas.testing.assert_frame_equal(table, tables[kind], check_dtype=False, rtol=1e-14, atol=1e-14)
    assert list(tmp_path.iterdir()) == [path]


def test_no_weights(tables, tmp_path):
    """They are missing values in files, also in JSON, and nothing in texts."""
    table = tables["relations"].assign(weight=numpy.nan)
    assert '"weight":null' in write_table(table, tmp_path / "table.json").read_text()
    assert pandas.read_csv(write_table(table, tmp_path / "table.csv"))["weight"].isna().all()
    assert "nan" not in format_table(table).lower()


@pytest.mark.parametrize("kind", ["entities", "triples", "relations"])
def test_text(tables, kind):
    """All labels and numbers are there, and columns are aligned."""
    table = tables[kind]
    text = format_table(table)
    for name in ("entity", "head", "relation", "tail", "modality"):
        for label in table.get(name, ()):
            assert label in text
    for column, number in (
        ("weight", "{:.3f}"),
        ("score_change", "{:+.3f}"),
        ("mrr", "{:.3f}"),
        ("head_rank", "{:.1f}"),
    ):
        for value in table.get(column, ()):
            assert number.format(value) in text
    assert len({len(line) for line in text.splitlines()}) == 1


@pytest.mark.parametrize("name", ["table.txt", "table", "table.tsv.gz"])
def test_bad_suffix(tables, tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in \.tsv or \.csv or \.json"):
        write_table(tables["entities"], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_bad_places(tmp_path, monkeypatch):
    (tmp_path / "folder.tsv").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    for path in ("folder.tsv", "nowhere/table.tsv", "file/table.tsv"):
        with pytest.raises(OSError, match=f"Cannot write {path}"):
            check_path(path, [".tsv"])
    assert str(check_path("table.tsv", [".tsv"])) == "table.tsv"
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(OSError, match="Cannot write table"):
        check_path("table.tsv", [".tsv"])


@pytest.mark.parametrize("content", ["a\tr\tb\nNA\t1984\tc d\n", "\ufeffa\tr\tb\r\n\r\nNA\t1984\tc d"])
def test_reading_triples(tmp_path, content):
    """Labels are taken as they are, whatever the line ends."""
    path = tmp_path / "triples.tsv"
    path.write_bytes(content.encode())
    assert read_labeled_triples(path).tolist() == [["a", "r", "b"], ["NA", "1984", "c d"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "No columns"),
        (b"\n\n", "No columns"),
        (b"a\tr\tb\n\na\tr\n", "triple 2: this row has not three labels, but 'a', 'r'"),
        (b"a r", "has 1 columns. Triples have three"),
        (b"a\tr\tb\t\n", "has 4 columns. Triples have three"),
        (b"M\xfcnchen\tr\tb\n", "is not in UTF-8. Convert it, e.g.: iconv"),
    ],
)
def test_bad_triples(tmp_path, content, message):
    path = tmp_path / "triples.tsv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"triples.tsv.*{message}"):
        read_labeled_triples(path)


def test_datasets_that_do_not_fit():
    trained = TrainedModel(Path(), *make_case(), {})
    with pytest.raises(ValueError, match=r"There is no entity .* in the triples that the model was trained on"):
        choose_triples(trained, dataset="EmojiKG")
    with pytest.raises(ValueError, match=r"There is no dataset 'EmojiGK'. Did you mean 'emojikg'"):
        choose_triples(trained, dataset="EmojiGK")
    with pytest.raises(ValueError, match=r"There is no dataset '#'. `pykeen ls datasets` lists them all"):
        choose_triples(trained, dataset="#")


def test_datasets_without_validation(monkeypatch):
    """Only their test triples are known."""
    model, factory = make_case()
    trained = TrainedModel(Path(), model, factory, {})
    monkeypatch.setattr(directory, "load_dataset", lambda name: EagerDataset(training=factory, testing=factory))
    triples = choose_triples(trained, dataset="EmojiKG")
    assert torch.equal(triples.known, triples.triples)
    assert triples.description == f"the {factory.num_triples} test triples of EmojiKG"
