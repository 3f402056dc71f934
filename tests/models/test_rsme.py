"""RSME against formulas in NumPy, in double precision."""

import numpy
import pytest
import torch

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.models import RSME, AdaMF
from pykeen_adamf.models.rsme import measure_gates
from pykeen_adamf.new_entities import predict_new_entities

from ..cases import make_factory


def make(cls=RSME, **kwargs):
    return cls(triples_factory=make_factory(), embedding_dim=3, random_seed=0, **kwargs).double().eval()


def numpify(x):
    return x.detach().numpy()


def calculate(model, alpha, beta):
    """Return the scores of all triples."""
    bases = model.fused.bases
    structural = numpify(bases["structural"]._embeddings.weight)
    features, there = numpify(bases["visual"].table), numpify(bases["visual"].presence)
    projected = features @ numpify(bases["visual"].projection.weight).T + numpify(bases["visual"].projection.bias)
    # scales are in single precision
    rest, alpha = (float(numpy.float32(x)) for x in (1 - alpha, alpha))
    e = rest * structural + alpha * projected * there[:, None]
    e = e[:, ::2] + 1j * e[:, 1::2]
    r = numpify(model.relation_representations[0]())
    learned = numpy.einsum("hd,rd,td->hrt", e, r, e.conj()).real
    looks = features * there[:, None] / numpy.maximum(numpy.linalg.norm(features, axis=1), 1e-12)[:, None]
    return beta * learned + (1 - beta) * numpify(model.gates)[:, None] * (looks @ looks.T)[:, None]


@pytest.mark.parametrize(("alpha", "beta"), [(0.7, 0.5), (0.2, 0.9), (0.5, 1.0)])
def test_formula(alpha, beta):
    model, triples = make(feature_weight=alpha, score_weight=beta), make_factory().mapped_triples
    expected = torch.as_tensor(calculate(model, alpha, beta))
    h, r, t = triples.T
    torch.testing.assert_close(model.predict_hrt(triples).flatten(), expected[h, r, t], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(model.predict_t(triples[:, :2]), expected[h, r], rtol=1e-10, atol=1e-10)


def test_training_is_that_of_what_is_learned():
    """The similarity has no part in what is trained: scores and gradients are AdaMF's."""
    model = make(feature_weight=0.4, score_weight=0.3)
    scales = dict(structural=0.6, visual=0.4)
    other = make(AdaMF, modalities=["visual"], fusion_kwargs=dict(initial_scale=scales, trainable=False))
    other.load_state_dict(model.state_dict(), strict=False)
    triples, gradients = make_factory().mapped_triples, []
    for x in (model.train(), other.train()):
        scores = x.score_t(triples[:, :2])
        scores.sin().sum().backward()
        gradients.append([scores.detach(), *(p.grad for p in x.parameters() if p.grad is not None)])
    assert len(gradients[0]) == len(gradients[1]) == 5
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-10)


def test_gates():
    """Of who looks alike, of who does not, and of who is seen by nobody; ranks by the definition."""
    rng = numpy.random.default_rng(0)
    looks = rng.standard_normal((9, 4)).astype(numpy.float32)
    # entities 0 and 1, 2 and 3 look nearly the same; 8 has no image
    looks[1], looks[3] = looks[0] + 1e-3, looks[2] - 1e-3
    presence = numpy.arange(9) < 8
    features = ModalityFeatures.from_matrix(looks, map(str, range(9)), presence=presence)
    triples = torch.tensor([[0, 0, 1], [3, 0, 2], [0, 0, 8], [4, 1, 0], [4, 1, 1], [4, 1, 5], [8, 2, 1]])
    gates = measure_gates(triples, 3, [features])
    unit = looks / numpy.linalg.norm(looks, axis=1, keepdims=True)
    order = sorted((i for i in range(8) if i != 4), key=lambda i: -unit[4] @ unit[i])
    rank = numpy.mean([order.index(i) for i in (0, 1, 5)]) / 6
    torch.testing.assert_close(gates, torch.tensor([1.0, 1 - 2 * float(rank), 0.0]).sigmoid())
    assert torch.equal(make(use_gates=False).gates, torch.ones(4).double())


def test_without_images():
    """Without the modality, nobody is more similar than others."""
    model, triples = make(), make_factory().mapped_triples
    with model.without_modality("visual"):
        expected = 0.5 * model.score_t(triples[:, :2])
        torch.testing.assert_close(model.predict_t(triples[:, :2]), expected)


@pytest.mark.parametrize("name", ["feature_weight", "score_weight"])
def test_bad_weights(name):
    with pytest.raises(ValueError, match=rf"{name} must be between 0 and 1, but is 1\.5"):
        make(**{name: 1.5})
    with pytest.raises(ValueError, match="RSME uses visual features, but there are only"):
        RSME(triples_factory=make_factory(dims=dict(textual=3)), embedding_dim=3)


def test_relations_with_inverse_ones():
    """PyKEEN scores inverse relations, too, when it is asked for relations; they look as alike as the others."""
    factory = make_factory(create_inverse_triples=True)
    model = RSME(triples_factory=factory, embedding_dim=3, random_seed=0).double().eval()
    h, r, _ = factory.mapped_triples.T
    scores = model.predict_r(factory.mapped_triples[:, [0, 2]])
    assert scores.shape == (len(h), 8)
    actual = scores[torch.arange(len(h)), 2 * r]
    torch.testing.assert_close(actual, model.predict_hrt(factory.mapped_triples).flatten())
    some = model.predict_r(factory.mapped_triples[:, [0, 2]], relations=torch.tensor([5, 2]))
    torch.testing.assert_close(some, scores[:, [5, 2]])


def test_new_entities():
    """Who compares images cannot answer for those that it has not seen."""
    features = dict(visual=torch.randn(make_factory().features["visual"].dim))
    with pytest.raises(ValueError, match=r"not yet those of new ones\. Train it with score_weight=1"):
        predict_new_entities(make(), make_factory(), features, "r0")
    assert len(predict_new_entities(make(score_weight=1.0).float(), make_factory(), features, "r0"))
