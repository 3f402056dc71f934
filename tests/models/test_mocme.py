"""Our reading of MoCME, as a preset of AdaMF, and without its parts."""

import pytest
import torch

from pykeen_adamf.losses import EntropyGuidedLoss
from pykeen_adamf.models import AdaMF, MoCME
from pykeen_adamf.nn.fusion.complementarity import complementarity

from ..cases import make_factory


def make(cls=MoCME, **kwargs):
    return cls(triples_factory=make_factory(), embedding_dim=4, random_seed=0, **kwargs)


def test_preset():
    """The same as AdaMF with these options."""
    model = make(num_views=2, measure="information", temperature=0.5)
    options = dict(num_views=2, measure="information", temperature=0.5)
    other = make(
        AdaMF, interaction="LpRotatE", fusion="complementarity", fusion_kwargs=options, loss=EntropyGuidedLoss(12.0)
    )
    other.load_state_dict(model.state_dict())
    triples = make_factory().mapped_triples
    assert torch.equal(model.predict_hrt(triples), other.predict_hrt(triples))
    assert (type(model.loss), model.loss.margin, model.loss.focus) == (EntropyGuidedLoss, 12.0, 1.0)


def test_without_its_parts():
    """Without views and with equal weights, it is the mean of modalities; negatives are weighted equally at focus 0."""
    model, mean = make(num_views=None, inter_modal=False), make(AdaMF, interaction="LpRotatE", fusion="mean")
    mean.load_state_dict(model.state_dict())
    triples = make_factory().mapped_triples
    torch.testing.assert_close(model.predict_hrt(triples), mean.predict_hrt(triples))
    assert make(loss_kwargs=dict(margin=3.0, focus=0.0)).loss.focus == 0


@pytest.mark.parametrize("modalities", [["visual"], ["textual", "visual"]])
def test_any_number_of_modalities(modalities):
    model = make(modalities=modalities)
    weights = model.modality_weights()
    assert weights.shape == (20, 1 + len(modalities))
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(20))
    # who has one modality alone gives all weight to it
    alone = ~torch.stack([model.fused.bases[name].presence for name in modalities]).any(dim=0)
    assert (weights[alone, 0] == 1).all()


def test_weights_of_views():
    """They are what a modality's views are united by."""
    model = make().double()
    fusion, parts = model.fused.fusion, list(model.fused.embed().values())
    weights = fusion.view_weights(parts)
    assert weights.shape == (20, 3, 3)
    views = torch.einsum("mnd,mked->nmke", torch.stack(parts), fusion.experts)
    united = torch.einsum("nmk,nmke->nme", weights, views)
    mask = model.fused.participation(None)
    torch.testing.assert_close(fusion.weights(parts, mask), make_weights(united, mask))
    assert weights.std(dim=-1).max() > 0.01
    assert make(num_views=None).fused.fusion.view_weights(parts) is None


def make_weights(x, mask):
    """Return the default weights of vectors, shape: ``(num, num_modalities, dim)``."""
    return (complementarity(x, mask) / 0.1).masked_fill(~mask, -torch.inf).softmax(dim=-1)


def test_one_view():
    with pytest.raises(ValueError, match=r"num_views is 1\. Use at least 2, or None to do without experts"):
        make(num_views=1)
