"""TransAE against formulas in NumPy, in double precision."""

import numpy
import pytest
import torch

from pykeen_adamf.models import TransAE
from pykeen_adamf.training import MATTrainingLoop

from ..cases import make_factory

WEIGHT = 0.3


def make(**kwargs):
    kwargs = dict(embedding_dim=6, hidden_dim=5, reconstruction_weight=WEIGHT, random_seed=0) | kwargs
    return TransAE(triples_factory=make_factory(), **kwargs).double()


def numpify(x):
    return x.detach().numpy()


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


def apply(linear, x):
    return x @ numpify(linear.weight).T + numpify(linear.bias)


def normalize(x):
    return x / numpy.linalg.norm(x, axis=-1, keepdims=True)


def calculate(model, entities):
    """Return all scores, and the error of reconstruction, averaged over the given entities."""
    fused = model.fused
    features = {name: numpify(base.table) for name, base in fused.bases.items()}
    hidden = [sigmoid(apply(fused.bases[name].projection, x)) for name, x in features.items()]
    encoded = apply(fused.fusion.linear, numpy.concatenate(hidden, axis=-1))
    decoded = numpy.split(sigmoid(apply(fused.decoder, encoded)), len(features), axis=-1)
    error = 0.0
    for x, (name, target) in zip(decoded, features.items(), strict=True):
        chosen = [i for i in entities if fused.bases[name].presence[i]]
        error += ((apply(fused.decoders[name], x) - target)[chosen] ** 2).mean()
    e, r = normalize(encoded), normalize(numpify(model.relation_representations[0]._embeddings.weight))
    scores = -numpy.abs(e[:, None, None] + r[None, :, None] - e[None, None]).sum(axis=-1)
    return scores, error


def test_formula():
    model, triples = make(), make_factory().mapped_triples[:7]
    model.train()
    with model.sharing(triples[:, [0, 2]]):
        actual = model.score_hrt(triples).flatten()
        error = model.collect_regularization_term()
    scores, expected = calculate(model, triples[:, [0, 2]].unique().tolist())
    h, r, t = triples.T.numpy()
    numpy.testing.assert_allclose(numpify(actual), scores[h, r, t], rtol=1e-10)
    assert error.item() == pytest.approx(WEIGHT * expected, rel=1e-6)
    # once, and in training only
    assert model.collect_regularization_term().item() == 0
    model.eval()
    assert model.predict_hrt(triples).flatten().tolist() == pytest.approx(scores[h, r, t].tolist())
    assert model.collect_regularization_term().item() == 0


def test_reconstructed_once():
    """A step that scores negatives apart from positives does not have twice the weight."""
    model, triples = make().train(), make_factory().mapped_triples
    model.score_hrt(triples[:7])
    model.score_hrt(triples[7:])
    _, expected = calculate(model, triples[:7, [0, 2]].unique().tolist())
    assert model.collect_regularization_term().item() == pytest.approx(WEIGHT * expected, rel=1e-6)
    # the next step has one of its own
    model.score_hrt(triples[7:])
    _, expected = calculate(model, triples[7:, [0, 2]].unique().tolist())
    assert model.collect_regularization_term().item() == pytest.approx(WEIGHT * expected, rel=1e-6)


def test_gradients():
    """All parameters but the features are trained, and the error of reconstruction is differentiated."""
    model = make().train()
    with model.sharing(None):
        (model.score_hrt(make_factory().mapped_triples).sum() + model.collect_regularization_term()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (not name.endswith(".table")), name
        assert parameter.grad is None or parameter.grad.abs().sum() > 0, name
    bias, values = model.fused.decoders["visual"].bias, []
    for step in (1e-6, -1e-6):
        with torch.no_grad():
            bias[0] += step
            values.append(WEIGHT * calculate(model, range(20))[1])
            bias[0] -= step
    assert bias.grad[0].item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5)


def test_bad_input():
    with pytest.raises(ValueError, match=r"choose missing from \['random', 'zero'\]"):
        make(missing="mask")
    with pytest.raises(ValueError, match="The triples factory has no features"):
        TransAE(triples_factory=make_factory(dims={}), embedding_dim=4)
    with pytest.raises(ValueError, match="structural"):
        MATTrainingLoop(model=make(), triples_factory=make_factory(), optimizer="adam")
