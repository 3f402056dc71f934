"""Fixtures for the tests of triples."""

import pytest

from .cases import make_factory


@pytest.fixture(params=[False, True], ids=["no inverse triples", "inverse triples"])
def factory(request):
    return make_factory(create_inverse_triples=request.param)
