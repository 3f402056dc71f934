"""Ranks of single triples."""

from math import prod

import pytest
import torch
from pykeen.models import model_resolver
from torch.utils._python_dispatch import TorchDispatchMode

from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.experiments.data import sample
from pykeen_adamf.experiments.paper.contenders import CONTENDERS, load_configuration
from pykeen_adamf.explaining.model import predicting
from pykeen_adamf.explaining.ranking import MAX_NUMBERS, Ranker


class LargestTensor(TorchDispatchMode):
    """Remembers how many real numbers the largest tensor has."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        # a view takes nothing
        if isinstance(result, torch.Tensor) and result._base is None and 0 not in result.stride():
            self.size = max(self.size, prod(result.shape) * (2 if result.is_complex() else 1))
        return result


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTENDERS)
def test_memory(name):
    """Whatever the model, what ranking takes does not grow with the number of triples."""
    pipeline = load_configuration(name, "EmojiKG")["pipeline"]
    dataset = EmojiKG()
    kwargs = {**pipeline["model_kwargs"], "embedding_dim": 200}
    model = model_resolver.make(pipeline["model"], kwargs, triples_factory=dataset.training, random_seed=0)
    known = torch.cat([x.mapped_triples for x in (dataset.training, dataset.validation, dataset.testing)])
    triples = sample(dataset.testing, 100).mapped_triples
    with LargestTensor() as largest, predicting(model):
        ranked = Ranker(model, triples, known).rank(lambda _: None)
    assert len(ranked.head_ranks) == 100
    # all at once would be at least 43 million
    assert largest.size <= 1.1 * MAX_NUMBERS
