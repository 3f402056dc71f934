"""Fixtures for all tests."""

import gc
import os
from pathlib import Path

import pytest
import torch

from pykeen_adamf.constants import DATA_ENVIRONMENT_VARIABLE
from pykeen_adamf.triples import MultimodalTriplesFactory

from .cases import make_factory


def pytest_collection_finish() -> None:
    """Exempt what exists by now from garbage collection, which PyKEEN does after each epoch: a third of all time."""
    gc.collect()
    gc.freeze()
    # everything here is small, and threads wait for each other: if anything else runs, ten times as long
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """Return the directory with the published triples."""
    directory = os.environ.get(DATA_ENVIRONMENT_VARIABLE)
    if not directory:
        pytest.skip(f"needs the published triples in the directory given by ${DATA_ENVIRONMENT_VARIABLE}")
    return Path(directory)


@pytest.fixture
def factory() -> MultimodalTriplesFactory:
    """Return a small factory with two modalities, which some entities miss."""
    return make_factory()


@pytest.fixture
def double():
    """Let new tensors have double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
