"""Clipping of gradients, which PyKEEN's own loops of this version cannot do."""

import pytest
import torch

from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.training import MATTrainingLoop

from ..cases import make_factory


def change_of_parameters(**kwargs) -> torch.Tensor:
    """Make one step of gradient descent with a learning rate of one, and return how far parameters have moved."""
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=0)
    loop = MATTrainingLoop(model=model, triples_factory=factory, optimizer="sgd", optimizer_kwargs=dict(lr=1.0))
    model.reset_parameters_ = lambda: model
    before = torch.cat([x.detach().flatten() for x in model.get_grad_params()])
    loop.train(factory, num_epochs=1, batch_size=1024, use_tqdm=False, **kwargs)
    return torch.cat([x.detach().flatten() for x in model.get_grad_params()]) - before


@pytest.mark.parametrize("norm_type", [None, 1.0])
def test_norm(norm_type):
    order = norm_type or 2.0
    free = torch.linalg.vector_norm(change_of_parameters(), ord=order)
    clipped = change_of_parameters(gradient_clipping_max_norm=1e-3, gradient_clipping_norm_type=norm_type)
    assert free > 2e-3
    torch.testing.assert_close(torch.linalg.vector_norm(clipped, ord=order), torch.tensor(1e-3), rtol=1e-2, atol=0)


def test_absolute_value():
    assert change_of_parameters().abs().max() > 2e-4
    assert change_of_parameters(gradient_clipping_max_abs_value=1e-4).abs().max() <= 1.01e-4
