"""Triples as people have them, wherever they enter."""

import gzip
import io

import numpy
import pandas
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeen_adamf.datasets import MultimodalPathDataset
from pykeen_adamf.explaining.labels import resolve_triples
from pykeen_adamf.labeled_triples import read_labeled_triples
from pykeen_adamf.triples import MultimodalTriplesFactory

from .features.cases import relaxed

ROWS = [("berlin", "capital of", "germany"), ('12" pizza', "kind of", "food"), ("1", "next", "2")]
#: without spaces in labels
WORDS = [tuple(label.replace(" ", "_") for label in row) for row in ROWS]


def join(rows, separator, *header):
    return "".join(f"{separator.join(row)}\n" for row in [*header, *rows])


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("x.tsv", join(ROWS, "\t"), ROWS),
        ("x.csv", join(ROWS, ","), ROWS),
        ("x.csv", join(ROWS, ", "), ROWS),
        ("x.csv", join(ROWS, ";"), ROWS),
        ("x.csv", join(ROWS, "\t"), ROWS),
        ("x.txt", join(ROWS, ","), ROWS),
        ("x.txt", join(WORDS, " "), WORDS),
        ("train", join(WORDS, "   "), WORDS),
        ("x.dat", join(ROWS, "\t", ["subject", "predicate", "object"]), ROWS),
        ("x.csv", join(ROWS, ",", ["Source", " Relation", "Target"]), ROWS),
        ("x.txt", join(ROWS, ",", ["head", "relation", "tail"]), ROWS),
        ("x.tsv", '"berlin"\t"capital of"\t"germany"\n"12"" pizza"\tkind of\tfood\n1\tnext\t2\n', ROWS),
        ("x.csv", '"berlin","capital of","germany"\n"12"" pizza",kind of,food\n1,next,2\n', ROWS),
        ("x.csv", join([(*row, "0.5") for row in ROWS], ",", ["head", "relation", "tail", "weight"]), ROWS),
        ("x.csv", '"berlin","capital of","germany"\r"12"" pizza",kind of,food\r1,next,2\r', ROWS),
        pytest.param("x.tsv", join(ROWS * 2000, "\t").replace("\n", "\r"), ROWS * 2000, id="carriage returns"),
        ("x.txt", join(WORDS, " ").replace("\n", "\r"), WORDS),
        ("x.tsv", "\ufeff\r\n" + join(ROWS, "\t").replace("\n", "\r\n"), ROWS),
    ],
)
def test_texts(tmp_path, name, content, rows):
    """However columns are separated, with or without a header, compressed or not, and through the factory."""
    path, compressed = tmp_path / name, tmp_path / f"{name}.gz"
    path.write_bytes(content.encode())
    compressed.write_bytes(gzip.compress(content.encode()))
    for source in (path, str(path), compressed):
        assert [tuple(row) for row in read_labeled_triples(source)] == rows
        factory = MultimodalTriplesFactory.from_path(source, features={})
        assert {tuple(row) for row in factory.triples.tolist()} == set(rows)
    if content[0] != "\ufeff" and not name.endswith(".csv"):
        assert [tuple(row) for row in read_labeled_triples(io.StringIO(content))] == rows


FRAME = pandas.DataFrame(ROWS, columns=["head", "relation", "tail"])


@pytest.mark.parametrize(
    "source",
    [
        FRAME,
        FRAME.set_axis([0, 1, 2], axis=1),
        FRAME[["tail", "head", "relation"]].assign(weight=1.0),
        FRAME.astype("category"),
        ROWS,
        tuple(map(list, ROWS)),
        numpy.array(ROWS),
        numpy.array(ROWS, dtype=object),
    ],
)
def test_objects(source):
    """In memory, they are the same, also for explanations."""
    assert [tuple(row) for row in read_labeled_triples(source)] == ROWS
    factory = MultimodalTriplesFactory.from_labeled_triples(source, features={})
    assert factory.num_triples == 3
    dataset = MultimodalPathDataset({"training": source, "testing": source})
    assert dataset.training.num_entities == 6
    assert resolve_triples(source, factory).tolist() == resolve_triples(ROWS, factory).tolist()


