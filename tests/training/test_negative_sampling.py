"""The loss with sampled negatives: ours, fast, against PyKEEN's, with PyKEEN's way to score, in double precision."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pykeen.losses import NSSALoss
from pykeen.models import ERModel
from pykeen.training import SLCWATrainingLoop

from pykeen_adamf.models import AdaMFRotatE, LpRotatE
from pykeen_adamf.training.slcwa import negative_sampling_loss, score_negatives, score_positives

from ..cases import make_factory


class Plain:
    """A model that scores as PyKEEN does."""

    def __init__(self, model):
        self.model = model

    def __getattr__(self, name):
        return getattr(self.model, name)

    def score_hrt(self, batch, mode=None):
        return ERModel.score_hrt(self.model, batch, mode=mode)


def make_batch(batch_size, num_negatives, corruption, mask, rng):
    positives, negatives = (
        torch.stack([torch.randint(high, shape, generator=rng) for high in (20, 4, 20)], dim=-1)
        for shape in ((batch_size,), (batch_size, num_negatives))
    )
    if corruption != "all":
        columns = {"head": [1, 2], "tail": [0, 1]}.get(corruption)
        expanded = positives.unsqueeze(dim=1).expand_as(negatives)
        is_head = torch.rand(batch_size, num_negatives, 1, generator=rng) < 0.5
        kept = torch.zeros_like(negatives, dtype=torch.bool)
        kept[..., 1] = True
        if columns is None:
            kept[..., [0]], kept[..., [2]] = ~is_head, is_head
        else:
            kept[..., columns] = True
        negatives = torch.where(kept, expanded, negatives)
    # the same head and tail
    positives[0, 2] = positives[0, 0]
    batch = dict(positives=positives, negatives=negatives)
    if mask is not None:
        batch["masks"] = torch.rand(batch_size, num_negatives, generator=rng) < mask
    return batch


@pytest.mark.parametrize("make", [LpRotatE, AdaMFRotatE])
@settings(deadline=None, max_examples=40)
@given(
    batch_size=st.integers(1, 12),
    num_negatives=st.integers(1, 9),
    corruption=st.sampled_from(["head", "tail", "mixed", "all"]),
    mask=st.sampled_from([None, 0.0, 0.5, 1.0]),
    zero=st.booleans(),
    seed=st.integers(0, 2**31),
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_loss_and_gradients(make, dtype, tolerance, batch_size, num_negatives, corruption, mask, zero, seed):
    # what PyKEEN calculates twice, i.e., fused entities, may differ from itself by rounding, in any direction
    zero = zero and make is LpRotatE
    rng = torch.Generator().manual_seed(seed)
    batch = make_batch(batch_size, num_negatives, corruption, mask, rng)
    model = make(triples_factory=make_factory(), embedding_dim=3, random_seed=0).to(dtype)
    if zero:
        # with all angles zero, an entity has a distance of exactly zero to itself
        model.relation_representations[0].raw.data.zero_()
    loss = NSSALoss(margin=3.0, adversarial_temperature=0.5)
    start, stop = seed % batch_size, batch_size
    results = []
    for fast in (True, False):
        model.zero_grad()
        if fast:
            positives = batch["positives"][start:stop]
            entities = [positives[:, [0, 2]].flatten(), batch["negatives"][start:stop, ..., [0, 2]].flatten()]
            with model.sharing(torch.cat(entities)):
                negative = score_negatives(model, batch, start, stop)
                with model.sharing(positives[:, [0, 2]]):
                    positive = score_positives(model, positives)
            value = negative_sampling_loss(model, loss, batch, start, stop, positive, negative)
        else:
            value = SLCWATrainingLoop._process_batch_static(Plain(model), loss, None, batch, start, stop)
        value.backward()
        results.append([value, *(x.grad for x in model.get_grad_params())])
    for actual, expected in zip(*results, strict=True):
        if actual is None or expected is None:
            # nothing of it was part of any score
            assert all(x is None or not x.any() for x in (actual, expected))
            continue
        assert torch.isfinite(actual).all() == torch.isfinite(expected).all()
        torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
