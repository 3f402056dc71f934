"""What is measured of a trained model."""

import numpy
import pytest
import torch
from pykeen.datasets import get_dataset
from pykeen.evaluation import RankBasedEvaluator
from pykeen.models import DistMult, TransE
from pykeen.pipeline import pipeline

from pykeen_adamf.evaluation.measuring import RankKeepingEvaluator, collect_metrics, weight_modalities
from pykeen_adamf.explaining import explain_relations
from pykeen_adamf.explaining.model import predicting
from pykeen_adamf.explaining.ranking import Ranker
from tests.cases import make_factory


def tie(model):
    """Let many triples have the same scores."""
    for parameter in model.parameters():
        parameter.data = parameter.data.round()
    return model


@pytest.mark.parametrize("batch_size", [None, 1, 7])
@pytest.mark.parametrize("cls", [DistMult, TransE])
def test_ranks(cls, batch_size):
    """They are those of another implementation, in the order of the triples, also if many entities score the same."""
    factory = make_factory(num_triples=200)
    training, testing = factory.split(0.7, random_state=0)
    model = tie(cls(triples_factory=training, embedding_dim=2, random_seed=0))
    kwargs = dict(additional_filter_triples=[training.mapped_triples], batch_size=batch_size, use_tqdm=False)
    evaluator = RankKeepingEvaluator()
    result = evaluator.evaluate(model, testing.mapped_triples, **kwargs)
    known = torch.cat([training.mapped_triples, testing.mapped_triples])
    with predicting(model):
        expected = Ranker(model, testing.mapped_triples, known).rank(lambda _: None)
    ranks = evaluator.get_ranks()
    assert ranks["head_rank"].tolist() == expected.head_ranks.tolist()
    assert ranks["tail_rank"].tolist() == expected.tail_ranks.tolist()
    # there are ties
    assert any(rank % 1 for rank in ranks["head_rank"])
    pykeens = RankBasedEvaluator().evaluate(model, testing.mapped_triples, **kwargs)
    assert collect_metrics(result) == collect_metrics(pykeens)


def test_last_evaluation():
    """The ranks are those of the last evaluation only."""
    factory = make_factory(num_triples=200)
    model = DistMult(triples_factory=factory, embedding_dim=2, random_seed=0)
    evaluator = RankKeepingEvaluator()
    kwargs = dict(additional_filter_triples=[factory.mapped_triples], use_tqdm=False)
    evaluator.evaluate(model, factory.mapped_triples, **kwargs)
    whole = evaluator.get_ranks()
    evaluator.evaluate(model, factory.mapped_triples[:10], **kwargs)
    for name, ranks in evaluator.get_ranks().items():
        assert numpy.array_equal(ranks, whole[name][:10])


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("kwargs", [{}, dict(use_structural=False), dict(fusion="mean")])
def test_weights(kwargs):
    """They are those of the explanation of relations, which takes longer."""
    dataset = get_dataset(dataset="EmojiKG")
    result = pipeline(
        dataset=dataset,
        model="AdaMFRotatE",
        model_kwargs=dict(embedding_dim=4, **kwargs),
        training_kwargs=dict(num_epochs=1, batch_size=512, use_tqdm_batch=False),
        random_seed=0,
        device="cpu",
        use_tqdm=False,
    )
    rows = weight_modalities(result.model, dataset.testing)
    expected = explain_relations(
        result.model,
        dataset.training,
        dataset.testing,
        relations=dataset.testing.relation_to_id,
        progress=False,
    )
    expected = expected.set_index(["relation", "modality"])
    assert {(row["relation"], row["modality"]) for row in rows} == set(expected.index)
    for row in rows:
        other = expected.loc[row["relation"], row["modality"]]
        assert row["weight"] == pytest.approx(other["weight"], rel=1e-6)
        assert row["num_triples"] == other["num_triples"]
