"""Fixtures for small benchmarks."""

import pytest

from pykeen_adamf.constants import DATA_ENVIRONMENT_VARIABLE

from .cases import DATASETS, write_benchmark


@pytest.fixture(autouse=True)
def _no_data_directory(monkeypatch):
    """Do not let the environment decide which files are used."""
    monkeypatch.delenv(DATA_ENVIRONMENT_VARIABLE, raising=False)


@pytest.fixture(autouse=True)
def _no_download(monkeypatch):
    """Let nothing reach for the internet, whatever goes wrong."""
    monkeypatch.setattr("pykeen_adamf.datasets.base.TRIPLES_URL", "http://127.0.0.1:9/nowhere")
    monkeypatch.setattr("pykeen_adamf.datasets.base.FEATURES_FOLDER_ID", "nowhere")
    for name in ("download_folder", "download"):
        monkeypatch.setattr(f"gdown.{name}", _refuse)


@pytest.fixture(autouse=True)
def pykeen_datasets(tmp_path, monkeypatch):
    """Return the directory in which PyKEEN keeps datasets: not the user's own."""
    path = tmp_path / "pykeen" / "datasets"
    for module in ("pykeen.datasets.utils", "pykeen.datasets.base", "pykeen_adamf.datasets.derived"):
        monkeypatch.setattr(f"{module}.PYKEEN_DATASETS", path)
    return path


def _refuse(*args, **kwargs):
    raise AssertionError("a test tried to download something from the internet")


@pytest.fixture
def directory(tmp_path):
    """Return a directory with a small benchmark, without features."""
    return write_benchmark(tmp_path / "benchmark")


@pytest.fixture(params=DATASETS, ids=lambda cls: cls.__name__)
def dataset_cls(request):
    """Return each of the datasets."""
    return request.param
