"""OTE and GC-OTE against formulas that go triple by triple, in double precision."""

import math

import pytest
import torch
from pykeen.pipeline import pipeline
from pykeen.training import training_loop_resolver
from pykeen.triples import CoreTriplesFactory, KGInfo

from pykeen_adamf.models import GCOTE, OTE, AdaMF, Structural

from ..cases import make_factory

DIM, SIZE = 6, 3


def make(cls=GCOTE, factory=None, **kwargs):
    """Make a model with large parameters, whose relations have scales."""
    factory = make_factory() if factory is None else factory
    model = cls(triples_factory=factory, embedding_dim=DIM, group_size=SIZE, random_seed=0, **kwargs).double()
    torch.manual_seed(0)
    for x in model.parameters():
        x.data.normal_()
    return model


def read(model):
    """Read entities, and of each relation a block-diagonal matrix and scales."""
    entities = getattr(model.entity_representations[0], "base", model.entity_representations[0])()
    relations = [
        (torch.block_diag(*x[:, :SIZE].split(SIZE)), x[:, SIZE].exp() if x.shape[1] > SIZE else torch.ones(DIM))
        for x in model.relation_representations[0]()
    ]
    return entities, relations


def distance(a, b):
    return sum(x.norm() for x in (a - b).split(SIZE))


def average(entity, messages, attention):
    """Return the context of an entity."""
    rows = torch.stack([entity, *messages])
    weights = (rows @ entity / math.sqrt(DIM)).softmax(dim=0) if attention else torch.ones(len(rows)) / len(rows)
    return (weights.to(rows) @ rows).squeeze()


def score(model, triple, edges, attention=False):
    """Score a triple in a graph."""
    entities, relations = read(model)
    h, r, t = triple
    forth = lambda i, r: entities[i] * relations[r][1] @ relations[r][0]  # noqa: E731
    back = lambda i, r: entities[i] / relations[r][1] @ relations[r][0].t()  # noqa: E731
    of_tail = average(entities[t], [forth(a, b) for a, b, c in edges if c == t], attention)
    of_head = average(entities[h], [back(c, b) for a, b, c in edges if a == h], attention)
    pairs = [(forth(h, r), entities[t]), (back(t, r), entities[h]), (forth(h, r), of_tail), (back(t, r), of_head)]
    return -sum(distance(*pair) for pair in pairs) / 4


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_predictions(attention, scaled):
    """They know the whole graph."""
    factory = make_factory()
    model = make(attention=attention, scaled=scaled)
    edges = factory.mapped_triples.tolist()
    triples = [*edges[:3], [0, 1, 0], [5, 2, 7]]
    expected = torch.stack([score(model, x, edges, attention) for x in triples])
    torch.testing.assert_close(model.predict_hrt(torch.tensor(triples)).squeeze(dim=-1), expected)


@pytest.mark.parametrize("attention", [False, True])
def test_training(attention):
    """Positives and negatives know nothing of the batch's triples; gradients are those of the formula."""
    edges = make_factory().mapped_triples.tolist()
    batch, others = edges[:2], edges[2:]
    negatives = [
        [[batch[0][0], batch[0][1], 9], [9, batch[0][1], batch[0][2]]],
        [[3, *batch[1][1:]], [4, *batch[1][1:]]],
    ]
    positives, corrupted = torch.tensor(batch), torch.tensor(negatives)
    model = make(attention=attention)
    weight = torch.tensor([1.0, -2.0, 3.0, 0.5, 1.5, -1.0], dtype=torch.float64)
    triples = [*batch, *negatives[0], *negatives[1]]
    expected = torch.stack([score(model, x, others, attention) for x in triples])
    gradients = torch.autograd.grad(weight @ expected, [*model.parameters()])
    for kind in ("corrupted", "one by one"):
        model.post_parameter_update()
        if kind == "corrupted":
            scores = [model.score_corrupted(positives, x).flatten() for x in (positives.unsqueeze(dim=1), corrupted)]
        else:
            scores = [model.score_hrt(x.view(-1, 3)).flatten() for x in (positives, corrupted)]
        torch.testing.assert_close(torch.cat(scores), expected)
        for actual, other in zip(
            torch.autograd.grad(weight @ torch.cat(scores), [*model.parameters()]), gradients, strict=True
        ):
            torch.testing.assert_close(actual, other)


