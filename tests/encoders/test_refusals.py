"""What is refused before anything is encoded."""

import pytest

from pykeen_adamf.encoders import EncodingError, Item, encode, encode_source
from pykeen_adamf.encoders.items import as_items
from pykeen_adamf.encoders.partial import PartialResult

from .cases import LetterEncoder, save_image

TEXTS = {f"e{i}": "abcdefgh"[: i + 1] * 3 for i in range(8)}


@pytest.fixture
def output(tmp_path):
    return tmp_path / "features.safetensors"


def _encode(items, output, encoder=None, **kwargs):
    return encode(items, encoder or LetterEncoder(), output, **{"progress": False, "batch_size": 3, **kwargs})


# --- items and options


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({}, "nothing to encode"),
        ([], "nothing to encode"),
        ({"a": "x", " ": "y"}, "called ' '"),
        ([Item("a", ["x"]), Item("a", ["y"])], "'a' occurs twice"),
        ({"\udcf6": "x"}, "not in UTF-8"),
        ({3: "x"}, "must be a string, but there is 3, of type int"),
        ({"a": None}, "'a' has None, of type NoneType"),
        ({"a": float("nan")}, "'a' has nan, of type float"),
        ({"a": b"x"}, "of type bytes"),
        ({"a": ["x", 3]}, "'a' has 3"),
        ([Item("a", "text")], "must be a list"),
        (["a"], "rather than 'a'"),
    ],
)
def test_bad_items(output, items, message):
    with pytest.raises(EncodingError, match=message):
        _encode(items, output)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"batch_size": 0}, "batch size must be positive"),
        ({"dtype": "float64"}, r"one of float16, float32, but is 'float64'"),
        ({"dim": 0}, "dim=0"),
        ({"dim": 9}, "dim=9: there are 8 entities and 8 dimensions"),
    ],
)
def test_bad_options(output, tmp_path, kwargs, message):
    encoder = LetterEncoder()
    with pytest.raises(EncodingError, match=message):
        _encode(TEXTS, output, encoder, **kwargs)
    assert not encoder.batches
    assert not list(tmp_path.iterdir())


# --- outputs, reports and sources


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere/f.safetensors", "does not exist"),
        ("file/f.safetensors", "does not exist, or is none"),
        ("folder.safetensors", "is a folder"),
        ("f.pth", r"written as \.safetensors"),
        (f"{'x' * 300}.safetensors", "Cannot write"),
    ],
)
def test_unwritable_output(tmp_path, place, message):
    """It is refused before anything is encoded, and leaves nothing."""
    (tmp_path / "file").touch()
    (tmp_path / "folder.safetensors").mkdir()
    before = set(tmp_path.rglob("*"))
    encoder = LetterEncoder()
    with pytest.raises(EncodingError, match=message) as info:
        _encode(TEXTS, tmp_path / place, encoder)
    assert place in str(info.value)
    assert not encoder.batches
    assert set(tmp_path.rglob("*")) == before


def test_unwritable_report(output, tmp_path):
    encoder = LetterEncoder()
    with pytest.raises(EncodingError, match="Cannot write the report"):
        _encode(TEXTS, output, encoder, report=tmp_path / "nowhere" / "report.json")
    assert not encoder.batches


@pytest.mark.parametrize("name", ["features.safetensors", "link", "hard link", "x/../features.safetensors"])
@pytest.mark.parametrize("is_there", [True, False])
def test_report_must_not_replace_the_output(output, tmp_path, name, is_there):
    (tmp_path / "x").mkdir()
    if is_there:
        _encode(TEXTS, output)
    elif name == "hard link":
        pytest.skip("there are none to nothing")
    before = output.read_bytes() if is_there else None
    (tmp_path / "link").symlink_to(output)
    if is_there:
        (tmp_path / "hard link").hardlink_to(output)
    encoder = LetterEncoder()
    with pytest.raises(EncodingError, match="which is the output"):
        _encode(TEXTS, output, encoder, report=tmp_path / name)
    assert not encoder.batches
    assert (output.read_bytes() if output.exists() else None) == before


def test_nothing_replaces_the_source(tmp_path, output):
    table, text = tmp_path / "table.tsv", tmp_path / "a.txt"
    table.write_text("a\tx\n")
    text.write_text("some text")
    link = tmp_path / "link.safetensors"
    link.symlink_to(table)
    with pytest.raises(EncodingError, match="which is to be encoded"):
        encode_source(table, output, "huggingface", {"model": "nobody/nothing"}, report=table)
    with pytest.raises(EncodingError, match=r"The output cannot.*which is to be encoded"):
        encode_source(table, link, "huggingface", {"model": "nobody/nothing"})
    with pytest.raises(EncodingError, match="which is to be encoded"):
        _encode({"a": text}, output, report=text)
    assert (table.read_text(), text.read_text()) == ("a\tx\n", "some text")


def test_report_that_cannot_be_replaced(output, tmp_path, monkeypatch):
    report = tmp_path / "report.json"
    report.write_text("{}")
    monkeypatch.setattr("os.access", lambda path, mode: path != report)
    with pytest.raises(EncodingError, match="Cannot write the report"):
        _encode(TEXTS, output, report=report)
    with pytest.raises(EncodingError, match="Cannot write the report"):
        _encode(TEXTS, output, report=tmp_path / ("x" * 300))


def test_report_among_partial_results(output):
    _encode(TEXTS, output)
    directory = PartialResult.directory_of(output)
    directory.mkdir()
    with pytest.raises(EncodingError, match="its folder is removed"):
        _encode(TEXTS, output, report=directory / "report.json")


def test_unwritable_output_is_noticed_before_a_model_is_loaded(tmp_path):
    with pytest.raises(EncodingError, match="Cannot write"):
        encode_source(tmp_path, tmp_path / "no" / "f.safetensors", "huggingface", {"model": "nobody/nothing"})


def test_bad_source_is_noticed_before_a_model_is_loaded(tmp_path, output):
    with pytest.raises(EncodingError, match="no texts in"):
        encode_source(tmp_path, output, "huggingface", {"model": "nobody/nothing"})


def test_visual_items_are_paths(tmp_path):
    path = save_image(tmp_path / "a.png")
    assert as_items({"a": str(path)}, "visual") == [Item("a", [path])]
    assert as_items({"a": str(path)}, "textual") == [Item("a", [str(path)])]
