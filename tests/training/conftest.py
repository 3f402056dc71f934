"""Fixtures for training."""

import pytest


@pytest.fixture
def checkpoint(tmp_path):
    """Return the arguments for a checkpoint after each epoch."""
    return dict(checkpoint_name="c.pt", checkpoint_directory=tmp_path, checkpoint_frequency=0)
