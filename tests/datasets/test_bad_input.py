"""Directories that are not in order: a clear message, and nothing half-done."""

import numpy
import pytest
import torch

from pykeen_adamf.datasets import DB15K, DatasetFormatError
from pykeen_adamf.features import FEATURE_SUFFIXES, FeatureError, ModalityFeatures

from ..features.test_bad_files import Payload
from .cases import ENTITIES, NAMES, TRAIN, content_of, listing, make_matrix, write_benchmark


def damage(text, kind):
    """Break the content of a file; returns the content, and what the message says."""
    first, *lines = text.splitlines()
    if kind == "empty":
        return "", "must be the number of the following lines"
    if kind == "too many":
        return "\n".join(
            [str(int(first) + 1), *lines]
        ), f"says that there are {int(first) + 1} lines, but {first} follow"
    if kind == "too few":
        return "\n".join(
            [str(int(first) - 1), *lines]
        ), f"says that there are {int(first) - 1} lines, but {first} follow"
    if kind == "no count":
        return "\n".join(lines), "must be the number of the following lines"
    if kind == "truncated":
        return text[: len(text) // 2], "follow|must be"
    if kind == "columns":
        return "\n".join(
            [first, *(line.split()[0] for line in lines)]
        ), "must be a label and its num|must be the numbers"
    return "\n".join([first, *lines[:-1], "x y z w"]), "must be a label and its number|must be the numbers"


@pytest.mark.parametrize(
    "kind", ["empty", "too many", "too few", "no count", "truncated", "columns", "garbage", "missing"]
)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("validation", ["published", "holdout"])
def test_broken_files(directory, name, kind, validation):
    """Every split is checked in either mode, and can be loaded as soon as its file is good again."""
    good = (directory / name).read_text(encoding="utf-8")
    if kind == "missing":
        (directory / name).unlink()
        message = "does not exist. Put it there, or leave out directory="
    else:
        content, message = damage(good, kind)
        (directory / name).write_text(content, encoding="utf-8")
    before = listing(directory)
    dataset = DB15K(directory=directory, validation=validation)
    for attribute in ("training", "testing", "validation", "training"):
        with pytest.raises(DatasetFormatError, match=message) as info:
            getattr(dataset, attribute)
        assert str(directory / name) in str(info.value)
    assert listing(directory) == before
    (directory / name).write_text(good, encoding="utf-8")
    assert dataset.training.num_entities == len(ENTITIES)


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        pytest.param({"train": [*TRAIN, (12, 0, 0)]}, "train2id.txt:38", "entity 12, but there are only 12", id="head"),
        pytest.param({"valid": [(0, 99, 0)]}, "valid2id.txt:2", "entity 99, but there are only 12", id="tail"),
        pytest.param(
            {"test": [(0, 1, 2), (0, 1, 3)]}, "test2id.txt:3", "relation 3, but there are only 3", id="relation"
        ),
        pytest.param({"train": [(0, 2, 11)]}, "train2id.txt:2", "Mind the order of columns: head, tail", id="order"),
        pytest.param(
            {"entities": ENTITIES[:-1]}, "train2id.txt", "entity 11, but there are only 11", id="other entities"
        ),
        pytest.param({"entities": {"a": 0, "b": 2}}, "entity2id.txt", "from 0 to 1, each number once", id="gap"),
        pytest.param({"entities": {}}, "", "entit", id="no entities"),
        pytest.param({"relations": {}}, "", "relation", id="no relations"),
        pytest.param({"entities": {}, "train": [], "valid": [], "test": []}, "entity2id.txt", ".", id="nothing"),
        pytest.param(
            {"relations": {}, "train": [], "valid": [], "test": []}, "relation2id.txt", ".", id="entities only"
        ),
    ],
)
def test_files_that_do_not_fit(tmp_path, files, name, message):
    directory = write_benchmark(tmp_path / "benchmark", **files)
    with pytest.raises(DatasetFormatError, match=message) as info:
        assert DB15K(directory=directory).training
    assert str(directory / name) in str(info.value)


