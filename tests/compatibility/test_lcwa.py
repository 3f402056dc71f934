"""PyKEEN's LCWA training loop: AdaMF's fast way to score all tails has the loss and gradients of PyKEEN's own way."""

import pytest
import torch
from pykeen.models import ERModel
from pykeen.training import LCWATrainingLoop

from pykeen_adamf.models import AdaMF

from .cases import make_dataset
from .test_loops import Plain

CASES = {
    "ComplEx": {},
    "HolE": dict(interaction="HolE", fusion="gated"),
    "TransE": dict(interaction="TransE", fusion="mean", regularizer="lp"),
    "TransE, p=2": dict(interaction="TransE", interaction_kwargs=dict(p=2), feature_dropout=0.0),
    "LpRotatE": dict(interaction="LpRotatE", fusion="adaptive", missing="zero", trainable_features=True),
    "TuckER, normalized": dict(interaction="TuckER", fusion="concatenation"),
    "ComplEx, normalized": dict(batch_norm=True),
    "ComplEx, dropped": dict(batch_norm=True, entity_dropout=0.3, query_dropout=0.3),
}


class PlainTails(Plain):
    """A model that scores all tails in PyKEEN's way, too."""

    def score_t(self, hr_batch, *, slice_size=None, mode=None, tails=None):
        return ERModel.score_t(self.model, hr_batch, slice_size=slice_size, mode=mode, tails=tails)


def make_case(name):
    """Make a training loop in double precision, and its first batch."""
    factory = make_dataset(create_inverse_triples=True).training
    model = AdaMF(triples_factory=factory, embedding_dim=4, random_seed=0, **CASES[name]).double().train()
    loop = LCWATrainingLoop(model=model, triples_factory=factory, optimizer="adam")
    torch.manual_seed(0)
    loader = loop._create_training_data_loader(factory, sampler=None, batch_size=32, shuffle=True)
    batch = next(iter(loader))
    # some pairs have several true tails
    assert batch["target"].sum() > len(batch["pairs"])
    return loop, batch


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradients(name):
    loop, batch = make_case(name)
    parameters = list(loop.model.get_grad_params())
    results = []
    for score_method in (loop.score_method, PlainTails(loop.model).score_t):
        loop.score_method = score_method
        # the same is dropped
        torch.manual_seed(0)
        loss = loop._process_batch(batch, 0, len(batch["pairs"]), label_smoothing=0.1)
        results.append([loss, *torch.autograd.grad(loss, parameters)])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
    assert all(x.abs().max() > 0 for x in results[0])


@pytest.mark.parametrize("name", ["ComplEx", "LpRotatE", "ComplEx, normalized"])
def test_entities_are_fused_once(name):
    """PyKEEN's way fuses heads and tails on their own."""
    loop, batch = make_case(name)
    calls = []
    loop.model.fused.fusion.register_forward_hook(lambda module, args, output: calls.append(len(output)))
    counts = []
    for score_method in (loop.score_method, PlainTails(loop.model).score_t):
        loop.score_method = score_method
        loop._process_batch(batch, 0, len(batch["pairs"]))
        counts.append(list(calls))
        calls.clear()
    assert counts[0] == [loop.model.num_entities]
    assert len(counts[1]) == 2