@pytest.mark.parametrize(
    "source",
    [
        [(10, 0, 2), (2, 1, 10)],
        numpy.array([[10, 0, 2], [2, 1, 10]]),
        torch.tensor([[10, 0, 2], [2, 1, 10]]),
        pandas.DataFrame({"head": [10, 2], "relation": [0, 1], "tail": [2, 10]}),
    ],
)
def test_integers(source):
    """They are labels like others."""
    assert read_labeled_triples(source).tolist() == [["10", "0", "2"], ["2", "1", "10"]]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (FRAME.assign(tail=["a", None, "b"]), "The data frame, triple 2: this row has not three labels, but '12"),
        ([("a", "r", "b"), ("a", "r")], "The list of triples, triple 2: this row has not three labels, but 'a', 'r'"),
        ([(1, 2, float("nan"))], "triple 1: this row has not three labels, but '1', '2'"),
        ([1, 2, 3], "The list of triples has 1 columns"),
        (["a", "r", "b"], "The list of triples has 1 columns. Triples have three, or a header"),
        (FRAME.assign(more="x").set_axis(list("abcd"), axis=1), "The data frame has 4 columns"),
        (numpy.array(["a", "r", "b"]), r"must have three columns, head, relation.* tail, but their shape is \(3,\)"),
        ([], "The list of triples has "),
    ],
)
def test_bad_objects(source, message):
    with pytest.raises(ValueError, match=message):
        read_labeled_triples(source)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.nt", b"<http://x/a> <http://x/r> nonsense\n", r"x\.nt cannot be read as N-Triples"),
        ("x.nt.gz", b"<a> <b> <c> .\n", r"x\.nt\.gz cannot be read; it may be truncated"),
        ("x.tsv", b"two words\tr\n", r"x\.tsv has 2 columns"),
        ("x.csv", b"a" * 2**18 + b",r,b\n", r"x\.csv cannot be read as a table"),
        ("x.parquet", b"PAR1", r"x\.parquet cannot be read as a table"),
        ("x.xlsx", b"PK\x03\x04\xff\xfe", r"x\.xlsx is not in UTF-8.* if it is no text, save it as \.tsv"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        MultimodalTriplesFactory.from_path(tmp_path / name, features={})


def test_texts_that_are_none(tmp_path):
    """Parquet says that its texts are in UTF-8, which nothing looks at."""
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "x.parquet"
    columns = [pyarrow.array([x], pyarrow.binary()).view(pyarrow.string()) for x in (b"a", b"r", b"\xff\xfe")]
    pyarrow.parquet.write_table(pyarrow.table(columns, names=["head", "relation", "tail"]), path)
    with pytest.raises(ValueError, match=r"x\.parquet cannot be read as a table.*UTF8"):
        read_labeled_triples(path)


def test_a_header_with_other_names(tmp_path, caplog):
    """It cannot be told from a triple, but it is suspicious."""
    rows = [(f"e{i}", "next", f"e{i + 1}") for i in range(10)]
    (tmp_path / "x.csv").write_text(join(rows, ",", ["von", "art", "nach"]))
    assert len(read_labeled_triples(tmp_path / "x.csv")) == 11
    assert "x.csv: the labels of the first triple, 'von', 'art', 'nach', occur nowhere else" in caplog.text
    caplog.clear()
    read_labeled_triples(rows)
    assert not caplog.text


label = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"'), min_size=1).filter(
    lambda text: text == text.strip() and not text.startswith("\ufeff")
)


@settings(relaxed, max_examples=15)
@given(st.lists(st.tuples(label, label, label), min_size=1), st.sampled_from(["\t", ","]))
def test_what_pandas_writes(tmp_path_factory, rows, separator):
    """It is read as it was, whatever is in it."""
    path = tmp_path_factory.mktemp("triples") / ("x.csv" if separator == "," else "x.tsv")
    frame = pandas.DataFrame(rows, columns=["head", "relation", "tail"])
    frame.to_csv(path, sep=separator, index=False)
    assert [tuple(row) for row in read_labeled_triples(path)] == rows


def test_pykeens_parameters(tmp_path):
    """They are PyKEEN's business."""
    (tmp_path / "x.txt").write_text("a|b|r\n")
    factory = MultimodalTriplesFactory.from_path(
        tmp_path / "x.txt", features={}, load_triples_kwargs={"delimiter": "|", "column_remapping": (0, 2, 1)}
    )
    assert factory.triples.tolist() == [["a", "r", "b"]]
    assert factory.metadata["path"] == tmp_path / "x.txt"
