"""Anchors: each triple is scored by comparing one entity with an anchor made of the rest."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeen_adamf.nn import LpRotatEInteraction
from pykeen_adamf.nn.anchored import AnchoredInteraction, find_anchors, unique_with_inverse
from pykeen_adamf.nn.distance import as_planar

#: every interaction with anchors
INTERACTIONS = [LpRotatEInteraction]


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
def test_anchors_make_up_the_triples(num, num_entities, num_relations, seed):
    h, r, t = random_triples(num, num_entities, num_relations, seed)
    entity, relation, is_head, anchor, other = find_anchors(h, r, t, num_relations)
    assert torch.equal(relation[anchor], r)
    assert torch.equal(torch.where(is_head[anchor], entity[anchor], other), h)
    assert torch.equal(torch.where(is_head[anchor], other, entity[anchor]), t)
    # each is used, and there are no two of a kind
    assert torch.equal(anchor.unique(), torch.arange(len(entity)))
    assert len(torch.stack([entity, relation, is_head.long()], dim=-1).unique(dim=0)) == len(entity)


def test_few_anchors():
    """Corrupted triples share the side that was not corrupted."""
    num_positives, num_negatives, num_entities = 50, 30, 1000
    h, r, t = (x.unsqueeze(dim=-1).repeat(1, num_negatives) for x in random_triples(num_positives, num_entities, 5, 0))
    rng = torch.Generator().manual_seed(1)
    corrupt_head = torch.rand(h.shape, generator=rng) < 0.3
    random = torch.randint(num_entities, h.shape, generator=rng)
    h, t = torch.where(corrupt_head, random, h), torch.where(corrupt_head, t, random)
    entity, *_ = find_anchors(h.flatten(), r.flatten(), t.flatten(), 5)
    assert len(entity) <= 2 * num_positives


@pytest.mark.parametrize("cls", INTERACTIONS)
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("power_norm", [False, True])
def test_pairs_are_triples(cls, p, power_norm):
    """Scores and gradients of pairs are those of the interaction itself."""
    interaction = cls(p=p, power_norm=power_norm)
    assert isinstance(interaction, AnchoredInteraction)
    rng = torch.Generator().manual_seed(0)
    entities = torch.randn(9, 5, dtype=torch.complex128, generator=rng).requires_grad_()
    angles = torch.rand(3, 5, dtype=torch.float64, generator=rng).requires_grad_()
    h, r, t = random_triples(40, 9, 3, seed=0)
    weight = torch.randn(40, dtype=torch.float64, generator=rng)
    entity, relation, is_head, anchor, other = find_anchors(h, r, t, 3)
    results = []
    for fast in (True, False):
        relations = torch.polar(torch.ones_like(angles), angles)
        if fast:
            anchors = interaction.anchor(entities[entity], relations[relation], is_head)
            scores = interaction.score_pairs(anchors, as_planar(entities), anchor, other)
        else:
            scores = interaction(entities[h], relations[r], entities[t])
        results.append([scores, *torch.autograd.grad((weight * scores).sum(), [entities, angles])])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_zero_distance(p):
    """A true triple at distance zero has finite gradients."""
    entities = torch.randn(1, 4, dtype=torch.complex128).requires_grad_()
    index = torch.zeros(3, dtype=torch.long)
    scores = LpRotatEInteraction(p=p).score_pairs(entities, as_planar(entities), index, index)
    torch.testing.assert_close(scores, torch.zeros(3, dtype=torch.float64))
    scores.sum().backward()
    assert torch.isfinite(torch.view_as_real(entities.grad)).all()
