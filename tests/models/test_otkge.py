"""OTKGE: plans against another way to calculate them, and the model against formulas."""

import numpy
import pytest
import torch

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.models import OTKGE, AdaMF
from pykeen_adamf.nn.transport import average_plan
from pykeen_adamf.training import OneVsAllTrainingLoop
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory


def make(**kwargs):
    return OTKGE(triples_factory=make_factory(), embedding_dim=3, random_seed=0, **kwargs)


def calculate_plan(v, s, entropy):
    """Sinkhorn's algorithm, as it is defined."""
    v, s = ((x - x.mean()) / x.std() for x in (v, s))
    cost = (v[:, None] - s[None]) ** 2
    kernel = numpy.exp(-cost / cost.max() / entropy)
    a, b = numpy.full(len(v), 1 / len(v)), numpy.full(len(s), 1 / len(s))
    left = numpy.ones(len(v))
    for _ in range(5000):
        right = b / (kernel.T @ left)
        left = a / (kernel @ right)
    return left[:, None] * kernel * right[None]


@pytest.mark.parametrize("entropy", [0.05, 0.5])
def test_plan(entropy):
    rng = numpy.random.default_rng(0)
    features, embeddings = rng.standard_normal((4, 7)), rng.standard_normal((4, 5))
    plans = [calculate_plan(v, s, entropy) for v, s in zip(features, embeddings, strict=True)]
    # marginals are uniform; rows are those of coordinates
    numpy.testing.assert_allclose(plans[0].sum(axis=0), 1 / 5)
    actual = average_plan(torch.as_tensor(features), torch.as_tensor(embeddings), entropy, "visual")
    numpy.testing.assert_allclose(actual, 5 * numpy.mean(plans, axis=0).T, rtol=1e-3, atol=1e-4)
    numpy.testing.assert_allclose(actual.sum(dim=1), 1, rtol=1e-5)


def test_plan_is_a_permutation():
    """If embeddings are features in another order, the plan without entropy is that order."""
    features = torch.tensor([[3.0, 1.0, 2.0, 0.0], [9.0, 3.0, 6.0, 0.0]])
    plan = average_plan(features, features[:, [2, 0, 3, 1]], 0.002, "visual")
    torch.testing.assert_close(plan, torch.eye(4)[[2, 0, 3, 1]], rtol=0, atol=1e-3)


def test_formula():
    """A fixed sum of the structural embedding, and of features along the plan and what is learned."""
    model = make(feature_weights=dict(visual=0.2, textual=0.5), num_plans=3)
    plain = AdaMF(
        triples_factory=make_factory(),
        embedding_dim=3,
        fusion_kwargs=dict(initial_scale=dict(structural=0.3, visual=0.2, textual=0.5), trainable=False),
    )
    plain.load_state_dict(model.state_dict())
    triples = make_factory().mapped_triples
    assert torch.equal(model.predict_hrt(triples), plain.predict_hrt(triples))
    # and in NumPy, in double precision, with who misses a modality without it
    bases = {name: base.double() for name, base in model.fused.bases.items()}
    entities = 0.3 * bases["structural"]().detach().numpy()
    for name, weight in dict(visual=0.2, textual=0.5).items():
        layer, there = bases[name].projection, bases[name].presence.numpy()
        projected = bases[name].table.detach().numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        entities = entities + weight * projected * there[:, None]
    relations = model.relation_representations[0]().detach().numpy()
    h, r, t = triples.T.numpy()
    entities = entities.reshape(20, 3, 2) @ [1, 1j]
    expected = (entities[h] * relations[r] * entities[t].conj()).real.sum(axis=-1)
    # weights were rounded to single precision
    numpy.testing.assert_allclose(model.double().predict_hrt(triples).flatten().detach(), expected, rtol=1e-6)


def assert_planned(model, num_plans):
    """Projections are plans to the present structural embeddings, and what a linear layer begins with."""
    for name in ("visual", "textual"):
        base = model.fused.bases[name]
        present = base.presence.nonzero().squeeze(dim=-1)
        order = torch.randperm(len(present), generator=torch.Generator().manual_seed(0))
        chosen = present[order[:num_plans]]
        embeddings = model.fused.bases["structural"](chosen).detach()
        rest = base.projection.weight - average_plan(base.table[chosen].detach(), embeddings, 0.01, name)
        assert rest.abs().max() <= base.projection.in_features**-0.5 + 1e-6


def test_plans_are_those_of_training():
    """When training begins, embeddings are new ones; and a reset model begins with plans, too."""
    model = make(num_plans=3)
    assert_planned(model, 3)
    model.reset_parameters_()
    assert_planned(model, 3)
    factory = make_factory(create_inverse_triples=True)
    model = OTKGE(triples_factory=factory, embedding_dim=3, random_seed=0, num_plans=3)
    loop = OneVsAllTrainingLoop(model=model, triples_factory=factory, optimizer="sgd", optimizer_kwargs=dict(lr=0.0))
    loop.train(factory, num_epochs=1, batch_size=16, use_tqdm=False)
    assert_planned(model, 3)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(feature_weights=dict(visual=0.9, textual=0.2)), "not add up to more than one"),
        (dict(feature_weights=dict(visual=0.9)), "must be positive for each of"),
        (dict(feature_weights=dict(visual=0.1, textual=0.2, audio=0.3)), r"There are feature_weights of \['audio'\]"),
        (dict(num_plans=0), "num_plans must be a positive integer"),
        (dict(entropy=0.0), r"entropy must be at least 0\.002, but is 0\.0"),
        (dict(hidden_dims=[5]), "leave hidden_dims out"),
    ],
)
def test_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


def test_too_wide(monkeypatch):
    """What the plan would take is said before."""
    monkeypatch.setattr("pykeen_adamf.nn.transport.MAX_NUMEL", 2**23)
    wide = torch.zeros(1, 2**21).expand(20, -1)
    with pytest.raises(ValueError, match=r"from 2,097,152 features of visual to 6 coordinates would take 0\.4 GiB"):
        average_plan(wide, torch.zeros(20, 6), 0.1, "visual")


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ot", None)
    with pytest.raises(ImportError, match=r'pip install "pykeen-adamf\[ot\]"'):
        make()


def test_nobody_has_it():
    factory = make_factory()
    nobody = ModalityFeatures.from_matrix(numpy.full((20, 3), numpy.nan), sorted(factory.entity_to_id))
    factory = MultimodalTriplesFactory.from_triples_factory(factory, {"audio": nobody})
    model = OTKGE(triples_factory=factory, embedding_dim=3)
    assert not model.score_hrt(factory.mapped_triples).isnan().any()
