"""Explanations of entities."""

import numpy
import pytest

from pykeen_adamf.explaining import ModalityModel, ModalityWeighting, explain_entities
from pykeen_adamf.models import AdaMFRotatE, LpRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory
from .cases import OPTIONS, calculate_weights, make_case


@pytest.mark.parametrize("name", OPTIONS)
def test_every_number(name):
    model, factory = make_case(name)
    frame = explain_entities(model, factory)
    assert list(frame.columns) == ["entity", "modality", "weight", "present"]
    expected = calculate_weights(model)
    numpy.testing.assert_allclose(frame["weight"].to_numpy().reshape(expected.shape), expected, atol=1e-12)
    numpy.testing.assert_allclose(frame.groupby("entity")["weight"].sum(), 1)
    rows = iter(frame.itertuples())
    for entity in range(factory.num_entities):
        for modality in model.modalities:
            row = next(rows)
            assert (row.entity, row.modality) == (f"e{entity}", modality)
            assert row.present == (modality == "structural" or bool(factory.features[modality].presence[entity]))
            if model.fused.mask_missing and not row.present:
                assert row.weight == 0


def test_contract():
    model, factory = make_case()
    assert isinstance(model, ModalityWeighting)
    baseline = LpRotatE(triples_factory=factory, random_seed=0)
    assert not isinstance(baseline, ModalityModel)
    with pytest.raises(ValueError, match=r"^LpRotatE cannot be explained .* such as AdaMFRotatE\.$"):
        explain_entities(baseline, factory)


def test_one_modality_can_be_explained():
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, modalities=["textual"], use_structural=False, random_seed=0)
    frame = explain_entities(model, factory, [0, 1])
    assert frame["modality"].tolist() == ["textual"] * 2
    assert frame["weight"].tolist() == [1.0] * 2


def test_training_mode():
    model, factory = make_case()
    model.train()
    explain_entities(model, factory)
    assert model.training


@pytest.mark.parametrize("features", [["visual"], []])
def test_factory_without_the_features(features):
    model, factory = make_case()
    other = MultimodalTriplesFactory.from_triples_factory(
        factory, features={name: factory.features[name] for name in features}
    )
    with pytest.raises(ValueError, match=r"has no features '(textual|visual)'"):
        explain_entities(model, other)
