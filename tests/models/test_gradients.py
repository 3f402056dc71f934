"""The gradients of scores, of every model, against differences; as in evaluation, without random numbers."""

import pytest
import torch
from pykeen.models import model_resolver
from torch.func import functional_call

from pykeen_adamf.models import GCOTE, OTE, QueryScoringModel

from ..cases import make_factory

NAMES = [
    "AdaMF",
    "AdaMFRotatE",
    "LpRotatE",
    "Structural",
    "IKRL",
    "TBKGC",
    "VBKGC",
    "TransAE",
    "MMKRL",
    "RSME",
    "OTKGE",
    "MoSE",
    "NativE",
    "MoMoK",
    "MoCME",
    "OTE",
    "GCOTE",
]


class Scores(torch.nn.Module):
    """Scores as the result of a module."""

    def __init__(self, model: QueryScoringModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, triples: torch.Tensor) -> torch.Tensor:
        return self.model.score_hrt(triples)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name):
    factory = make_factory()
    options = dict(group_size=2) if model_resolver.lookup(name) in {OTE, GCOTE} else {}
    model = model_resolver.make(name, options, triples_factory=factory, embedding_dim=4, random_seed=0)
    module = Scores(model.double().eval())
    parameters = {key: x for key, x in module.named_parameters() if x.requires_grad}

    def score(*values: torch.Tensor) -> torch.Tensor:
        return functional_call(module, dict(zip(parameters, values, strict=True)), (factory.mapped_triples[:5],))

    assert torch.autograd.gradcheck(score, list(parameters.values()), fast_mode=True)
