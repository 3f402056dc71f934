"""Triples and entities by label, by ID, or as a factory: all the same."""

import numpy
import pytest
import torch
from pykeen.triples import CoreTriplesFactory, TriplesFactory

from pykeen_adamf.explaining import explain_entities, explain_relations, explain_triples
from pykeen_adamf.explaining.labels import resolve_triples

from ..cases import make_factory
from .cases import make_case

IDS = [[0, 1, 2], [3, 0, 0], [19, 3, 5]]
LABELS = [("e0", "r1", "e2"), ("e3", "r0", "e0"), ("e19", "r3", "e5")]


def reverse(mapping):
    return {label: len(mapping) - 1 - i for label, i in mapping.items()}


def make_other_factory():
    """Make the triples with other IDs for the same labels."""
    factory = make_factory()
    return TriplesFactory.from_labeled_triples(
        numpy.array(LABELS),
        entity_to_id=reverse(factory.entity_to_id),
        relation_to_id=reverse(factory.relation_to_id),
    )


SAME = {
    "tensor": lambda: torch.tensor(IDS),
    "int32": lambda: torch.tensor(IDS, dtype=torch.int32),
    "array of IDs": lambda: numpy.array(IDS),
    "list of IDs": lambda: IDS,
    "list of labels": lambda: LABELS,
    "array of labels": lambda: numpy.array(LABELS),
    "array of objects": lambda: numpy.array(LABELS, dtype=object),
    "labels and IDs": lambda: [LABELS[0], IDS[1], (19, "r3", 5)],
    "factory": lambda: make_factory().clone_and_exchange_triples(torch.tensor(IDS)),
    "factory without labels": lambda: CoreTriplesFactory.create(torch.tensor(IDS), num_entities=20, num_relations=4),
    "factory with other IDs": make_other_factory,
}


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("name", SAME)
def test_triples(name, inverse):
    model, factory = make_case(inverse=inverse)
    triples = SAME[name]()
    found = resolve_triples(triples, factory)
    assert sorted(found.tolist()) == sorted(IDS)
    assert found.dtype == torch.long
    actual = explain_triples(model, factory, triples, known_triples=triples)
    assert actual.equals(explain_triples(model, factory, found, known_triples=found))


@pytest.mark.parametrize(
    "entities", [["e3", "e0"], [3, 0], torch.tensor([3, 0]), numpy.array(["e3", "e0"]), ("e3", 0), iter(["e3", 0])]
)
def test_entities(entities):
    model, factory = make_case()
    frame = explain_entities(model, factory, entities)
    assert frame["entity"].tolist() == ["e3"] * 3 + ["e0"] * 3


def test_one_label_is_one_entity():
    model, factory = make_case()
    assert set(explain_entities(model, factory, "e11")["entity"]) == {"e11"}
    assert not len(explain_entities(model, factory, []))


def test_labels_that_look_like_something_else():
    """Labels are labels, also if they look like numbers."""
    factory = TriplesFactory.from_labeled_triples(numpy.array([["1", "0", "nan"], ["0", "0", "1"]]))
    assert resolve_triples([("1", "0", "nan")], factory).tolist() == [[1, 0, 2]]
    assert resolve_triples(numpy.array([["1", "0", "0"]]), factory).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize(
    ("triples", "message"),
    [
        ([("e0", "r0", "e20")], "There is no entity 'e20' .* Did you mean 'e2"),
        ([("e0", "R1", "e2")], "There is no relation 'R1' "),
        ([("e0", "something", "e2")], "There is no relation 'something' in the triples that the .* on.$"),
        ([(0, 4, 0)], "no relation with the ID 4: IDs are at least 0 and less than 4"),
        (torch.tensor([[0, 0, 0], [20, 0, 0]]), "no entity with the ID 20"),
        (numpy.array([[0, -1, 0]]), "no relation with the ID -1"),
        ([(0.5, 0, 0)], "must be a label or an ID, but is a float"),
        (torch.zeros(2, 3), "must be a label or an ID, but is a float"),
        ([(True, 0, 0)], "is a bool"),
        ([(None, 0, 0)], "is a NoneType"),
        (("e0", "r0", "e1"), r"three columns.*shape is \(3, 1\)"),
        ([("e0", "r0")], r"shape is \(1, 2\)"),
        ([("e0", "r0"), ("e0", "r0", "e1")], r"three columns"),
        (torch.tensor([0, 1, 2]), r"shape is \(3,\)"),
        (torch.zeros(2, 4, dtype=torch.long), r"shape is \(2, 4\)"),
    ],
)
@pytest.mark.parametrize("explain", [explain_triples, explain_relations])
def test_bad_triples(triples, message, explain):
    model, factory = make_case()
    with pytest.raises(ValueError, match=message):
        explain(model, factory, triples)
    with pytest.raises(ValueError, match=message):
        explain(model, factory, [("e0", "r0", "e1")], known_triples=triples)


@pytest.mark.parametrize(
    ("entities", "message"), [("e1 ", "'e1 '.*Did you mean"), ([20], "ID 20"), ([None], "NoneType")]
)
def test_bad_entities(entities, message):
    model, factory = make_case()
    with pytest.raises(ValueError, match=message):
        explain_entities(model, factory, entities)


def test_inverse_relations_are_no_relations():
    """A factory with inverse triples counts twice as many, but triples have the original ones."""
    model, factory = make_case(inverse=True)
    assert factory.num_relations == 8
    with pytest.raises(ValueError, match="no relation with the ID 4"):
        explain_triples(model, factory, [(0, 4, 0)])