@pytest.mark.parametrize("target", ["t", "h"])
def test_all_entities_in_training(target):
    """Scores of all tails of a head and relation know nothing of the triples with these."""
    edges = make_factory().mapped_triples.tolist()
    model = make()
    h, r, t = edges[4]
    columns = (0, 1) if target == "t" else (1, 2)
    others = [x for x in edges if [x[i] for i in columns] != [edges[4][i] for i in columns]]
    scores = getattr(model, f"score_{target}")(torch.tensor([[edges[4][i] for i in columns]]))
    triples = [(h, r, i) if target == "t" else (i, r, t) for i in range(model.num_entities)]
    torch.testing.assert_close(scores[0], torch.stack([score(model, x, others) for x in triples]))


def test_inverse_triples():
    """They are edges, too, and are left out together with their triple."""
    factory = make_factory(create_inverse_triples=True)
    model = make(factory=factory)
    edges = factory._add_inverse_triples_if_necessary(factory.mapped_triples)
    num = factory.num_triples
    for i in (3, num + 3):
        model.post_parameter_update()
        others = [x for j, x in enumerate(edges.tolist()) if j % num != 3]
        torch.testing.assert_close(model.score_hrt(edges[[i]])[0, 0], score(model, edges[i].tolist(), others))
    model.eval()
    torch.testing.assert_close(model.score_hrt(edges[[3]])[0, 0], score(model, edges[3].tolist(), edges.tolist()))


@pytest.mark.parametrize("loop", ["sLCWA", "KBGAN", "OneVsAll"])
def test_nothing_is_left_out_after_training(loop):
    factory = make_factory(create_inverse_triples=True)
    model = make(factory=factory)
    cls = training_loop_resolver.lookup(loop)
    kwargs = dict(generator_kwargs=dict(embedding_dim=3)) if loop == "KBGAN" else {}
    cls(model=model, triples_factory=factory, optimizer="Adam", **kwargs).train(factory, num_epochs=1, use_tqdm=False)
    edges = factory._add_inverse_triples_if_necessary(factory.mapped_triples).tolist()
    # relations with inverse ones have even numbers
    expected = score(model, [1, 2, 5], edges)
    torch.testing.assert_close(model.predict_hrt(torch.tensor([[1, 1, 5]]))[0, 0], expected)


@pytest.mark.parametrize("both", [False, True])
def test_ote(both):
    model = make(OTE, both_directions=both)
    entities, relations = read(model)
    (q, scales), h, t = relations[1], entities[3], entities[4]
    expected = distance(h * scales @ q, t)
    if both:
        expected = (expected + distance(t / scales @ q.t(), h)) / 2
    torch.testing.assert_close(model.predict_hrt(torch.tensor([[3, 1, 4]]))[0, 0], -expected)


@pytest.mark.parametrize("cls", [OTE, GCOTE])
def test_initial_parameters(cls):
    model = cls(triples_factory=make_factory(), embedding_dim=DIM, group_size=SIZE, random_seed=0)
    entities, relations = read(model)
    assert 0.005 < entities.abs().max() <= 0.01
    for q, scales in relations:
        torch.testing.assert_close(q @ q.t(), torch.eye(DIM), atol=1e-6, rtol=0)
        assert (scales == 1).all()
    assert cls(triples_factory=make_factory(), embedding_dim=200).interaction.group_size == 20
    assert cls(triples_factory=make_factory(), embedding_dim=64).interaction.group_size == 16


def test_from_trained():
    """It has the parameters of the OTE, also when training resets it."""
    factory = make_factory()
    trained = make(OTE, factory, scaled=False)
    model = GCOTE.from_trained(trained.float(), triples_factory=factory, attention=True, random_seed=1)
    for _ in range(3):
        for actual, expected in zip(read(model)[0], read(trained)[0], strict=True):
            torch.testing.assert_close(actual.float(), expected.float())
        a, b = (x.relation_representations[0]().float() for x in (model, trained))
        torch.testing.assert_close(a, b)
        for x in model.parameters():
            x.data.add_(1.0)
        model.reset_parameters_()
    assert model.interaction.group_size == SIZE
    assert model.contexts.attention


def test_from_another_model():
    factory, inverse = make_factory(), make_factory(create_inverse_triples=True)
    with pytest.raises(ValueError, match="GCOTE starts from a trained OTE, but this is Structural"):
        GCOTE.from_trained(Structural(triples_factory=factory, embedding_dim=4), triples_factory=factory)
    message = r"20 entities and 4 relations \(with inverse ones, if any\), but the triples have 20 and 8"
    with pytest.raises(ValueError, match=message):
        GCOTE.from_trained(make(OTE, factory).float(), triples_factory=inverse)


