"""Filtered Bernoulli sampling: exact, uniform, and safe where PyKEEN's is not."""

import pykeen.datasets  # noqa: F401  # loads plugins
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pykeen.sampling import BernoulliNegativeSampler, negative_sampler_resolver

from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler
from pykeen_adamf.sampling.complement import ComplementSampler
from pykeen_adamf.sampling.filtered_bernoulli import head_corruption_probability


@st.composite
def graphs(draw):
    """Draw small, sparse to complete graphs."""
    num_entities, num_relations = draw(st.integers(2, 6)), draw(st.integers(1, 3))
    entity, relation = st.integers(0, num_entities - 1), st.integers(0, num_relations - 1)
    triples = draw(st.lists(st.tuples(entity, relation, entity), min_size=1, max_size=60))
    return torch.tensor(triples), num_entities, num_relations


@settings(deadline=None, max_examples=100)
@given(graphs(), st.integers(1, 9), st.integers(0, 2**31))
def test_properties(graph, num_negatives, seed):
    triples, num_entities, num_relations = graph
    torch.manual_seed(seed)
    sampler = FilteredBernoulliNegativeSampler(
        mapped_triples=triples, num_entities=num_entities, num_relations=num_relations, num_negs_per_pos=num_negatives
    )
    negatives, valid = sampler.sample(triples)
    assert negatives.shape == (len(triples), num_negatives, 3)
    assert (negatives >= 0).all()
    assert (negatives[..., [0, 2]] < num_entities).all()
    # exactly one of head and tail is replaced, unless there is nothing to replace it by
    valid = torch.ones(negatives.shape[:-1], dtype=torch.bool) if valid is None else valid
    changed = negatives != triples.unsqueeze(dim=1)
    assert torch.equal(changed.sum(dim=-1), valid.long())
    assert not changed[..., 1].any()
    known = set(map(tuple, triples.tolist()))
    for positive, row, mask in zip(triples.tolist(), negatives.tolist(), valid.tolist(), strict=True):
        for negative, is_valid in zip(row, mask, strict=True):
            assert (tuple(negative) not in known) == is_valid
        h, r, t = positive
        saturated = all((x, r, t) in known for x in range(num_entities)) and all(
            (h, r, x) in known for x in range(num_entities)
        )
        assert any(mask) != saturated


@settings(deadline=None, max_examples=50)
@given(graphs())
def test_probabilities_are_pykeens(graph):
    """Where PyKEEN's are defined, they are the same; elsewhere they are one half rather than NaN."""
    triples, num_entities, num_relations = graph
    theirs = BernoulliNegativeSampler(
        mapped_triples=triples, num_entities=num_entities, num_relations=num_relations
    ).corrupt_head_probability
    ours = head_corruption_probability(triples, num_relations)
    torch.testing.assert_close(ours, torch.where(theirs.isnan(), 0.5, theirs))


def test_uniform_over_the_complement():
    """Every entity that makes no known triple is equally likely, and no other is ever drawn."""
    torch.manual_seed(0)
    keys = torch.tensor([0, 0, 0, 7, 7])
    values = torch.tensor([1, 5, 2, 0, 9])
    sampler = ComplementSampler(keys, values, num_values=10)
    drawn, valid = sampler.sample(torch.tensor([[0], [7], [3]]), torch.tensor([[1], [0], [4]]), num=20_000)
    assert valid is None
    for row, excluded in zip(drawn, ({1, 2, 5}, {0, 9}, {4}), strict=True):
        counts = torch.bincount(row, minlength=10)
        allowed = [i for i in range(10) if i not in excluded]
        assert counts[list(excluded)].sum() == 0
        assert scipy.stats.chisquare(counts[allowed].numpy()).pvalue > 1e-4


def test_head_tail_ratio():
    """The side to corrupt follows the relation's probability."""
    torch.manual_seed(0)
    # one head with many tails: the head is corrupted more often
    triples = torch.tensor([[0, 0, t] for t in range(1, 10)])
    sampler = FilteredBernoulliNegativeSampler(mapped_triples=triples, num_entities=50, num_negs_per_pos=2000)
    negatives, _ = sampler.sample(triples)
    corrupted = (negatives[..., 0] != 0).float().mean()
    assert corrupted == pytest.approx(sampler.corrupt_head_probability[0].item(), abs=0.02)
    assert corrupted > 0.8


def test_relations_without_triples():
    triples = torch.tensor([[0, 0, 1]])
    sampler = FilteredBernoulliNegativeSampler(mapped_triples=triples, num_entities=5, num_relations=3)
    negatives, _ = sampler.sample(torch.tensor([[2, 2, 3]]))
    assert ((negatives != torch.tensor([2, 2, 3])).sum(dim=-1) == 1).all()


def test_unfiltered_and_additional_filter():
    torch.manual_seed(0)
    triples = torch.tensor([[0, 0, t] for t in range(1, 9)])
    known = set(map(tuple, triples.tolist()))
    kwargs = dict(mapped_triples=triples, num_entities=10, num_negs_per_pos=500)
    negatives, mask = FilteredBernoulliNegativeSampler(filtered=False, **kwargs).sample(triples)
    assert mask is None
    assert any(tuple(x) in known for x in negatives.view(-1, 3).tolist())
    negatives, mask = FilteredBernoulliNegativeSampler(filtered=False, filterer="python-set", **kwargs).sample(triples)
    assert not any(tuple(x) in known for x in negatives[mask].tolist())


def test_defaults_and_resolution():
    assert negative_sampler_resolver.lookup("FilteredBernoulli") is FilteredBernoulliNegativeSampler
    sampler = FilteredBernoulliNegativeSampler(mapped_triples=torch.tensor([[0, 0, 1], [1, 0, 2]]))
    assert sampler.num_negs_per_pos == 128
    with pytest.raises(ValueError, match="two entities"):
        FilteredBernoulliNegativeSampler(mapped_triples=torch.tensor([[0, 0, 0]]))


def test_db15k(data_directory):
    """On real data: no known triple is ever sampled, although six relations have no training triples."""
    from pykeen_adamf.datasets.openke import read_triples

    triples = read_triples(data_directory / "DB15K" / "train2id.txt", 12842, 279)
    torch.manual_seed(0)
    sampler = FilteredBernoulliNegativeSampler(mapped_triples=triples, num_entities=12842, num_relations=279)
    assert torch.isfinite(sampler.corrupt_head_probability).all()
    negatives, mask = sampler.sample(triples[torch.randperm(len(triples))[:1024]])
    assert mask is None
    known = set(map(tuple, triples.tolist()))
    assert not any(tuple(x) in known for x in negatives.view(-1, 3).tolist())
