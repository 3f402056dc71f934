"""Scoring by queries is PyKEEN's scoring, only faster."""

import pytest
import torch
from pykeen.models import ERModel
from pykeen.predict import predict_triples
from pykeen.sampling import BasicNegativeSampler
from pykeen.training import SLCWATrainingLoop
from pykeen.utils import get_batchnorm_modules

from pykeen_adamf.models import LpRotatE, MoMoK
from pykeen_adamf.models.query import QueryScoringModel
from pykeen_adamf.models.shared_entities import _number

from ..cases import make_factory
from .test_models import MODELS as ALL_MODELS

#: Without what counts entities as often as they are represented: its term is compared in the model's own tests.
MODELS = {
    **ALL_MODELS,
    "TransAE": (ALL_MODELS["TransAE"][0], {**ALL_MODELS["TransAE"][1], "reconstruction_weight": 0.0}),
    **{x: (ALL_MODELS[x][0], {**ALL_MODELS[x][1], "alignment_weight": 0.0}) for x in ("MMKRL", "MMKRL-mask")},
}


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
    assert isinstance(model, QueryScoringModel)
    if cls is MoMoK:
        # noise, dropout and batch normalization
        model.eval()
    batch = corrupted(factory, seed)
    weight = torch.randn(len(batch), 1, dtype=torch.float64)
    results = []
    for score_hrt in (model.score_hrt, super(QueryScoringModel, model).score_hrt):
        model.zero_grad()
        scores = score_hrt(batch)
        assert scores.shape == (len(batch), 1)
        ((weight * scores).sum() + model.collect_regularization_term()).backward()
        results.append([scores, *(x.grad for x in model.parameters() if x.requires_grad)])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def test_infinite_norm():
    """The maximum is no sum of powers, and left to PyTorch."""
    factory = make_factory()
    model = LpRotatE(triples_factory=factory, embedding_dim=4, random_seed=0, p=float("inf"))
    batch = factory.mapped_triples
    assert torch.equal(model.score_hrt(batch), ERModel.score_hrt(model, batch))


def test_predict_then_train(tmp_path):
    """Nothing that was made without gradients, or for other triples, is used again."""
    factory = make_factory()
    model = LpRotatE(triples_factory=factory, embedding_dim=4, random_seed=0)
    with torch.inference_mode():
        model.score_hrt(factory.mapped_triples)
    predict_triples(model, triples=factory.mapped_triples)
    loop = SLCWATrainingLoop(model=model, triples_factory=factory, optimizer="adam")
    losses = loop.train(factory, num_epochs=1, use_tqdm=False)
    assert len(losses) == 1
    # what is saved are parameters and configuration only
    state = {name for name in vars(model) if "shared" in name or "row" in name}
    assert not any(isinstance(getattr(model, name), torch.Tensor) for name in state)


def test_sharing_knows_its_entities():
    """Within sharing, scores are the same; other entities are refused rather than mistaken."""
    factory = make_factory()
    model = LpRotatE(triples_factory=factory, embedding_dim=4, random_seed=0)
    batch = factory.mapped_triples
    expected = model.score_hrt(batch)
    with model.sharing(batch[:, [0, 2]]):
        torch.testing.assert_close(model.score_hrt(batch), expected)
        torch.testing.assert_close(model.score_hrt(batch[3:5]), expected[3:5])
    with model.sharing(batch[:3, [0, 2]]), pytest.raises(ValueError, match="only the entities that it was given"):
        model.score_hrt(batch)
    # not even after an error is anything left
    torch.testing.assert_close(model.score_hrt(batch), expected)


def test_repeated_entities():
    """Their last row is used, in whatever order a device writes."""
    assert _number(torch.tensor([3, 1, 3, 0]), 5).tolist() == [3, 1, -1, 2, -1]


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


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("batch_size", "num_negatives"), [(1, 1), (1, 7), (9, 1), (13, 5)])
def test_corrupted_triples(name, batch_size, num_negatives):
    """Knowing what negatives have in common with their positives changes neither scores nor gradients."""
    cls, kwargs = MODELS[name]
    factory = make_factory()
    model = cls(triples_factory=factory, embedding_dim=4, random_seed=0, **kwargs).double()
    if cls is MoMoK or (batch_size * num_negatives == 1 and get_batchnorm_modules(model)):
        # there is noise, or there are no statistics of one
        model.eval()
    torch.manual_seed(batch_size)
    positives = factory.mapped_triples[:batch_size].clone()
    # the head is the tail; and a distance of exactly zero: a head that rotates into itself. Fused entities, which
    # PyKEEN calculates twice, may differ from themselves by rounding, in any direction.
    positives[0, 2] = positives[0, 0]
    if cls is LpRotatE:
        model.relation_representations[0].raw.data[positives[0, 1]] = 0.0
    negatives = positives.unsqueeze(dim=1).repeat(1, num_negatives, 1)
    column = 2 * torch.randint(2, (batch_size, num_negatives, 1))
    negatives.scatter_(2, column, torch.randint(20, column.shape))
    # not corrupted at all
    negatives[-1, -1] = positives[-1]
    weight = torch.randn(batch_size, num_negatives, dtype=torch.float64)
    results = []
    for fast in (True, False):
        model.zero_grad()
        if fast:
            scores = model.score_corrupted(positives, negatives)
        else:
            scores = ERModel.score_hrt(model, negatives.view(-1, 3)).view(weight.shape)
        ((weight * scores).sum() + model.collect_regularization_term()).backward()
        results.append([scores, *(x.grad for x in model.parameters() if x.requires_grad)])
    for actual, expected in zip(*results, strict=True):
        assert actual is None or torch.isfinite(actual).all()
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
