"""Fixtures for all tests."""

import gc
import os
from pathlib import Path

import pytest
import torch

from pykeen_adamf.constants import DATA_ENVIRONMENT_VARIABLE
from pykeen_adamf.garbage_collection import cheap_garbage_collection
from pykeen_adamf.triples import MultimodalTriplesFactory

from .cases import make_factory


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let all cases of a test but the first be slow, where it says so: whatever is selected by that comes later."""
    seen = set()
    for item in items:
        name = item.nodeid.partition("[")[0]
        if item.get_closest_marker("slow_but_the_first") and not item.get_closest_marker("slow"):
            if name in seen:
                item.add_marker(pytest.mark.slow)
            seen.add(name)


def pytest_collection_finish() -> None:
    """Compute in one thread: everything here is small, and threads wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _cheap_garbage_collection():
    with cheap_garbage_collection():
        yield


@pytest.fixture(scope="module", autouse=True)
def _collect_garbage() -> None:
    gc.collect()


@pytest.fixture(autouse=True)
def _exempt_from_garbage_collection(_collect_garbage) -> None:
    """Exempt what exists by now: PyKEEN collects garbage after each epoch, which would be most of all time."""
    gc.freeze()


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
