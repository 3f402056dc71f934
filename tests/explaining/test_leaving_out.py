"""Predictions without a modality: exactly that one is missing, and nothing of it remains afterwards."""

import copy
import pickle

import numpy
import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator

from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.training import MATTrainingLoop

from ..cases import make_factory
from .cases import OPTIONS, calculate_scores, calculate_weights, make_case, numpify


def predict_all(model):
    """Score everything, in each of PyKEEN's ways, shape: ``(3, num_entities, num_relations, num_entities)``."""
    h, r, t = torch.meshgrid(
        *map(torch.arange, (model.num_entities, model.num_relations, model.num_entities)), indexing="ij"
    )
    hrt = torch.stack([h, r, t], dim=-1)
    with torch.inference_mode():
        triples = model.predict_hrt(hrt.view(-1, 3)).view(h.shape)
        tails = model.predict_t(hrt[:, :, 0, :2].reshape(-1, 2)).view(h.shape)
        heads = model.predict_h(hrt[0, :, :, 1:].reshape(-1, 2)).view(*h.shape[1:], -1).permute(2, 0, 1)
    return torch.stack([triples, heads, tails]).numpy()


@pytest.mark.parametrize("name", OPTIONS)
def test_weights_and_scores(name):
    model, _ = make_case(name)
    everything = model.modality_weights().numpy()
    numpy.testing.assert_allclose(everything, calculate_weights(model), atol=1e-12)
    nothing_else = 0
    for number, modality in enumerate(model.modalities):
        with model.without_modality(modality):
            weights = model.modality_weights().numpy()
            scores = predict_all(model)
        numpy.testing.assert_allclose(weights.sum(axis=-1), 1)
        numpy.testing.assert_allclose(weights, calculate_weights(model, [modality]), atol=1e-12)
        numpy.testing.assert_allclose(scores, numpy.stack([calculate_scores(model, [modality])] * 3), atol=1e-10)
        # the other weights keep their proportions; entities with nothing else keep all
        alone = everything[:, number] == 1
        nothing_else += alone.sum()
        assert (weights[alone] == everything[alone]).all()
        assert (weights[~alone, number] == 0).all()
        expected = numpy.delete(everything[~alone], number, axis=-1) / (1 - everything[~alone, number])[:, None]
        numpy.testing.assert_allclose(numpy.delete(weights[~alone], number, axis=-1), expected)
    assert (nothing_else > 0) == model.fused.mask_missing


def test_what_an_entity_lacks_changes_nothing():
    """Masked modalities take no part, hence their removal changes exactly the entities that have them."""
    model, factory = make_case("mask")
    before = numpify(model.fused())
    for modality, features in factory.features.items():
        with model.without_modality(modality), torch.no_grad():
            changed = (numpify(model.fused()) != before).any(axis=-1)
        assert (changed == features.presence.numpy()).all()