@pytest.mark.parametrize("name", ["KBGAN", "MMRNS", "sLCWA", "LCWA", "OneVsAll"])
def test_nothing_is_scored_with_itself(name, monkeypatch):
    """Whatever a loop scores in training, the positives of the batch are left out of the graph."""
    factory = make_factory(create_inverse_triples=name == "OneVsAll")
    model = GCOTE(triples_factory=factory, embedding_dim=DIM, group_size=SIZE, random_seed=0)
    loop = training_loop_resolver.make(name, model=model, triples_factory=factory, optimizer="adam")
    seen, forward = [], model.contexts._plain_forward

    def observe(indices=None):
        if model.training:
            seen.append(model.contexts._left_out is not None and bool(model.contexts._left_out.any()))
        return forward(indices)

    monkeypatch.setattr(model.contexts, "_plain_forward", observe)
    options = dict(num_negs_per_pos=3) if name in {"KBGAN", "MMRNS"} else {}
    loop.train(factory, num_epochs=1, batch_size=16, use_tqdm=False, **options)
    assert seen
    assert all(seen)


@pytest.mark.parametrize("cls", [OTE, GCOTE])
def test_entity_ids_do_not_matter(cls):
    factory = make_factory()
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    triples = factory.mapped_triples.clone()
    triples[:, [0, 2]] = order.argsort()[triples[:, [0, 2]]]
    one, other = make(cls, factory), make(cls, CoreTriplesFactory(triples, 20, 4))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        b.data.copy_(a.data[order] if len(a) == 20 else a.data)
    torch.testing.assert_close(one.predict_hrt(factory.mapped_triples), other.predict_hrt(triples))


def test_predictions_follow_parameters():
    """The contexts that predictions keep are calculated anew if a relation changes."""
    model, triples = make(), make_factory().mapped_triples
    before = model.predict_t(triples[:, :2])
    assert torch.equal(model.predict_t(triples[:, :2]), before)
    model.relation_representations[0]._embeddings.weight.data[1] += 0.1
    after = model.predict_t(triples[:, :2]).gather(1, triples[:, 2:])
    torch.testing.assert_close(after, model.predict_hrt(triples))
    assert not torch.equal(after, before.gather(1, triples[:, 2:]))


def test_adamf():
    """The interaction is one of those that multi-modal models may have."""
    model = AdaMF(triples_factory=make_factory(), embedding_dim=DIM, interaction="OTE", random_seed=0)
    assert model.relation_representations[0].shape == (DIM, DIM + 1)
    assert model.get_query_form().both_sides


def make_permutations(num=30):
    """Make a graph of two permutations that do not commute, and of both, one after the other, partly held out."""
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.randperm(num, generator=generator) for _ in range(2))
    numbers = torch.arange(num)
    triples = torch.cat(
        [torch.stack([numbers, torch.full((num,), r), x], dim=-1) for r, x in enumerate((one, two, two[one]))]
    )
    held_out = (triples[:, 1] == 2) & (triples[:, 0] % 4 == 0)
    return [CoreTriplesFactory(x, num, 3) for x in (triples[~held_out], triples[held_out])]


@pytest.mark.slow
@pytest.mark.parametrize("cls", [OTE, GCOTE])
def test_compositions(cls):
    """What follows from a composition of relations is found."""
    training, testing = make_permutations()
    result = pipeline(
        model=cls,
        model_kwargs=dict(embedding_dim=32, group_size=4),
        training=training,
        testing=testing,
        training_loop="sLCWA",
        negative_sampler="FilteredBernoulli",
        negative_sampler_kwargs=dict(num_negs_per_pos=8),
        loss_kwargs=dict(margin=3.0),
        optimizer_kwargs=dict(lr=0.02),
        training_kwargs=dict(num_epochs=80, batch_size=32, use_tqdm=False),
        evaluation_kwargs=dict(use_tqdm=False),
        random_seed=0,
        device="cpu",
    )
    assert result.get_metric("mrr") > 0.5


def test_bad_input():
    factory = make_factory()
    for cls in (OTE, GCOTE):
        with pytest.raises(ValueError, match=r"6 cannot be divided into groups of 4.* Choose another group_size"):
            cls(triples_factory=factory, embedding_dim=6, group_size=4)
        with pytest.raises(ValueError, match="group_size must be positive"):
            cls(triples_factory=factory, embedding_dim=6, group_size=0)
    with pytest.raises(ValueError, match="GCOTE looks at training triples, but got a KGInfo without"):
        GCOTE(triples_factory=KGInfo(5, 2, create_inverse_triples=False), embedding_dim=4)
