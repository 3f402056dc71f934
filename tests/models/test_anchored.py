"""Scoring by anchors is PyKEEN's scoring, only faster."""

import pytest
import torch
from pykeen.models import ERModel
from pykeen.sampling import BasicNegativeSampler

from pykeen_adamf.models.anchored import AnchoredScoringModel

from ..cases import make_factory
from .test_models import MODELS


def corrupted(factory, seed: int):
    """Triples with corrupted heads, tails, and relations, in no particular order."""
    torch.manual_seed(seed)
    sampler = BasicNegativeSampler(
        mapped_triples=factory.mapped_triples, num_negs_per_pos=5, corruption_scheme=("head", "relation", "tail")
    )
    negatives = sampler.corrupt_batch(factory.mapped_triples).view(-1, 3)
    return torch.cat([factory.mapped_triples, negatives])[torch.randperm(len(negatives))]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_scores_and_gradients(name, seed):
    cls, kwargs = MODELS[name]
    factory = make_factory(seed=seed)
    model = cls(triples_factory=factory, embedding_dim=4, random_seed=0, **kwargs).double()
    assert isinstance(model, AnchoredScoringModel)
    batch = corrupted(factory, seed)
    weight = torch.randn(len(batch), 1, dtype=torch.float64)
    results = []
    for score_hrt in (model.score_hrt, super(AnchoredScoringModel, model).score_hrt):
        model.zero_grad()
        scores = score_hrt(batch)
        assert scores.shape == (len(batch), 1)
        ((weight * scores).sum() + model.collect_regularization_term()).backward()
        results.append([scores, *(x.grad for x in model.parameters() if x.requires_grad)])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def test_dropout_is_pykeens():
    """Dropout differs between occurrences of an entity, so that they cannot share a representation."""
    cls, kwargs = MODELS["LpRotatE"]
    model = cls(triples_factory=make_factory(), embedding_dim=4, random_seed=0, **kwargs)
    batch = make_factory().mapped_triples
    model.entity_representations[0].dropout = torch.nn.Dropout(0.0)
    model.train()
    assert torch.equal(model.score_hrt(batch), ERModel.score_hrt(model, batch))
    model.eval()
    torch.testing.assert_close(model.score_hrt(batch), ERModel.score_hrt(model, batch))
