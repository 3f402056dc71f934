"""What tests of pages share."""

import pytest

from .cases import make_explorer


@pytest.fixture(scope="session")
def explorer(tmp_path_factory):
    """Return an explorer of a graph with hostile names."""
    return make_explorer(tmp_path_factory.mktemp("sources"))
