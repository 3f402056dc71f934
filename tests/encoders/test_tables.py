"""Tab-separated files of images and texts."""

import csv
import tempfile
from pathlib import Path

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeen_adamf.encoders import EncodingError, Item, encode, read_table

from .cases import PixelEncoder, save_image


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a table, and reads it."""

    def run(content, modality="textual"):
        path = tmp_path / "table.tsv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, modality)

    return run


EXPECTED = [Item("a", ["first text"], []), Item("b", ["zweiter, mit Ümlaut"], [])]


@pytest.mark.parametrize(
    "content",
    [
        "a\tfirst text\nb\tzweiter, mit Ümlaut\n",
        "a\tfirst text\nb\tzweiter, mit Ümlaut",
        "a\tfirst text\r\nb\tzweiter, mit Ümlaut\r\n",
        "\ufeffa\tfirst text\nb\tzweiter, mit Ümlaut\n",
        "\n\na\tfirst text\n\nb\tzweiter, mit Ümlaut\n\n",
        '"a"\t"first text"\nb\t"zweiter, mit Ümlaut"\n',
    ],
    ids=["plain", "no end", "CRLF", "BOM", "blank lines", "quoted"],
)
def test_texts(read, content):
    assert read(content) == EXPECTED


@pytest.mark.parametrize("header", ["entity\ttext", "ID\t Description", '"label"\t"caption"'])
def test_headers(read, header):
    """Names of columns are no entity; elsewhere, and in other company, they are."""
    assert read(f"{header}\na\tfirst text\nb\tzweiter, mit Ümlaut\n") == EXPECTED
    assert len(read(f"a\tx\n{header}\n")) == 2
    assert [item.entity for item in read("entity\tis what philosophers talk about\n")] == ["entity"]


def test_commas(tmp_path):
    """That is what the suffix says."""
    (tmp_path / "x.csv").write_text('entity,text\na,first text\nb,"zweiter, mit Ümlaut"\n', encoding="utf-8")
    assert read_table(tmp_path / "x.csv", "textual") == EXPECTED
    (tmp_path / "x.csv").write_text("a\tfirst text\n")
    with pytest.raises(EncodingError, match=r"must be two fields.*separated by a comma, but there is one"):
        read_table(tmp_path / "x.csv", "textual")


def test_quotation_marks_inside(read):
    assert read('a\tthe "quoted" one"\n') == [Item("a", ['the "quoted" one"'], [])]
    assert read('a\t"""Heroes"" is a song"\n') == [Item("a", ['"Heroes" is a song'], [])]
    assert read('a\t"two\nlines"\nb\tx\n') == [Item("a", ["two\nlines"], []), Item("b", ["x"], [])]


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip), min_size=1))
def test_what_pandas_has_written(texts):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "table.tsv"
        frame = pandas.DataFrame(texts.items())
        try:
            frame.to_csv(path, sep="\t", header=False, index=False, quoting=csv.QUOTE_ALL)
        except UnicodeEncodeError:
            return
        assert read_table(path, "textual") == [Item(entity, [text], []) for entity, text in texts.items()]


@pytest.mark.parametrize("form", ["a\t{}\nb\tx\n", 'a\t"{}"\nb\tx\n'])
def test_long_texts(read, form):
    """Longer than what the library allows, whose limit stays as it is for others."""
    before = csv.field_size_limit()
    text = "word " * 60_000 + "end"
    assert read(form.format(text)) == [Item("a", [text], []), Item("b", ["x"], [])]
    with pytest.raises(EncodingError):
        read("a\n")
    assert csv.field_size_limit() == before < len(text)


def test_empty_text_is_a_problem(read, tmp_path):
    first, second = read("a\t \nb\tx\n")
    assert second == Item("b", ["x"], [])
    (problem,) = first.problems
    assert not first.sources
    assert str(problem) == f"a: {tmp_path / 'table.tsv'}, line 1: the text is empty"


