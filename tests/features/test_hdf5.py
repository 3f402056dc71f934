"""HDF5 files with one dataset for each entity."""

import sys
import time

import numpy
import pytest

from pykeen_adamf.features import FeatureError, read_features

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "images.h5"


def store(path, vectors):
    with h5py.File(path, "w") as file:
        for label, value in vectors.items():
            file[label] = value


def vectors_of(features):
    return dict(zip(features.labels, features.matrix.tolist(), strict=True))


def test_several_vectors_of_an_entity_are_averaged(path):
    store(
        path,
        {
            "one": numpy.array([1.0, 2.0]),
            "one of many": numpy.array([[3.0, 4.0]]),
            "three": numpy.array([[0.0, 0.0], [1.0, 2.0], [2.0, 7.0]]),
            "grid": numpy.arange(8.0).reshape(2, 2, 2),
        },
    )
    assert vectors_of(read_features(path)) == {
        "one": [1.0, 2.0],
        "one of many": [3.0, 4.0],
        "three": [1.0, 3.0],
        "grid": [3.0, 4.0],
    }


@pytest.mark.parametrize(
    "label",
    [
        "http://example.org/resource/Ada",
        "<http://example.org/resource/Ada>",
        "/leading",
        "trailing/",
        "a//b///c",
        "a/b",
        "NA",
        "1984",
        "näme",
        "with space",
        "a.b",
    ],
)
def test_labels_that_look_like_paths(path, label):
    """HDF5 collapses slashes; looking the given labels up gets them back as they were."""
    store(path, {label: numpy.ones(2), "other": numpy.zeros(2)})
    features = read_features(path, labels=["other", label, "third"])
    assert vectors_of(features) == {label: [1.0, 1.0], "other": [0.0, 0.0]}
    assert features.align(["other", label, "third"]).presence.tolist() == [True, True, False]


@pytest.mark.parametrize("vectors", [{"a": 1, "b": 2}, {"a": numpy.array([[0], [2]]), "b": numpy.array([[2], [2]])}])
def test_integers(path, vectors):
    """One for each entity, or several, which are averaged as others are."""
    store(path, vectors)
    assert vectors_of(read_features(path, "ab")) == {"a": [1.0], "b": [2.0]}


def test_labels_in_a_common_folder(path):
    labels = [f"http://example.org/{name}" for name in ("a", "b", "c/d")]
    store(path, {label: numpy.full(2, i, dtype="f4") for i, label in enumerate(labels)})
    assert vectors_of(read_features(path, labels)) == {label: [i, i] for i, label in enumerate(labels)}


def test_unknown_label(path):
    store(path, {"Ada": numpy.ones(2), "http://example.org/Bob": numpy.ones(2)})
    features = read_features(path, labels=["Ada", "Charles"])
    with pytest.raises(FeatureError, match=r"images\.h5 has rows for 'http:/example.org/Bob'"):
        features.align(["Ada", "Charles"])


def test_one_matrix_in_a_folder(path):
    store(path, {"group/matrix": numpy.arange(6.0).reshape(3, 2)})
    assert vectors_of(read_features(path, labels="abc")) == {"a": [0, 1], "b": [2, 3], "c": [4, 5]}


def test_one_entity_with_several_vectors_is_not_a_matrix(path):
    store(path, {"http://a": numpy.array([[1.0, 2.0], [3.0, 6.0]])})
    features = read_features(path, labels=["b", "http://a"])
    assert vectors_of(features) == {"http://a": [2.0, 4.0]}


def test_an_entity_may_be_missing_explicitly(path):
    store(path, {"a": numpy.full(2, numpy.nan), "b": numpy.ones(2)})
    assert read_features(path, "ab").align("ab").presence.tolist() == [False, True]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_entity_without_images_is_missing(path):
    """Its dataset may be there, but empty."""
    store(path, {"a": numpy.ones((0, 2)), "b": numpy.ones((3, 2))})
    assert read_features(path, "ab").align("ab").presence.tolist() == [False, True]


def test_entities_may_share_a_dataset(path):
    """``file["b"] = file["a"]`` is how HDF5 stores the same image of two entities once."""
    store(path, {"a": numpy.ones(2), "c": numpy.zeros(2)})
    with h5py.File(path, "a") as file:
        file["b"] = file["a"]
    features = read_features(path, labels="abc").align("abc")
    assert features.presence.tolist() == [True, True, True]
    assert features.matrix.tolist() == [[1, 1], [1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        pytest.param({}, "must have one vector", id="empty"),
        pytest.param({"a": numpy.ones(2), "b": numpy.ones(3)}, "vector of the same length", id="other lengths"),
        pytest.param({"a": numpy.ones(2), "b": numpy.array([numpy.inf, 1])}, "infinite values for 'b'", id="infinite"),
        pytest.param({"a": numpy.ones(2), "b": numpy.array([[numpy.nan, 1], [1, 1]])}, "for 'b'", id="NaN"),
        pytest.param({"a": ["x"], "b": ["y"]}, "objects|no real numbers", id="text"),
        pytest.param({"a": "x", "b": "y"}, "objects|no real numbers", id="a text"),
        pytest.param({"m": numpy.ones((3, 2))}, "3 rows, but there are 2 entities", id="matrix with too many rows"),
        pytest.param({"m": numpy.ones((1, 2))}, "1 rows, but there are 2 entities", id="matrix with too few rows"),
    ],
)
def test_invalid_content(path, vectors, message):
    store(path, vectors)
    with pytest.raises(FeatureError, match=message) as info:
        read_features(path, labels="ab")
    assert str(path) in str(info.value)


def test_without_h5py(path, monkeypatch):
    """It is an optional dependency, and the message tells how to install it."""
    store(path, {"a": numpy.ones(2)})
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(FeatureError, match=r"images\.h5 needs h5py.*pip install pykeen-adamf\[h5\]"):
        read_features(path, labels="a")


def test_many_chunks(path):
    """To look at compressed parts takes a time that grows with their number, not with its square."""
    num = 20_000
    with h5py.File(path, "w") as file:
        file.create_dataset("features", chunks=(1, 1), compression="gzip", data=numpy.ones((num, 1), dtype="f4"))
    start = time.process_time()
    read_features(path, labels=list(map(str, range(num))))
    assert time.process_time() - start < 8
