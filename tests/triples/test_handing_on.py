"""Features stay with the triples, wherever PyKEEN hands a factory on."""

import pickle

import pytest
import torch
from pykeen.triples import TriplesFactory

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..features.cases import make_features
from .cases import ENTITIES, RELATIONS, assert_same_features, assert_shared_features, make_factory


def test_split(factory):
    parts = factory.split([0.7, 0.2, 0.1], random_state=0)
    assert sum(part.num_triples for part in parts) == factory.num_triples
    for part in parts:
        assert_shared_features(part, factory)
    assert [part.create_inverse_triples for part in parts] == [factory.create_inverse_triples, False, False]


def test_split_semi_inductive(factory):
    for part in factory.split_semi_inductive(0.7, random_state=0):
        assert_shared_features(part, factory)


def test_split_fully_inductive():
    """Here the parts have entities of their own, and hence fewer rows."""
    factory = make_factory()
    training, inference, *evaluation = factory.split_fully_inductive(0.5, random_state=0)
    for part in (training, inference, *evaluation):
        assert_same_features(part, factory)
    assert training.num_entities < factory.num_entities
    assert inference.num_entities < factory.num_entities


@pytest.mark.parametrize("inverse", [None, False, True])
def test_clone_and_exchange_triples(factory, inverse):
    triples = factory.mapped_triples[:5]
    clone = factory.clone_and_exchange_triples(triples, extra_metadata={"x": 1}, create_inverse_triples=inverse)
    assert_shared_features(clone, factory)
    assert torch.equal(clone.mapped_triples, triples)
    assert clone.metadata == {"x": 1}
    assert clone.create_inverse_triples == (factory.create_inverse_triples if inverse is None else inverse)
    assert clone.real_num_relations == len(RELATIONS)


@pytest.mark.parametrize(
    "restriction",
    [
        {"entities": ENTITIES[:5]},
        {"entities": [0, 1, 2]},
        {"entities": ENTITIES[:5], "invert_entity_selection": True},
        {"relations": ["NA"]},
        {"relations": ["knows"], "entities": ENTITIES[3:]},
    ],
    ids=str,
)
def test_new_with_restriction(factory, restriction):
    restricted = factory.new_with_restriction(**restriction)
    assert 0 < restricted.num_triples < factory.num_triples
    assert_shared_features(restricted, factory)
    assert restricted.create_inverse_triples == factory.create_inverse_triples


def test_new_with_restriction_to_everything(factory):
    assert factory.new_with_restriction(entities=ENTITIES) is factory


@pytest.mark.parametrize("relations", [False, True])
def test_condense(relations):
    """IDs change, and features follow their entity."""
    factory = make_factory().new_with_restriction(entities=[1, 4, 5, 6, 7, 11], relations=[0, 2])
    condensed = factory.condense(entities=True, relations=relations)
    assert condensed.num_entities < factory.num_entities
    assert set(condensed.entity_to_id) < set(ENTITIES)
    assert condensed.num_relations == (2 if relations else 3)
    assert_same_features(condensed, factory)
    expected = {tuple(triple) for triple in factory.label_triples(factory.mapped_triples)}
    assert {tuple(triple) for triple in condensed.label_triples(condensed.mapped_triples)} == expected


def test_condense_relations_only():
    factory = make_factory().new_with_restriction(relations=[0, 2])
    condensed = factory.condense(entities=False, relations=True)
    assert condensed.num_relations == 2
    assert_shared_features(condensed, factory)


def test_condense_without_effect(factory):
    assert factory.condense() is factory


