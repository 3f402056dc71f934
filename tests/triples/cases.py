"""A graph with labels and modalities which are easy to get wrong."""

import torch

from pykeen_adamf.triples import MultimodalTriplesFactory

from ..features.cases import make_features

#: Labels that pandas takes for something else
ENTITIES = ("NA", "1984", "null", "http://example.org/Ada", "two words", "007", "True", "nan", "e8", "e9", "1e5", "<x>")
RELATIONS = ("knows", "NA", "3")

#: More modalities than the usual two, and not in alphabetical order.
MISSING = {"visual": [0, 5], "textual": [], "audio": [1, 2, 3, 5, 11], "numeric-2": list(range(12))}
DIMS = {"visual": 4, "textual": 3, "audio": 5, "numeric-2": 1}


def make_modalities(labels=ENTITIES):
    return {
        name: make_features(labels, dim=DIMS[name], missing=missing, seed=i)
        for i, (name, missing) in enumerate(MISSING.items())
    }


def make_triples():
    n = len(ENTITIES)
    return torch.tensor([[h, r, (h + 2 * r + 1) % n] for h in range(n) for r in range(len(RELATIONS))])


def make_factory(cls=MultimodalTriplesFactory, **kwargs):
    if issubclass(cls, MultimodalTriplesFactory):
        kwargs = {"features": make_modalities(), **kwargs}
    return cls(
        mapped_triples=make_triples(),
        entity_to_id={label: i for i, label in enumerate(ENTITIES)},
        relation_to_id={label: i for i, label in enumerate(RELATIONS)},
        **kwargs,
    )


def assert_same_features(factory, original):
    """The features of every entity are the same, in the order of modalities, whatever the entities' IDs are now."""
    assert isinstance(factory, MultimodalTriplesFactory)
    assert list(factory.features) == list(original.features)
    for name, modality in factory.features.items():
        assert modality.labels == tuple(factory.entity_id_to_label[i] for i in range(factory.num_entities))
        assert modality == original.features[name].align(modality.labels, unknown="ignore")


def assert_shared_features(factory, original):
    """The features are the same objects: they may be large."""
    assert isinstance(factory, MultimodalTriplesFactory)
    assert list(factory.features) == list(original.features)
    for name, modality in factory.features.items():
        assert modality is original.features[name]