def test_several_images_of_an_entity(read, tmp_path):
    items = read("a\tx/1.png\nb\t2.png\na\t3.png\n", "visual")
    assert items == [Item("a", [tmp_path / "x" / "1.png", tmp_path / "3.png"], []), Item("b", [tmp_path / "2.png"], [])]


def test_labels_may_be_anything(read):
    assert [item.entity for item in read("http://x.org/a b\tx\n<http://y>\ty\n NA \tz\n")] == [
        "http://x.org/a b",
        "<http://y>",
        " NA ",
    ]


def test_two_texts_of_an_entity(read):
    with pytest.raises(EncodingError, match=r"table\.tsv, line 4: the entity 'a' already has a text in line 1"):
        read("a\tx\nb\ty\n\na\tz\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tx\nb\n", r"line 2: there must be two fields.*is one"),
        ("a\tx\n\nb\ty\tz\n", r"line 3: there must be two fields.*are 3"),
        ("a\tx\n\ty\n", r"line 2: there is no entity"),
        ("a\tx\n \ty\n", r"line 2: there is no entity"),
        ('a\tx\nb\t"Heroes" is a song\n', r"line 2: bad quoting.*must be doubled"),
        ('a\tx\nb\t"not closed\nc\tz\n', r"line 2: bad quoting"),
        ('"a\tx\nb\ty\n', r"line 1: bad quoting"),
        ('a\t"two\nlines"\nb\n', r"line 3: there must be two fields"),
        ("", r"table\.tsv is empty"),
        ("\n\n", r"table\.tsv is empty"),
        ("\ufeff", r"table\.tsv is empty"),
    ],
)
def test_malformed(read, content, message):
    with pytest.raises(EncodingError, match=message):
        read(content)


@pytest.mark.parametrize(
    ("content", "line"),
    [("a\tx\nb\tMünchen\n".encode("latin1"), 2), ("a\tx\n".encode("utf-16"), 1)],
)
def test_other_encodings(read, content, line):
    with pytest.raises(EncodingError, match=rf"table\.tsv, line {line}: this is not in UTF-8"):
        read(content)


def test_missing_file(tmp_path):
    with pytest.raises(EncodingError, match=r"nowhere\.tsv does not exist"):
        read_table(tmp_path / "nowhere.tsv", "textual")


# --- where paths lead


@pytest.mark.parametrize("path", ["../outside.png", "x/../../outside.png", "link.png"])
def test_relative_paths_stay_in_the_folder(tmp_path, path):
    save_image(tmp_path / "outside.png")
    folder = tmp_path / "folder"
    (folder / "x").mkdir(parents=True)
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "table.tsv").write_text(f"a\t{path}\n")
    (item,) = read_table(folder / "table.tsv", "visual")
    assert not item.sources
    (problem,) = item.problems
    assert (problem.entity, problem.source) == ("a", path)
    assert "leads outside" in problem.reason


def test_absolute_paths_may_lead_anywhere(tmp_path):
    image = save_image(tmp_path / "outside.png")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "table.tsv").write_text(f"a\t{image}\n")
    assert read_table(tmp_path / "folder" / "table.tsv", "visual") == [Item("a", [image], [])]


@pytest.mark.parametrize("path", ["x" * 300 + ".png", "x\0y.png", "nowhere.png", "."])
def test_impossible_paths_are_problems(read, tmp_path, path):
    """A table of texts given to an image encoder, for instance."""
    items = read(f"a\t{path}\nb\tx.png\n", "visual")
    report = encode(items, PixelEncoder(), tmp_path / "f.safetensors", progress=False)
    assert [problem.entity for problem in report.problems] == ["a", "b"]


def test_empty_path_is_a_problem(read):
    first, _ = read("a\t\nb\tx.png\n", "visual")
    assert not first.sources
    assert first.problems[0].reason == "the path is empty"
