"""The examples of the documentation do what its pages say."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from pykeen.models import model_resolver
from pykeen.pipeline import pipeline
from pykeen.sampling import negative_sampler_resolver

from pykeen_adamf.bundle import load
from pykeen_adamf.nn import fusion_resolver

from ..cases import make_factory

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TRAINING = dict(num_epochs=1, batch_size=32, use_tqdm=False)


@pytest.fixture
def example(monkeypatch):
    """Return a function that imports an example, which registers its class; all of it is forgotten after the test."""
    monkeypatch.syspath_prepend(EXAMPLES)
    for resolver in (fusion_resolver, model_resolver, negative_sampler_resolver):
        monkeypatch.setattr(resolver, "lookup_dict", dict(resolver.lookup_dict))

    def load_example(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load_example
    for name in ("fusion", "model", "sampler"):
        sys.modules.pop(name, None)


def train(model: str, loop: str, inverse: bool = False, **kwargs: object):
    training, testing = make_factory(create_inverse_triples=inverse).split(0.8, random_state=0)
    kwargs = dict(model=model, training_loop=loop, training_kwargs=TRAINING, random_seed=0, **kwargs)
    return pipeline(training=training, testing=testing, evaluation_kwargs=dict(use_tqdm=False), **kwargs)


def test_fusion(example):
    fusion = example("fusion").MaximumFusion(dict(a=3, b=3))
    x, y = torch.tensor([[1.0, -2.0, 0.0]]), torch.tensor([[0.0, 5.0, -1.0]])
    assert fusion([x, y]).tolist() == [[1, 5, 0]]
    assert fusion([x, y], torch.tensor([[False, True]])).tolist() == y.tolist()
    result = train("AdaMF", "OneVsAll", inverse=True, model_kwargs=dict(interaction="ComplEx", fusion="maximum"))
    assert result.get_metric("mrr") > 0


def test_model(example, tmp_path):
    example("model")
    result = train("MeanTransE", "MAT", model_kwargs=dict(embedding_dim=4), loss="NSSA")
    assert torch.isfinite(torch.tensor(result.losses)).all()
    assert result.model.modality_weights().shape == (20, 3)
    result.save_to_directory(tmp_path)
    loaded, triples = load(tmp_path).model, result.training.mapped_triples
    assert type(loaded).__name__ == "MeanTransE"
    assert torch.equal(loaded.score_hrt(triples), result.model.score_hrt(triples))


def test_model_is_checked(example):
    with pytest.raises(ValueError, match="acoustic"):
        example("model").MeanTransE(triples_factory=make_factory(), modalities=["acoustic"])


def test_sampler(example):
    cls = example("sampler").PopularityNegativeSampler
    factory = make_factory()
    triples = factory.mapped_triples
    sampler = cls(mapped_triples=triples, num_entities=20, num_relations=4, num_negs_per_pos=500, exponent=1.0)
    torch.manual_seed(0)
    negatives = sampler.corrupt_batch(triples[:8])
    same = negatives == triples[:8, None]
    assert negatives.shape == (8, 500, 3)
    assert same[..., 1].all()
    assert (same[..., 0] | same[..., 2]).all()
    drawn = torch.bincount(torch.where(same[..., 0], negatives[..., 2], negatives[..., 0]).flatten(), minlength=20)
    assert torch.allclose(drawn / drawn.sum(), sampler.weights / sampler.weights.sum(), atol=0.06)
    with pytest.raises(ValueError, match="must not be negative"):
        cls(mapped_triples=triples, exponent=-1)
    train("AdaMFRotatE", "MAT", negative_sampler="popularity", negative_sampler_kwargs=dict(num_negs_per_pos=4))
