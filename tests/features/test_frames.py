"""Features in tables: data frames, CSV and Parquet, as people have them."""

import numpy
import pandas
import pytest
import torch

from pykeen_adamf.features import FeatureError, ModalityFeatures, as_features, read_features

LABELS = ["berlin", "paris", "007"]
EXPECTED = ModalityFeatures.from_matrix(torch.tensor([[1.0, 2.5], [0.0, -3.0], [7.0, 0.0]]), LABELS)


def make_frame(**kwargs):
    return pandas.DataFrame({"x": [1, 0, 7], "y": [2.5, -3.0, 0.0]}, **kwargs)


@pytest.mark.parametrize(
    "source",
    [
        make_frame(index=LABELS),
        make_frame(index=pandas.Index(LABELS, name="city")).reset_index(),
        make_frame(),
        pandas.DataFrame({"entity": LABELS, "vector": [[1.0, 2.5], (0, -3), numpy.array([7, 0])]}),
        make_frame(index=LABELS).convert_dtypes(),
        {"berlin": [1, 2.5], "paris": (0, -3), "007": torch.tensor([7, 0])},
        [[1, 2.5], [0, -3], [7, 0]],
    ],
    ids=["index", "first column", "order", "vectors", "nullable", "mapping", "lists"],
)
def test_sources(source):
    """By label where there are labels, or else in the order of entities."""
    features = as_features(source, LABELS, "visual")
    assert features.labels == tuple(LABELS)
    assert features.matrix.tolist() == EXPECTED.matrix.tolist()


@pytest.mark.parametrize(
    "source",
    [
        pandas.Series([1.0, 2.0, numpy.nan], index=LABELS),
        [1, 2, None],
        {"berlin": 1, "paris": 2.0},
        numpy.array([1.0, 2.0, numpy.nan]),
        pandas.DataFrame({"id": LABELS[:2], "population": [1, 2]}),
    ],
    ids=["series", "list", "mapping", "array", "frame"],
)
def test_one_number_for_each_entity(source):
    features = as_features(source, LABELS, "visual").align(LABELS)
    assert features.matrix.tolist() == [[1], [2], [0]]
    assert features.presence.tolist() == [True, True, False]


def test_labels_that_are_numbers():
    """They are texts for everybody else."""
    frame = pandas.DataFrame({"entity": [3, 5], "x": [0.5, 1.5]})
    for source in (frame, frame.set_index("entity"), {3: 0.5, 5: 1.5}):
        assert as_features(source, None, "visual").labels == ("3", "5")


@pytest.mark.parametrize(
    "content",
    [
        "entity,x,y\nberlin,1,2.5\nparis,0,-3\n007,7,0\n",
        "berlin,1,2.5\nparis,0,-3\n007,7,0\n",
        "\ufeff,x,y\r\nberlin,1,2.5\r\n paris, 0, -3\r\n007,7,0\r\n",
        "name;x;y\nberlin;1;2.5\nparis;0;-3\n007;7;0\n",
        '"entity","x","y"\n"berlin","1","2.5"\n"paris","0","-3"\n"007","7","0"\n',
    ],
    ids=["header", "no header", "BOM and CRLF", "semicolons", "quotes"],
)
def test_comma_separated(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content.encode())
    features = read_features(tmp_path / "x.csv").align([*LABELS, "a b"])
    assert features.presence.tolist() == [True, True, True, False]
    assert features.matrix[:3].tolist() == EXPECTED.matrix.tolist()


def test_missing_rows(tmp_path):
    """An entity without any number misses the modality."""
    (tmp_path / "x.tsv").write_text("entity\tx\ty\na\t1\t2\nb\t\tNaN\n")
    assert read_features(tmp_path / "x.tsv").presence.tolist() == [True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "x.csv cannot be read as a table"),
        ("berlin\nparis\n", "x.csv is damaged, or no table of features: each row must have a label, and then numbers"),
        ("entity,x,y\na,1,2\nb,1,\n", "has only some of the values of 'b', and of 0 others.*'numeric', which knows ho"),
        ("entity,text\na,Berlin is a city\n", "has 'Berlin is a city' for 'a', which is no number.*encode texts and"),
        ("entity,x\na,1\nb,tall\n", "has 'tall' for 'b', which is no number"),
        ("entity,x\na,1\na,2\n", "more than one row for 'a'"),
        ("entity,x\na,1e60\n", "NaN or infinite values for 'a'"),
    ],
)
def test_bad_tables(tmp_path, content, message):
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(FeatureError, match=message) as info:
        read_features(tmp_path / "x.csv")
    assert "x.csv" in str(info.value)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (make_frame(index=["a", None, "b"]), "has a row without a label, the 2th"),
        (pandas.DataFrame({"entity": ["a"], "born": ["1912-06-23"], "x": [1]}), "'born' of .* has no numbers, but, e"),
        (pandas.DataFrame({"entity": ["a", "b"], "x": [[1.0], [1.0, 2.0]]}), "a vector of equal length in each row"),
        (pandas.DataFrame({"x": ["a", "b"]}), "a vector of equal length in each row|'x' of .* has no numbers"),
    ],
)
def test_bad_frames(frame, message):
    with pytest.raises(FeatureError, match=message):
        as_features(frame, ["a", "b"], "visual")
