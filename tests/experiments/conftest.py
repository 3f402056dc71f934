"""Fixtures for the tests of experiments."""

import pytest

from .paper.cases import write_dataset


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory):
    """Return the directory of a small benchmark."""
    return write_dataset(tmp_path_factory.mktemp("benchmark"))


@pytest.fixture
def output(tmp_path):
    """Return a directory for an experiment."""
    directory = tmp_path / "output"
    (directory / "runs").mkdir(parents=True)
    return directory
