"""MoSE against formulas in NumPy, in double precision, and its ensembles."""

import numpy
import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator

from pykeen_adamf.ensembles import adarank, fit_ensemble
from pykeen_adamf.models import AdaMF, MoSE, Structural
from pykeen_adamf.training import OneVsAllTrainingLoop

from ..cases import make_factory


def make(cls=MoSE, inverse=True, **kwargs):
    factory = make_factory(create_inverse_triples=inverse)
    return cls(triples_factory=factory, embedding_dim=3, random_seed=0, **kwargs).double()


def numpify(x):
    return x.detach().numpy()


def calculate(model):
    """Return the scores of each part, shape: ``(num_parts, n, num_relations, n)``."""
    bases = model.fused.bases
    parts = [numpify(bases["structural"]._embeddings.weight)]
    for name in ("visual", "textual"):
        layer, there = bases[name].projection, numpify(bases[name].presence)
        parts.append((numpify(bases[name].table) @ numpify(layer.weight).T + numpify(layer.bias)) * there[:, None])
    relations = numpify(model.relations._embeddings.weight)
    relations = relations[:, ::2] + 1j * relations[:, 1::2]
    scores = []
    for part, r in zip(parts, numpy.split(relations, 3, axis=1), strict=True):
        e = part[:, ::2] + 1j * part[:, 1::2]
        scores.append(numpy.einsum("hd,rd,td->hrt", e, r, e.conj()).real)
    return numpy.stack(scores)


def test_scores():
    """The sum in training, and a weighted one in predictions."""
    model, triples = make(inverse=False), make_factory().mapped_triples
    scores = calculate(model)
    h, r, t = triples.T.numpy()
    model.train()
    numpy.testing.assert_allclose(numpify(model.score_hrt(triples))[:, 0], scores.sum(axis=0)[h, r, t])
    numpy.testing.assert_allclose(numpify(model.predict_hrt(triples))[:, 0], scores.mean(axis=0)[h, r, t])
    weights = torch.rand(4, 3, dtype=torch.double)
    model.relations.weights.copy_(weights)
    expected = numpy.einsum("mhrt,rm->hrt", scores, weights.numpy())
    numpy.testing.assert_allclose(numpify(model.predict_t(triples[:, :2])), expected[h, r])


def test_loss():
    """A cross-entropy for each part, and gradients that do not mix them."""
    model, factory = make(), make_factory(create_inverse_triples=True)
    loop = OneVsAllTrainingLoop(model=model, triples_factory=factory, optimizer="sgd")
    triples = factory.mapped_triples * torch.tensor([1, 2, 1])
    model.train()
    loss = loop._loss(triples, 0.0)
    scores = calculate(model)[:, triples[:, 0], triples[:, 1]]
    log_probabilities = scores - numpy.log(numpy.exp(scores).sum(axis=-1, keepdims=True))
    expected = -log_probabilities[:, numpy.arange(len(triples)), triples[:, 2]].mean(axis=1).sum()
    assert loss.item() == pytest.approx(expected)
    # of the structural part: as if it were alone
    loss.backward()
    alone = make(Structural, interaction="ComplEx")
    with torch.no_grad():
        alone.entity_representations[0]._embeddings.weight.copy_(
            torch.view_as_complex(model.fused.bases["structural"]._embeddings.weight.view(20, 3, 2)).view_as(
                alone.entity_representations[0]._embeddings.weight
            )
            if alone.entity_representations[0]._embeddings.weight.is_complex()
            else model.fused.bases["structural"]._embeddings.weight
        )
        alone.relation_representations[0]._embeddings.weight.copy_(model.relations._embeddings.weight[:, :6])
    OneVsAllTrainingLoop(model=alone.train(), triples_factory=factory, optimizer="sgd")._loss(triples, 0.0).backward()
    torch.testing.assert_close(
        model.relations._embeddings.weight.grad[:, :6], alone.relation_representations[0]._embeddings.weight.grad
    )


def test_other_models_have_one_loss():
    assert not hasattr(make(AdaMF), "num_parts")