def test_duplicated_label(directory):
    content = content_of()["entity2id.txt"].replace("Q42", "NA")
    (directory / "entity2id.txt").write_text(content, encoding="utf-8")
    with pytest.raises(DatasetFormatError, match=r"entity2id\.txt:4 has the label 'NA' for the second time"):
        assert DB15K(directory=directory).training


def test_a_file_is_a_directory(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(DatasetFormatError, match="does not exist"):
        DB15K(directory=path)


NAN = numpy.full((12, 3), numpy.nan)


def _with(value):
    matrix = numpy.ones((12, 3))
    matrix[1, 1] = value
    return matrix


@pytest.mark.parametrize("how", ["published", "named", "path", "matrix"])
@pytest.mark.parametrize(
    ("matrix", "parts"),
    [
        pytest.param(numpy.ones((11, 3)), ["11 rows", "12 entities", "exactly one row for each"], id="too few rows"),
        pytest.param(numpy.ones((13, 3)), ["13 rows", "12 entities", "exactly one row for each"], id="too many rows"),
        pytest.param(_with(numpy.nan), ["'Q42'", "NaN or infinite", "set its whole row to NaN"], id="NaN"),
        pytest.param(_with(-numpy.inf), ["'Q42'", "NaN or infinite", "set its whole row to NaN"], id="infinite"),
        pytest.param(numpy.ones((12, 0)), ["shape (12, 0)", "(num_entities, dim)"], id="no columns"),
        pytest.param(numpy.full((12, 3), None), ["Python objects", "floating point array"], id="objects"),
    ],
)
def test_invalid_features(directory, how, matrix, parts):
    path = directory / "DB15K-visual.npy"
    numpy.save(path, matrix, allow_pickle=True)
    features = {
        "published": "published",
        "named": ["visual"],
        "path": {"visual": path},
        "matrix": {"visual": matrix},
    }[how]
    dataset = DB15K(directory=directory, features=features)
    for attribute in ("training", "validation"):
        with pytest.raises(FeatureError) as info:
            getattr(dataset, attribute)
        for part in [*parts, "visual matrix" if how == "matrix" else str(path)]:
            assert part in str(info.value)
    if how != "matrix":
        numpy.save(path, make_matrix().numpy())
        assert dataset.training.features["visual"].num_present == 12


@pytest.mark.parametrize("suffix", FEATURE_SUFFIXES)
def test_truncated_feature_files_are_not_taken_for_missing(directory, suffix):
    """A modality is missing if its file is not there; a damaged file is a mistake."""
    path = directory / f"visual{suffix}"
    path.write_bytes(b"\x93NUM")
    with pytest.raises(FeatureError) as info:
        assert DB15K(directory=directory).training
    assert str(path) in str(info.value)


def test_malicious_feature_file(directory, tmp_path):
    marker = tmp_path / "marker"
    torch.save(Payload(marker), directory / "DB15K-visual.pth")
    with pytest.raises(FeatureError, match=r"DB15K-visual\.pth contains arbitrary Python objects"):
        assert DB15K(directory=directory).training
    assert not marker.exists()


def test_features_of_others(directory):
    """Labels are how one notices."""
    others = ModalityFeatures.from_matrix(torch.ones(12, 3), [f"http://example.org/{i}" for i in range(12)])
    with pytest.raises(
        FeatureError, match=r"rows for 'http://example.org/0', .*\(12 in total\), which are no entities"
    ):
        assert DB15K(directory=directory, features={"visual": others}).training


def test_everything_is_nan(directory):
    """That is no mistake: nobody has the modality."""
    training = DB15K(directory=directory, features={"visual": NAN}).training
    assert training.features["visual"].num_present == 0
    assert training.features["visual"].dim == 3


@pytest.mark.parametrize("name", ["structural", "a.b", "../visual"])
def test_names_that_modalities_cannot_have(directory, name):
    with pytest.raises(FeatureError, match="cannot be the name of a modality"):
        assert DB15K(directory=directory, features={name: make_matrix()}).training
