"""Reading the OpenKE format, and telling what is wrong with a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeen_adamf.datasets.openke import DatasetFormatError, read_mapping, read_triples

from ..features.cases import label_texts, relaxed


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some2id.txt"


@pytest.fixture(scope="module")
def shared_path(tmp_path_factory):
    return tmp_path_factory.mktemp("openke") / "some2id.txt"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2\na 0\nb 1\n", {"a": 0, "b": 1}, id="plain"),
        pytest.param("2\na 0\nb 1", {"a": 0, "b": 1}, id="no line end at the end"),
        pytest.param("2\na 0\nb 1\n\n\n", {"a": 0, "b": 1}, id="empty lines at the end"),
        pytest.param("2\r\na 0\r\nb 1\r\n", {"a": 0, "b": 1}, id="line ends of Windows"),
        pytest.param(" 2 \na\t0\nb   1 \n", {"a": 0, "b": 1}, id="other white space"),
        pytest.param("2\nb 1\na 0\n", {"b": 1, "a": 0}, id="numbers in another order"),
        pytest.param("2\ntwo words 0\n1984 1\n", {"two words": 0, "1984": 1}, id="labels with spaces, or of digits"),
        pytest.param("1\na\u2028b\x0bc\x85d 0\n", {"a\u2028b\x0bc\x85d": 0}, id="characters that look like line ends"),
        pytest.param("1\nπ 0\n", {"π": 0}, id="not ASCII"),
        pytest.param("\ufeff2\r\na 0\r\nb 1\r\n", {"a": 0, "b": 1}, id="byte order mark"),
    ],
)
def test_mapping(path, text, expected):
    path.write_bytes(text.encode("utf-8"))
    mapping = read_mapping(path)
    assert mapping == expected
    assert list(mapping) == list(expected)


@relaxed
@given(st.lists(label_texts.filter(lambda x: x == " ".join(x.split()) and x), unique=True, min_size=1), st.randoms())
def test_any_mapping(shared_path, labels, random):
    ids = list(range(len(labels)))
    random.shuffle(ids)
    expected = dict(zip(labels, ids, strict=True))
    lines = [str(len(labels)), *(f"{label} {i}" for label, i in expected.items())]
    shared_path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_mapping(shared_path) == expected


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        pytest.param("", ":1", "must be the number of the following lines", id="empty file"),
        pytest.param("\n", ":1", "must be the number of the following lines", id="empty line"),
        pytest.param("a 0\nb 1\n", ":1", "must be the number of the following lines", id="no count"),
        pytest.param("-2\na 0\nb 1\n", ":1", "must be the number of the following lines", id="negative count"),
        pytest.param("2.0\na 0\nb 1\n", ":1", "must be the number of the following lines", id="broken count"),
        pytest.param(
            "3\na 0\nb 1\n", ":1", "there are 3 lines, but 2 follow. The file may be trunc", id="too few lines"
        ),
        pytest.param("1\na 0\nb 1\n", ":1", "there are 1 lines, but 2 follow.*correct its", id="too many lines"),
        pytest.param("2\na 0\n", ":1", "there are 2 lines, but 1 follow", id="truncated between lines"),
        pytest.param("2\na 0\nb", ":3", "must be a label and its number, but is 'b'", id="truncated in a line"),
        pytest.param("2\na 0\nb x\n", ":3", "must be a label and its number, but is 'b x'", id="no number"),
        pytest.param("2\na 0\nb 1.0\n", ":3", "must be a label and its number", id="broken number"),
        pytest.param("2\na 0\nb -1\n", ":3", "must be a label and its number", id="negative number"),
        pytest.param("2\na 0\nb ²\n", ":3", "must be a label and its number", id="superscript"),
        pytest.param("2\na 0\n1\n", ":3", "must be a label and its number, but is '1'", id="no label"),
        pytest.param("2\na 0\n 1\n", ":3", "must be a label and its number", id="label of a space"),
        pytest.param("3\na 0\n\nb 1\n", ":3", "must be a label and its number, but is ''", id="empty line between"),
        pytest.param("2\na 0\na 1\n", ":3", "has the label 'a' for the second time", id="duplicated label"),
        pytest.param("2\na 0\nb 0\n", "", "from 0 to 1, each number once", id="duplicated number"),
        pytest.param("2\na 1\nb 2\n", "", "from 0 to 1, each number once", id="counting from one"),
        pytest.param("2\na 0\nb 2\n", "", "from 0 to 1, each number once", id="gap"),
        pytest.param("1\na 99999999999999999999\n", "", "from 0 to 0, each number once", id="huge number"),
    ],
)
def test_broken_mappings(path, text, where, message):
    """The message names the file, the line, and what is to be there."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetFormatError, match=message) as info:
        read_mapping(path)
    assert f"{path}{where}" in str(info.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2\n0 1 0\n2 0 1\n", [[0, 0, 1], [2, 1, 0]], id="plain"),
        pytest.param("2\r\n0\t1\t0\r\n2 0  1\r\n", [[0, 0, 1], [2, 1, 0]], id="other white space"),
        pytest.param("2\n0 1 0\n0 1 0\n", [[0, 0, 1], [0, 0, 1]], id="duplicates are kept"),
        pytest.param("2\n2 0 1\n0 1 0", [[2, 1, 0], [0, 0, 1]], id="the order of lines is kept"),
        pytest.param("1\n1 1 1\n", [[1, 1, 1]], id="loop"),
        pytest.param("0\n", [], id="none"),
        pytest.param("0", [], id="none, without a line end"),
    ],
)
def test_triples(path, text, expected):
    """The second column of the file is the tail; PyKEEN's second column is the relation."""
    path.write_bytes(text.encode("utf-8"))
    triples = read_triples(path, num_entities=3, num_relations=2)
    assert triples.tolist() == expected
    assert triples.shape == (len(expected), 3)
    assert not triples.is_floating_point()


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        pytest.param("", ":1", "must be the number of the following lines", id="empty file"),
        pytest.param("0 1 0\n0 1 1\n", ":1", "must be the number of the following lines", id="no count"),
        pytest.param("3\n0 1 0\n0 1 1\n", ":1", "there are 3 lines, but 2 follow", id="too few lines"),
        pytest.param("1\n0 1 0\n0 1 1\n", ":1", "there are 1 lines, but 2 follow", id="too many lines"),
        pytest.param("2\n0 1 0\n0 1\n", ":3", "must be the numbers of a head, a tail, a relation", id="two columns"),
        pytest.param("1\n0 1 0 0\n", ":2", "must be the numbers of a head, a tail, a relation", id="four columns"),
        pytest.param("2\n0 1 0\n\n0 1 1\n", ":1", "2 lines, but 3 follow", id="empty line between"),
        pytest.param("3\n0 1 0\n\n0 1 1\n", ":3", "must be the numbers of a head", id="empty line that is counted"),
        pytest.param("1\na b c\n", ":2", "must be the numbers of a head", id="labels"),
        pytest.param("1\n0,1,0\n", ":2", "must be the numbers of a head", id="commas"),
        pytest.param("1\n0.0 1 0\n", ":2", "must be the numbers of a head", id="broken number"),
        pytest.param("1\n0 -1 0\n", ":2", "must be the numbers of a head", id="negative number"),
        pytest.param("2\n0 1 0\n3 0 0\n", ":3", "has the entity 3, but there are only 3.*order of colu", id="head"),
        pytest.param("2\n0 1 0\n0 7 0\n", ":3", "has the entity 7, but there are only 3.*order of colu", id="tail"),
        pytest.param("2\n0 1 0\n0 1 2\n", ":3", "has the relation 2, but there are only 2.*order of c", id="relation"),
        pytest.param("1\n99999999999999999999 0 0\n", ":2", "has the entity 99999999999999999999", id="huge entity"),
        pytest.param(
            "1\n0 0 99999999999999999999\n", ":2", "has the relation 99999999999999999999", id="huge relation"
        ),
    ],
)
def test_broken_triples(path, text, where, message):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetFormatError, match=message) as info:
        read_triples(path, num_entities=3, num_relations=2)
    assert f"{path}{where}" in str(info.value)


@pytest.mark.parametrize("read", [read_mapping, lambda path: read_triples(path, 3, 2)], ids=["mapping", "triples"])
class TestFilesThatCannotBeRead:
    def test_missing(self, path, read):
        with pytest.raises(DatasetFormatError, match=r"does not exist\. Put it there, or leave out directory=") as info:
            read(path)
        assert str(path) in str(info.value)

    def test_directory(self, path, read):
        path.mkdir()
        with pytest.raises(DatasetFormatError, match="does not exist") as info:
            read(path)
        assert str(path) in str(info.value)

    @pytest.mark.parametrize("content", [b"1\n\xff\xfe 0\n", b"\x1f\x8b\x08\x00", "1\nü 0\n".encode("latin-1")])
    def test_not_utf8(self, path, read, content):
        path.write_bytes(content)
        with pytest.raises(DatasetFormatError, match="is not a text file in UTF-8") as info:
            read(path)
        assert str(path) in str(info.value)

    def test_web_page(self, path, read):
        path.write_text("<!DOCTYPE html>\n<html>404: Not Found</html>")
        with pytest.raises(DatasetFormatError, match=r":1 must be the number of the following lines, but is '<!DOC"):
            read(path)
