"""Negatives of a batch from a pool of entities: exact, uniform, and from few entities."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler
from pykeen_adamf.sampling.complement import ComplementSampler

from ..cases import make_factory


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(3, 12), st.integers(1, 12))
def test_complement_within_pool(seed, num_values, pool_size):
    """Every value of the pool that does not occur with the key is drawn, and no other."""
    rng = torch.Generator().manual_seed(seed)
    keys, values = (torch.randint(high, (15,), generator=rng) for high in (4, num_values))
    pool = torch.randint(num_values, (pool_size,), generator=rng).unique()
    # the last key is unknown
    asked = torch.arange(5)
    excluded = torch.randint(num_values, (5,), generator=rng)
    sampler = ComplementSampler(keys, values, num_values).restrict(asked, excluded, pool)
    drawn, valid = sampler.sample(asked.unsqueeze(dim=-1), torch.zeros(5, 1, dtype=torch.long), 400)
    for key in asked.tolist():
        expected = set(pool.tolist()).difference(values[keys == key].tolist(), excluded[key : key + 1].tolist())
        if expected:
            assert valid is None or valid[key].all()
            assert set(pool[drawn[key]].tolist()) == expected
        else:
            assert not valid[key].any()


@pytest.mark.parametrize("filtered", [True, False])
def test_few_entities(filtered):
    factory = make_factory(num_entities=1000, num_triples=500)
    known = set(map(tuple, factory.mapped_triples.tolist()))
    sampler = FilteredBernoulliNegativeSampler(
        mapped_triples=factory.mapped_triples,
        num_entities=factory.num_entities,
        num_negs_per_pos=50,
        pool_size=30,
        filtered=filtered,
    )
    positives = factory.mapped_triples[:100]
    negatives, mask = sampler.sample(positives)
    assert mask is None
    expanded = positives.unsqueeze(dim=1).expand_as(negatives)
    changed = negatives != expanded
    assert not changed[..., 1].any()
    # no positive is its own negative, filtered or not
    assert (changed.sum(dim=-1) == 1).all()
    assert len(negatives[changed].unique()) <= 30
    if filtered:
        assert not known.intersection(map(tuple, negatives.view(-1, 3).tolist()))
    # and other entities for the next batch
    other, _ = sampler.sample(positives)
    assert set(negatives[changed].tolist()) != set(other[other != expanded].tolist())


@pytest.mark.slow
def test_uniform():
    """Over many batches, each entity that is allowed is drawn equally often."""
    torch.manual_seed(0)
    triples = torch.tensor([[0, 0, t] for t in range(1, 9)])
    sampler = FilteredBernoulliNegativeSampler(
        mapped_triples=triples, num_entities=12, num_negs_per_pos=20, pool_size=8
    )
    sampler.corrupt_head_probability.zero_()
    drawn = []
    for _ in range(1000):
        negatives, mask = sampler.sample(triples[:1])
        drawn.append(negatives[..., 2][mask] if mask is not None else negatives[..., 2].flatten())
    counts = torch.cat(drawn).bincount(minlength=12)
    # where none of the pool is allowed as a tail, which has a probability of (8 / 12)^8, the head is corrupted instead
    assert counts[1] <= 0.06 * counts.sum()
    assert not counts[2:9].any()
    share = counts[[0, 9, 10, 11]] / counts[[0, 9, 10, 11]].sum()
    torch.testing.assert_close(share, torch.full((4,), 0.25), atol=0.03, rtol=0)


def test_everything():
    """A pool of at least all entities is no pool."""
    factory = make_factory()
    common = dict(mapped_triples=factory.mapped_triples, num_negs_per_pos=5)
    results = []
    for pool_size in (None, factory.num_entities):
        torch.manual_seed(0)
        results.append(FilteredBernoulliNegativeSampler(**common, pool_size=pool_size).sample(factory.mapped_triples))
    assert torch.equal(results[0][0], results[1][0])


@pytest.mark.parametrize("pool_size", [0, 1, -3])
def test_too_small(pool_size):
    with pytest.raises(ValueError, match="pool_size must be at least two"):
        FilteredBernoulliNegativeSampler(mapped_triples=torch.tensor([[0, 0, 1]]), pool_size=pool_size)


def test_hub():
    """What is known of entities with many triples is looked up, rather than repeated for each positive."""
    num_entities, batch_size = 20_000, 256
    triples = torch.stack([torch.arange(1, num_entities), *torch.zeros(2, num_entities - 1, dtype=torch.long)], dim=-1)
    sampler = FilteredBernoulliNegativeSampler(
        mapped_triples=triples, num_entities=num_entities, num_relations=1, num_negs_per_pos=4, pool_size=100
    )
    positives = triples[:batch_size]
    pool = torch.arange(0, num_entities, 200)
    restricted = sampler.heads.restrict(torch.zeros(batch_size, dtype=torch.long), positives[:, 0], pool)
    assert len(restricted.pairs) <= batch_size * (len(pool) + 1)
    negatives, mask = sampler.sample(positives)
    valid = negatives if mask is None else negatives[mask]
    known = set(map(tuple, triples.tolist()))
    assert not known.intersection(map(tuple, valid.view(-1, 3).tolist()))
