"""Queries: each triple is scored by comparing one entity with a query made of the rest."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pykeen.nn import modules

from pykeen_adamf.nn import (
    IKRLInteraction,
    LpRotatEInteraction,
    MMKRLInteraction,
    OTEInteraction,
    RegularizedInteraction,
    TBKGCInteraction,
)
from pykeen_adamf.nn.graph_context import GCOTEInteraction
from pykeen_adamf.nn.joint_experts import JointExpertsInteraction
from pykeen_adamf.nn.orthogonal import orthonormalize
from pykeen_adamf.nn.query import _FORMS, find_queries, get_query_form, unique_with_inverse
from pykeen_adamf.nn.relational import RelationalInteraction
from pykeen_adamf.nn.softmax import softmax_loss

DIM = 6


def angles(x):
    """Rotations, for which the score does not depend on which side is rotated."""
    return torch.polar(torch.ones_like(x), x)


def joint_experts():
    """What nothing is at random in, with gates that make a difference."""
    interaction = JointExpertsInteraction(2, DIM, 4, information_weight=0.0).eval()
    for mixture in interaction.mixtures:
        torch.nn.init.normal_(mixture.gate)
        mixture.noise.requires_grad_(False)
    return interaction


def orthogonal(x):
    """Relations of OTE, for which the score does not depend on which side is transformed."""
    return orthonormalize(x, 3)


#: for each interaction with queries: how to make it, whether entities are complex, the shapes of entities and of raw
#: relations, and what turns the latter into relations
CASES = {
    "DistMult": (modules.DistMultInteraction, False, (DIM,), (DIM,), None),
    "ComplEx": (modules.ComplExInteraction, True, (DIM,), (DIM, 2), torch.view_as_complex),
    "RESCAL": (modules.RESCALInteraction, False, (DIM,), (DIM, DIM), None),
    "HolE": (modules.HolEInteraction, False, (DIM,), (DIM,), None),
    "HolE, odd": (modules.HolEInteraction, False, (DIM - 1,), (DIM - 1,), None),
    "QuatE": (modules.QuatEInteraction, False, (DIM, 4), (DIM, 4), None),
    "RotatE": (modules.RotatEInteraction, True, (DIM,), (DIM,), angles),
    "IKRL": (IKRLInteraction, False, (2 * DIM,), (DIM,), None),
    "TBKGC": (TBKGCInteraction, False, (3 * DIM,), (DIM,), None),
    "MMKRL": (MMKRLInteraction, False, (4 * DIM,), (DIM,), None),
    "JointExperts": (joint_experts, False, (2 * DIM + 2,), (2 * 4 + 1,), None),
    "OTE": (lambda: OTEInteraction(3), False, (DIM,), (DIM, 4), orthogonal),
    "OTE, unscaled": (lambda: OTEInteraction(3, scaled=False), False, (DIM,), (DIM, 3), orthogonal),
    "OTE, both directions": (lambda: OTEInteraction(3, both_directions=True), False, (DIM,), (DIM, 4), orthogonal),
    "GC-OTE": (lambda: GCOTEInteraction(3), False, (3, DIM), (DIM, 4), orthogonal),
    "TuckER": (
        lambda: modules.TuckERInteraction(DIM, 4, 0.0, 0.0, 0.0, apply_batch_normalization=False),
        *(False, (DIM,), (4,), None),
    ),
    "TuckER, normalized": (lambda: modules.TuckERInteraction(DIM, 4).eval(), False, (DIM,), (4,), None),
    "TuckER, in training": (lambda: modules.TuckERInteraction(DIM, 4, 0.0, 0.0, 0.0), False, (DIM,), (4,), None),
    "regularized": (
        lambda: RegularizedInteraction("ComplEx", shape=DIM).eval(),
        True,
        (DIM,),
        (DIM, 2),
        torch.view_as_complex,
    ),
    "regularized, in training": (lambda: RegularizedInteraction("HolE", shape=DIM), False, (DIM,), (DIM,), None),
    "regularized distance": (lambda: RegularizedInteraction("LpRotatE", shape=DIM), True, (DIM,), (DIM,), angles),
    "dropout that is off": (
        lambda: RegularizedInteraction("QuatE", None, (DIM, 4), False, False, 0.5, 0.5).eval(),
        *(False, (DIM, 4), (DIM, 4), None),
    ),
    **{
        f"{cls.__name__}, p={p}, {power}": (lambda cls=cls, p=p, power=power: cls(p=p, power_norm=power), *shapes)
        for cls, shapes in {
            modules.TransEInteraction: (False, (DIM,), (DIM,), None),
            LpRotatEInteraction: (True, (DIM,), (DIM,), angles),
        }.items()
        for p in (1.0, 2.0, 3.0)
        for power in (False, True)
    },
}


def make(name: str, num_entities: int = 9, num_relations: int = 3):
    """Make an interaction with random representations in double precision."""
    cls, is_complex, shape, raw_shape, transform = CASES[name]
    torch.manual_seed(0)
    interaction = cls().double()
    dtype = torch.complex128 if is_complex else torch.float64
    entities = torch.randn(num_entities, *shape, dtype=dtype)
    if isinstance(interaction, RelationalInteraction):
        # all entities have all modalities
        entities[:, -interaction.num_modalities :] = 1
    entities.requires_grad_()
    raw = torch.randn(num_relations, *raw_shape, dtype=torch.float64).requires_grad_()
    return interaction, entities, raw, transform or (lambda x: x)


@pytest.mark.parametrize("name", CASES)
def test_shapes_elsewhere(name):
    """Where both kinds of queries are made of all, there are as many numbers in each."""
    interaction, entities, raw, transform = make(name)
    form = get_query_form(interaction)
    if form is None or not form.both_sides:
        pytest.skip("has no queries from tails")
    entity, relation = entities.detach()[[0, 1, 2]], transform(raw.detach())[[0, 1, 2]]
    is_head = torch.tensor([True, False, True])
    expected = form.query(entity, relation, is_head)
    elsewhere = form.query(entity.to("meta"), relation.to("meta"), is_head.to("meta"))
    assert elsewhere.shape == expected.shape


def test_every_form_is_tested():
    assert {type(make(name)[0]) for name in CASES} == set(_FORMS)


def random_triples(num: int, num_entities: int, num_relations: int, seed: int):
    rng = torch.Generator().manual_seed(seed)
    return [torch.randint(high, (num,), generator=rng) for high in (num_entities, num_relations, num_entities)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-5, 10**12)))
def test_unique(keys):
    keys = torch.tensor(keys, dtype=torch.long)
    expected = keys.unique(return_inverse=True)
    for actual, other in zip(unique_with_inverse(keys), expected, strict=True):
        assert torch.equal(actual, other)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 60), st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**31))
def test_queries_make_up_the_triples(num, num_entities, num_relations, seed):
    h, r, t = random_triples(num, num_entities, num_relations, seed)
    entity, relation, is_head, query, other = find_queries(h, r, t, num_relations)
    assert torch.equal(relation[query], r)
    assert torch.equal(torch.where(is_head[query], entity[query], other), h)
    assert torch.equal(torch.where(is_head[query], other, entity[query]), t)
    # each is used, and there are no two of a kind
    assert torch.equal(query.unique(), torch.arange(len(entity)))
    assert len(torch.stack([entity, relation, is_head.long()], dim=-1).unique(dim=0)) == len(entity)


def test_few_queries():
    """Corrupted triples share the side that was not corrupted."""
    num_positives, num_negatives, num_entities = 50, 30, 1000
    h, r, t = (x.unsqueeze(dim=-1).repeat(1, num_negatives) for x in random_triples(num_positives, num_entities, 5, 0))
    rng = torch.Generator().manual_seed(1)
    corrupt_head = torch.rand(h.shape, generator=rng) < 0.3
    random = torch.randint(num_entities, h.shape, generator=rng)
    h, t = torch.where(corrupt_head, random, h), torch.where(corrupt_head, t, random)
    entity, *_ = find_queries(h.flatten(), r.flatten(), t.flatten(), 5)
    assert len(entity) <= 2 * num_positives


@pytest.mark.parametrize("name", CASES)
def test_pairs_are_triples(name):
    """Scores and gradients of pairs are those of the interaction itself."""
    interaction, entities, raw, transform = make(name)
    form = get_query_form(interaction)
    if form.is_stochastic or not form.both_sides:
        pytest.skip("pairs are left to PyKEEN")
    h, r, t = random_triples(40, 9, 3, seed=0)
    weight = torch.randn(40, dtype=torch.float64)
    entity, relation, is_head, query, other = find_queries(h, r, t, 3)
    results = []
    for fast in (True, False):
        relations = transform(raw)
        if fast:
            queries = form.real_query(entities[entity], relations[relation], is_head)
            table = form.comparison.to_real(entities)
            candidates, row = form.select_candidates(table, other, is_head[query])
            scores = form.comparison.score_pairs(queries, candidates, query, row)
        else:
            scores = interaction(entities[h], relations[r], entities[t])
        results.append([scores, *torch.autograd.grad((weight * scores).sum(), [entities, raw])])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("is_head", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_all_pairs(name, is_head):
    """So are scores of all entities, from both sides, and the softmax over them, whole and in pieces."""
    interaction, entities, raw, transform = make(name)
    form = get_query_form(interaction)
    if not is_head and not form.both_sides:
        pytest.skip("there are no queries from tails")
    known, r, target = random_triples(7, 9, 3, seed=1)
    weight = torch.randn(7, 9, dtype=torch.float64)
    variables = [entities, raw, *(x for x in interaction.parameters() if x.requires_grad)]
    expected_scores = None
    results = []
    for kind in ("plain", "all", "with respect to nothing", "softmax", "in pieces"):
        relations = transform(raw)[r]
        queries = form.real_query(entities[known], relations, is_head)
        candidates = form.candidates(form.comparison.to_real(entities), is_head)
        if kind == "plain":
            x = entities[known].unsqueeze(dim=1), relations.unsqueeze(dim=1), entities.unsqueeze(dim=0)
            scores = interaction(*(x if is_head else x[::-1]))
        elif kind == "with respect to nothing":
            with torch.no_grad():
                scores = form.comparison.all_pairs(queries, candidates)
            torch.testing.assert_close(scores, expected_scores, rtol=1e-10, atol=1e-10)
            continue
        elif kind == "all":
            scores = form.comparison.all_pairs(queries, candidates)
        else:
            numel = 2**20 if kind == "softmax" else 30
            losses = softmax_loss(
                queries, candidates, target, form.comparison, label_smoothing=0.3, max_block_numel=numel
            )
            results.append([losses, *torch.autograd.grad((weight[:, 0] * losses).sum(), variables)])
            continue
        if expected_scores is None:
            expected_scores = scores.detach()
        losses = torch.nn.functional.cross_entropy(scores, target, label_smoothing=0.3, reduction="none")
        torch.testing.assert_close(scores, expected_scores, rtol=1e-10, atol=1e-10)
        gradients = torch.autograd.grad((weight * scores).sum(), variables, retain_graph=True)
        results.append([losses, *torch.autograd.grad((weight[:, 0] * losses).sum(), variables)])
        if kind == "plain":
            expected_gradients = gradients
        for actual, expected in zip(gradients, expected_gradients, strict=True):
            torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
    for actual_list in results[1:]:
        for actual, expected in zip(actual_list, results[0], strict=True):
            torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["ComplEx", "HolE", "LpRotatEInteraction, p=1.0, False", "TransEInteraction, p=2.0, False"]),
    st.integers(1, 9),
    st.integers(1, 20),
    st.integers(1, 60),
    st.floats(0, 0.9),
)
def test_softmax_in_any_pieces(name, num_queries, num_candidates, numel, label_smoothing):
    """The cross-entropy does not depend on the shapes of pieces."""
    interaction, entities, raw, transform = make(name, num_entities=num_candidates)
    form = get_query_form(interaction)
    known, r, target = random_triples(num_queries, num_candidates, 3, seed=num_queries)
    queries = form.real_query(entities[known], transform(raw)[r], True).detach().requires_grad_()
    candidates = form.comparison.to_real(entities).detach().requires_grad_()
    scores = form.comparison.compare(queries.unsqueeze(dim=1), candidates.unsqueeze(dim=0))
    expected = torch.nn.functional.cross_entropy(scores, target, label_smoothing=label_smoothing)
    losses = softmax_loss(
        queries, candidates, target, form.comparison, label_smoothing=label_smoothing, max_block_numel=numel
    )
    torch.testing.assert_close(losses.mean(), expected, rtol=1e-9, atol=1e-9)
    for actual, other in zip(
        torch.autograd.grad(losses.mean(), [queries, candidates]),
        torch.autograd.grad(expected, [queries, candidates]),
        strict=True,
    ):
        torch.testing.assert_close(actual, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_zero_distance(p):
    """A true triple at distance zero has finite gradients, in pairs and of all pairs."""
    form = get_query_form(LpRotatEInteraction(p=p))
    entities = torch.randn(1, 4, dtype=torch.complex128).requires_grad_()
    index = torch.zeros(3, dtype=torch.long)
    rows = form.comparison.to_real(entities)
    for scores in (form.comparison.score_pairs(rows, rows, index, index), form.comparison.all_pairs(rows, rows)):
        torch.testing.assert_close(scores, torch.zeros_like(scores))
        (gradient,) = torch.autograd.grad(scores.sum(), [entities], retain_graph=True)
        assert torch.isfinite(torch.view_as_real(gradient)).all()


def test_interactions_without_queries():
    """Neither others, nor subclasses, which may calculate anything, nor maximum norms have queries."""

    class Other(modules.DistMultInteraction):
        pass

    for interaction in (Other(), modules.PairREInteraction(p=1), LpRotatEInteraction(p=float("inf"))):
        assert get_query_form(interaction) is None
    with pytest.raises(ValueError, match=r"PairREInteraction does not compare .* use, e.g., ComplEx"):
        RegularizedInteraction("PairRE", dict(p=1), shape=4)


def test_batch_of_one():
    interaction, entities, raw, transform = make("regularized, in training")
    with pytest.raises(ValueError, match=r"more than one query in a batch.*drop_last"):
        interaction(entities[:1], transform(raw)[:1], entities[1:2])