def test_with_labels(factory):
    """Rows belong to IDs here: giving an ID another label moves nothing."""
    entity_to_id = {f"entity {i}": i for i in range(12)}
    relation_to_id = {f"relation {i}": i for i in range(3)}
    renamed = factory.with_labels(entity_to_id, relation_to_id)
    assert isinstance(renamed, MultimodalTriplesFactory)
    assert renamed.entity_to_id == entity_to_id
    assert renamed.relation_to_id == relation_to_id
    assert torch.equal(renamed.mapped_triples, factory.mapped_triples)
    assert renamed.create_inverse_triples == factory.create_inverse_triples
    assert list(renamed.features) == list(factory.features)
    for name, modality in renamed.features.items():
        assert modality.labels == tuple(entity_to_id)
        assert torch.equal(modality.matrix, factory.features[name].matrix)
        assert torch.equal(modality.presence, factory.features[name].presence)


def test_with_labels_swapping_two():
    factory = make_factory()
    entity_to_id = {**factory.entity_to_id, "NA": 1, "1984": 0}
    renamed = factory.with_labels(entity_to_id, factory.relation_to_id)
    assert renamed.features["visual"].labels[:2] == ("1984", "NA")
    assert torch.equal(renamed.features["visual"].matrix, factory.features["visual"].matrix)


def test_with_labels_for_more_entities():
    """A new entity has no features."""
    factory = make_factory()
    renamed = factory.with_labels({**factory.entity_to_id, "new": 12}, factory.relation_to_id)
    assert renamed.num_entities == 13
    assert renamed.features["textual"].presence.tolist() == [True] * 12 + [False]


def test_with_labels_for_fewer_entities():
    """Entities which occur in no triple need no label; PyKEEN drops them, and so do features."""
    factory = make_factory().new_with_restriction(entities=[0, 1, 2, 3, 4])
    entity_to_id = {label: i for i, label in enumerate("abcde")}
    assert TriplesFactory.with_labels(
        make_factory(TriplesFactory).new_with_restriction(entities=[0, 1, 2, 3, 4]),
        entity_to_id,
        factory.relation_to_id,
    )
    renamed = factory.with_labels(entity_to_id, factory.relation_to_id)
    assert renamed.num_entities == 5
    assert renamed.features["visual"].labels == tuple("abcde")
    assert torch.equal(renamed.features["visual"].matrix, factory.features["visual"].matrix[:5])


def test_merge(factory):
    parts = [factory.clone_and_exchange_triples(triples) for triples in factory.mapped_triples.split(10)]
    merged = parts[0].merge(*parts[1:])
    assert_shared_features(merged, factory)
    assert merged == factory


def test_merge_equal_features(factory):
    """Features need not be the same objects."""
    other = make_factory(create_inverse_triples=factory.create_inverse_triples)
    assert factory.merge(other).num_triples == 72


def test_merge_nothing(factory):
    assert factory.merge() is factory


def _with_other_values(factory):
    return {**factory.features, "visual": make_features(ENTITIES, dim=4, missing=[0, 5], seed=9)}


def _with_others_missing(factory):
    return {**factory.features, "textual": ModalityFeatures.missing(ENTITIES, dim=3)}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_with_other_values, id="other values"),
        pytest.param(_with_others_missing, id="others missing"),
        pytest.param(lambda factory: {}, id="no features"),
        pytest.param(lambda factory: {"visual": factory.features["visual"]}, id="fewer modalities"),
        pytest.param(lambda factory: {**factory.features, "more": factory.features["visual"]}, id="more modalities"),
    ],
)
def test_merge_refuses_other_features(factory, change):
    """Which of both were to be used?"""
    other = MultimodalTriplesFactory.from_triples_factory(factory, features=change(factory))
    same = factory.clone_and_exchange_triples(factory.mapped_triples)
    with pytest.raises(ValueError, match=r"features do not match for others\[1\]"):
        factory.merge(same, other)


def test_merge_refuses_factories_without_features(factory):
    plain = make_factory(TriplesFactory, create_inverse_triples=factory.create_inverse_triples)
    with pytest.raises(ValueError, match=r"features do not match for others\[0\]"):
        factory.merge(plain)


def test_pickle(factory):
    loaded = pickle.loads(pickle.dumps(factory))
    assert loaded == factory
    assert_same_features(loaded, factory)