def test_adarank():
    """What is right about more questions has more weight; what is right about the rest comes before what repeats it."""
    values = torch.tensor([[1.0, 1.0, 0.2, 0.2], [1.0, 0.9, 0.2, 0.1], [0.1, 0.1, 0.6, 0.6]], dtype=torch.double)
    weights = adarank(values)
    gamma = values[0].mean().item()
    assert weights[0].item() == pytest.approx(0.5 * numpy.log((1 + gamma) / (1 - gamma)))
    distribution = (-values[0]).exp() / (-values[0]).exp().sum()
    second = (values[2] @ distribution).item()
    assert weights[2].item() == pytest.approx(0.5 * numpy.log((1 + second) / (1 - second)))
    assert second > values[1] @ distribution
    assert (weights > 0).all()


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("method", ["boosting", "meta", "selection"])
def test_ensembles(inverse, method):
    """A part that knows the answers gets the most weight, and validation triples are answered better."""
    model = make(inverse=inverse).eval()
    triples = make_factory(seed=1).mapped_triples
    triples = triples[triples[:, 1] < 3]
    known = [make_factory().mapped_triples]
    with torch.no_grad():
        # the visual part and its relations answer at random, very loudly; the structural one is made right
        factory = make_factory(create_inverse_triples=inverse)
        factory.mapped_triples = triples
        part = Structural(triples_factory=factory, interaction="ComplEx", embedding_dim=3, random_seed=1).double()
    optimizer = torch.optim.Adam(part.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        hr, rt = triples[:, :2], triples[:, 1:]
        heads = part.score_h_inverse(rt * torch.tensor([2, 1])) if inverse else part.score_h(rt)
        tails = part.score_t(hr * torch.tensor([1, 2]) if inverse else hr)
        cross_entropy = torch.nn.functional.cross_entropy
        (cross_entropy(tails, triples[:, 2]) + cross_entropy(heads, triples[:, 0])).backward()
        optimizer.step()
    with torch.no_grad():
        source = part.entity_representations[0]._embeddings.weight
        model.fused.bases["structural"]._embeddings.weight.copy_(source.view(20, 6))
        model.relations._embeddings.weight[:, :6] = part.relation_representations[0]._embeddings.weight
    model.eval()

    def measure():
        result = RankBasedEvaluator().evaluate(model, triples, additional_filter_triples=known, use_tqdm=False)
        return result.get_metric("both.realistic.inverse_harmonic_mean_rank")

    equal = measure()
    weights = fit_ensemble(model, triples, known, method)
    assert torch.equal(weights, model.relations.weights)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(len(weights), dtype=torch.double))
    assert (weights[:3, 0] > weights[:3, 1:].max(dim=1).values).all()
    assert measure() >= equal
    # the relation that was not there
    if method == "boosting":
        assert (weights[-1] == 1 / 3).all()
    assert (fit_ensemble(model, triples, known, "average") == 1 / 3).all()
    assert measure() == equal


def test_weights_are_saved():
    model, other = make(), make()
    fit_ensemble(model, make_factory(seed=1).mapped_triples, [])
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.relations.weights, model.relations.weights)
    model.reset_parameters_()
    assert (model.relations.weights == 1 / 3).all()


@pytest.mark.parametrize("method", ["boosting", "meta", "selection"])
def test_sigmoid(method):
    """Scores are weighted, also if predictions are sigmoids of them, and whoever does not want gradients."""
    triples, known = make_factory(seed=1).mapped_triples, [make_factory().mapped_triples]
    expected = fit_ensemble(make(), triples, known, method)
    model = make(predict_with_sigmoid=True)
    with torch.no_grad():
        weights = fit_ensemble(model, triples, known, method)
    assert torch.equal(weights, expected)
    assert model.predict_with_sigmoid
    assert (model.predict_hrt(triples) > 0).all()


def test_order_and_randomness_do_not_matter():
    """Weights are those of questions, in whatever order these are; nothing is drawn from the global random state."""
    triples, known = make_factory(seed=1).mapped_triples, [make_factory().mapped_triples]
    for method in ("boosting", "meta", "selection"):
        expected = fit_ensemble(make(), triples, known, method)
        model = make()
        state = torch.get_rng_state()
        torch.testing.assert_close(fit_ensemble(model, triples.flip(0), known, method), expected)
        assert torch.equal(torch.get_rng_state(), state)


def test_nothing_to_look_at():
    """A part whose modality all entities miss has no weight that is out of the ordinary."""
    model, triples = make(inverse=False), make_factory(seed=1).mapped_triples
    base = model.fused.bases["visual"]
    base.presence[:] = False
    weights = fit_ensemble(model, triples, [make_factory().mapped_triples])
    assert torch.isfinite(weights).all()
    assert (weights > 0).all()


def test_average_needs_no_triples():
    model = make()
    model.relations.weights.fill_(0.5)
    assert (fit_ensemble(model, make_factory().mapped_triples[:0], [], "average") == 1 / 3).all()


def test_bad_input():
    with pytest.raises(ValueError, match="AdaMF is no ensemble"):
        fit_ensemble(make(AdaMF), make_factory().mapped_triples, [])
    with pytest.raises(ValueError, match="method must be one of"):
        fit_ensemble(make(), make_factory().mapped_triples, [], "test")
    with pytest.raises(ValueError, match="There are no validation triples"):
        fit_ensemble(make(), make_factory().mapped_triples[:0], [])
