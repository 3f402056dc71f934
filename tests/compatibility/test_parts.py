"""Optimizers and regularizers: what PyKEEN's RotatE can be trained with, the models of this package can, too."""

import math

import pytest
from pykeen.optimizers import optimizer_resolver
from pykeen.regularizers import LpRegularizer, PowerSumRegularizer, regularizer_resolver

from .cases import COMBINATIONS, SAMPLING, make_loop, train

OPTIMIZERS = sorted(optimizer_resolver.lookup_dict)
REGULARIZERS = {
    **dict.fromkeys(sorted(regularizer_resolver.lookup_dict)),
    "combined": dict(regularizers=[LpRegularizer(), PowerSumRegularizer()]),
}


def outcome(model: str, loop: str, **kwargs) -> str:
    """Train, and return what comes of it."""
    try:
        trained = train(make_loop(model, loop, **kwargs), num_epochs=1, batch_size=64)
    except (TypeError, ValueError, RuntimeError) as error:
        return type(error).__name__ if str(error) else "silence"
    assert all(map(math.isfinite, trained.losses_per_epochs))
    return "works"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer):
    """Every optimizer works, or is refused with the same error."""
    expected = outcome("RotatE", "sLCWA", optimizer=optimizer)
    if optimizer in {"adam", "adagrad", "sgd", "lazyadam"}:
        assert expected == "works"
    for model, loop in SAMPLING:
        if optimizer == "muon" and model == "AdaMFRotatE":
            # it is for matrices only, and the attention is a vector
            assert outcome(model, loop, optimizer=optimizer) == "ValueError"
        elif optimizer == "adamw" and loop == "MAT":
            # PyKEEN cannot make it anew with all versions of PyTorch
            assert outcome(model, loop, optimizer=optimizer) == "works"
        else:
            assert outcome(model, loop, optimizer=optimizer) == expected


@pytest.mark.parametrize("optimizer", ["lazyadam", "sgd", "adam", "sparseadam"])
@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_sparse_gradients(model, loop, optimizer):
    """Some gradients are sparse, and others are not: this takes an optimizer that knows both."""
    result = outcome(model, loop, optimizer=optimizer, model_kwargs=dict(sparse=True))
    assert result == ("works" if optimizer in {"lazyadam", "sgd"} else "RuntimeError")


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_regularizers(regularizer):
    """Every regularizer works, or is refused with the same error."""
    options = dict(model_kwargs=dict(regularizer=regularizer, regularizer_kwargs=REGULARIZERS[regularizer]))
    expected = outcome("RotatE", "sLCWA", **options)
    assert expected == ("ValueError" if regularizer == "orthogonality" else "works")
    for model, loop in COMBINATIONS:
        assert outcome(model, loop, **options) == expected