@pytest.mark.parametrize("name", ["default", "mask", "mask-V+T"])
def test_nothing_remains(name):
    """Predictions before and after are the same bits, also if they were kept in a table, and after an error."""
    model, _ = make_case(name)
    before = predict_all(model)
    for modality in model.modalities:
        with model.without_modality(modality):
            during = predict_all(model)
        assert (during != before).any(axis=(1, 2, 3)).all()
        assert (predict_all(model) == before).all()
        with pytest.raises(ZeroDivisionError), model.without_modality(modality):
            predict_all(model)[1 // 0]
        assert (predict_all(model) == before).all()
    assert model.fused.excluded == frozenset()


def test_the_table_is_not_that_of_something_else():
    """Also if the representation is told, rather than the model; and each state is calculated once."""
    model, _ = make_case()
    batch = torch.tensor([[0, 0]])
    with torch.no_grad():
        before = model.score_t(batch)
        with model.fused.without("visual"):
            one = model.score_t(batch)
            (table,) = model._entity_table._tables.values()
            assert torch.equal(model.score_t(batch), one)
            assert list(model._entity_table._tables.values()) == [table]
            with model.fused.without("textual"):
                both = model.score_t(batch)
            assert torch.equal(model.score_t(batch), one)
        assert torch.equal(model.score_t(batch), before)
    assert len({tuple(x.flatten().tolist()) for x in (before, one, both)}) == 3
    numpy.testing.assert_allclose(both[0], calculate_scores(model, ["visual", "textual"])[0, 0])


def test_tables_can_be_kept():
    """Going back and forth calculates nothing anew, until parameters change."""
    model, _ = make_case()
    batch = torch.tensor([[0, 0]])

    def score():
        scores = [model.score_t(batch)]
        for modality in model.modalities:
            with model.without_modality(modality):
                scores.append(model.score_t(batch))
        return torch.cat(scores)

    with torch.no_grad():
        expected = score()
        model.keep_entities(1 + len(model.modalities))
        assert torch.equal(score(), expected)
        tables = [id(entities.table) for _, entities in model._entity_table._tables.values()]
        assert len(tables) == 1 + len(model.modalities)
        assert torch.equal(score(), expected)
        assert [id(entities.table) for _, entities in model._entity_table._tables.values()] == tables
        for base in model.fused.bases.values():
            next(base.parameters()).mul_(2)
        assert not torch.isclose(score(), expected).all(dim=-1).any()
        assert len(model._entity_table._tables) == 1 + len(model.modalities)


def test_gradients():
    """Also of training without a modality: there is none with respect to it."""
    model, factory = make_case("per-modality")
    with model.without_modality("visual"):
        model.train().score_hrt(factory.mapped_triples).sum().backward()
    assert not model.fused.bases["visual"].projection.weight.grad.any()
    assert not model.fused.fusion.attention.grad[1].any()
    assert model.fused.bases["textual"].projection.weight.grad.any()
    assert model.fused.fusion.attention.grad[[0, 2]].any(dim=-1).all()


def test_synthetic_embeddings_take_part():
    """They replace what is left out, as they replace what is missing."""
    model, _ = make_case()
    indices = torch.tensor([3, 4])
    synthetic = {"visual": torch.randn(2, 1, model.fused.fusion.dim, dtype=torch.double)}
    with torch.no_grad():
        (expected,) = model.synthetic_representations(indices, synthetic)
        with model.without_modality("visual"):
            torch.testing.assert_close(model.synthetic_representations(indices, synthetic), [expected])
        with model.without_modality("textual"):
            assert not torch.allclose(model.synthetic_representations(indices, synthetic)[0], expected)


def test_ordinary_training_and_evaluation_know_nothing_of_it(monkeypatch):
    """Unless something is left out, no mask is made."""
    model, factory = make_case()
    model.float()

    masks = []
    monkeypatch.setattr(model.fused, "_presence", masks.append)
    MATTrainingLoop(model=model, triples_factory=factory, optimizer="adam").train(factory, 1, 16, use_tqdm=False)
    RankBasedEvaluator().evaluate(model, factory.mapped_triples, use_tqdm=False)
    assert not masks


def test_saved_before_there_was_such_a_thing():
    model, _ = make_case()
    model.fused.__dict__.pop("excluded", None)
    for other in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        before = predict_all(other)
        with other.without_modality("visual"):
            assert (predict_all(other) != before).any()


@pytest.mark.parametrize("name", ["optical", "", "bases"])
def test_unknown_modality(name):
    model, _ = make_case()
    with pytest.raises(ValueError, match=r"structural.*visual.*textual"), model.without_modality(name):
        pytest.fail("must not come here")


def test_nothing_would_be_left():
    model = AdaMFRotatE(
        triples_factory=make_factory(), embedding_dim=4, modalities=["visual"], use_structural=False, random_seed=0
    )
    with pytest.raises(ValueError, match="'visual' cannot be left out"), model.without_modality("visual"):
        pytest.fail("must not come here")
    model, _ = make_case("S+V")
    with model.without_modality("visual"):
        with pytest.raises(ValueError, match="'structural' cannot be left out"), model.without_modality("structural"):
            pytest.fail("must not come here")
        # again the same one
        with model.without_modality("visual"):
            assert (model.modality_weights()[:, 0] == 1).all()
        assert model.fused.excluded == {"visual"}
