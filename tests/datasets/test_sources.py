"""Features given by name of a file in the directory, or as missing."""

import numpy
import pytest

from pykeen_adamf.datasets import DB15K
from pykeen_adamf.features import FeatureError

from .cases import ENTITIES


def test_files_in_the_directory(directory):
    numpy.save(directory / "names.npy", numpy.ones((len(ENTITIES), 6), dtype="float32"))
    training = DB15K(directory=directory, features={"textual": "names.npy"}).training
    assert training.features["textual"].num_present == len(ENTITIES)
    with pytest.raises(FeatureError, match=r"others.npy does not exist"):
        assert DB15K(directory=directory, features={"textual": "others.npy"}).training


def test_published_modality_that_is_missing(directory):
    """Images missing: the modality is there, but nobody has it."""
    numpy.save(directory / "names.npy", numpy.ones((len(ENTITIES), 6), dtype="float32"))
    training = DB15K(directory=directory, features={"visual": None, "textual": "names.npy"}).training
    assert training.features["visual"].num_present == 0
    assert training.features["visual"].dim == 4096
    assert training.coverage().per_modality == {"visual": 0, "textual": len(ENTITIES)}
    with pytest.raises(FeatureError, match="Only a published modality can be missing"):
        assert DB15K(directory=directory, features={"audio": None}).training


def test_another_benchmark(directory, caplog):
    """A directory that holds something else is read, but does not go unnoticed."""
    assert DB15K(directory=directory, features=[]).training
    expected = f"{directory} has 12 entities and 3 relations, but the published DB15K has 12842 and 279."
    assert expected in caplog.text
