"""Features meet triples: aligned to IDs, from anything, and refused if they do not fit."""

import doctest
import pickle

import numpy
import pandas
import pytest
import torch
from pykeen.models import TransE
from pykeen.predict import predict_target
from pykeen.triples import CoreTriplesFactory, TriplesFactory

import pykeen_adamf.triples
from pykeen_adamf.features import FeatureError
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..features.cases import make_features, matrix_with_nan, save
from .cases import (
    ENTITIES,
    make_factory,
    make_modalities,
)

# --- creation


def test_features_are_aligned_to_ids():
    """Rows can come in any order, and need not be there for everybody."""
    modality = make_features(ENTITIES[::-1], missing=[2])
    factory = make_factory(features={"visual": modality, "audio": modality.align(ENTITIES[3:5], unknown="ignore")})
    for name, present in (("visual", 11), ("audio", 2)):
        assert factory.features[name].labels == ENTITIES
        assert factory.features[name].num_present == present
    for label, i in factory.entity_to_id.items():
        row = ENTITIES[::-1].index(label)
        assert torch.equal(factory.features["visual"].matrix[i], modality.matrix[row])


def test_ids_decide_and_not_the_order_of_the_mapping():
    matrix = torch.arange(6.0).view(3, 2)
    factory = MultimodalTriplesFactory(
        torch.tensor([[0, 0, 1]]), {"c": 2, "a": 0, "b": 1}, {"r": 0}, features={"visual": matrix}
    )
    assert factory.features["visual"].labels == ("a", "b", "c")
    assert torch.equal(factory.features["visual"].matrix, matrix)


@pytest.mark.parametrize("kind", ["features", "tensor", "array", "path", "str", "path with labels"])
def test_sources_of_features(tmp_path, kind):
    features = make_features(ENTITIES, missing=[1, 4])
    source = {
        "features": lambda: features,
        "tensor": lambda: matrix_with_nan(features),
        "array": lambda: matrix_with_nan(features).numpy(),
        "path": lambda: save(".pth: tensor", tmp_path, features),
        "str": lambda: str(save(".npy: array", tmp_path, features)),
        "path with labels": lambda: save(".npz: vectors", tmp_path, features),
    }[kind]()
    assert make_factory(features={"visual": source}).features == {"visual": features}


def test_from_labeled_triples():
    triples = numpy.array([["b", "r", "a"], ["c", "s", "b"]])
    factory = MultimodalTriplesFactory.from_labeled_triples(
        triples=triples, features={"visual": make_features("cab", missing=[1])}, create_inverse_triples=True
    )
    assert factory.create_inverse_triples
    assert factory.num_relations == 4
    assert factory.features["visual"] == make_features("cab", missing=[1]).align("abc")


def test_from_path(tmp_path):
    path = tmp_path / "triples.tsv"
    path.write_text("b\tr\ta\nc\ts\tb\n")
    factory = MultimodalTriplesFactory.from_path(path, features={"visual": make_features("cab")})
    assert factory.num_triples == 2
    assert factory.features["visual"] == make_features("cab").align("abc")


@pytest.mark.parametrize("inverse", [False, True])
def test_from_triples_factory(inverse):
    base = make_factory(TriplesFactory, create_inverse_triples=inverse, metadata={"name": "tiny"})
    factory = MultimodalTriplesFactory.from_triples_factory(base, features=make_modalities())
    assert factory == make_factory(create_inverse_triples=inverse)
    assert factory.metadata == {"name": "tiny"}
    assert factory.num_relations == base.num_relations


@pytest.mark.parametrize(
    "create",
    [
        lambda **kwargs: make_factory(**kwargs),
        lambda **kwargs: MultimodalTriplesFactory.from_triples_factory(make_factory(TriplesFactory), **kwargs),
        lambda **kwargs: MultimodalTriplesFactory.from_labeled_triples(
            triples=numpy.array([[ENTITIES[0], "r", ENTITIES[1]]]), **kwargs
        ),
    ],
    ids=["__init__", "from_triples_factory", "from_labeled_triples"],
)
def test_unknown_labels(create):
    """They are a mistake unless one says otherwise."""
    features = {"visual": make_features([*ENTITIES[:2], "nobody"])}
    with pytest.raises(FeatureError, match=r"rows for 'nobody', which are no entities.*unknown_labels='ignore'"):
        create(features=features)
    factory = create(features=features, unknown_labels="ignore")
    assert factory.features["visual"].num_present == 2
    assert "nobody" not in factory.features["visual"].labels


@pytest.mark.parametrize("name", ["", " a", "a  b", "a/b", "../a", ".", "a.b", "structural", "a\n"])
def test_names_that_modalities_cannot_have(name):
    """Names become names of files and parameters, and one of them is taken."""
    with pytest.raises(FeatureError, match="cannot be the name of a modality: use letters") as info:
        make_factory(features={name: make_features(ENTITIES)})
    assert repr(name) in str(info.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(torch.ones(11, 3), "the visual matrix has 11 rows, but there are 12 entities", id="too few rows"),
        pytest.param(torch.ones(13, 3), "the visual matrix has 13 rows, but there are 12 entities", id="too many rows"),
        pytest.param(numpy.full((12, 3), None), "the visual matrix is an array of Python objects", id="objects"),
        pytest.param(torch.full((12, 3), float("inf")), "visual matrix has NaN or infinite values for 'NA'", id="inf"),
        pytest.param([[1.0], [1.0, 2.0]] * 6, "The visual list must have numbers, or rows of equal", id="ragged"),
        pytest.param({"NA": 1.0, "null": [1.0, 2.0]}, "visual features must be vectors of equal", id="unequal vectors"),
        pytest.param(3.0, "Cannot use a float as visual features", id="a number"),
        pytest.param("nowhere.npy", "nowhere.npy does not exist", id="no file"),
    ],
)
def test_invalid_features_are_refused(source, message):
    with pytest.raises(FeatureError, match=message):
        make_factory(features={"textual": make_features(ENTITIES), "visual": source})


def test_no_modalities():
    """A factory without features is fine as such; models that need some say so."""
    factory = make_factory(features={})
    assert factory.features == {}
    assert factory.coverage().num_none == 12
    assert factory.split(0.8, random_state=0)[0].features == {}
    with pytest.raises(ValueError, match=r"has no features|no modalit"):
        AdaMFRotatE(triples_factory=factory, embedding_dim=2)


def test_other_models_ignore_features():
    model = TransE(triples_factory=make_factory(), embedding_dim=2)
    assert model.num_entities == 12


def test_features_for_ids_with_gaps():
    """PyKEEN allows IDs without a label; a matrix has a row for them nonetheless."""
    entity_to_id = {"a": 0, "b": 3, "c": 5}
    triples = torch.tensor([[0, 0, 3], [3, 0, 5]])
    by_label = make_features("abc")
    factory = MultimodalTriplesFactory(triples, entity_to_id, {"r": 0}, features={"visual": by_label})
    assert factory.features["visual"].presence.tolist() == [True, False, False, True, False, True]
    matrix = torch.full((6, 3), float("nan"))
    matrix[[0, 3, 5]] = by_label.matrix
    assert MultimodalTriplesFactory(triples, entity_to_id, {"r": 0}, features={"visual": matrix}) == factory


# --- looking at it


def test_coverage(factory):
    report = factory.coverage()
    assert report.num_entities == 12
    assert report.per_modality == {"visual": 10, "textual": 12, "audio": 7, "numeric-2": 0}
    assert (report.num_complete, report.num_none) == (0, 0)


def test_coverage_without_the_modality_of_nobody():
    modalities = make_modalities()
    del modalities["numeric-2"], modalities["textual"]
    report = make_factory(features=modalities).coverage()
    assert (report.num_complete, report.num_none) == (6, 1)


def test_representation(factory):
    text = repr(factory)
    for part in ("num_triples=36", "visual=(10/12, 4)", "textual=(12/12, 3)", "audio=(7/12, 5)", "numeric-2=(0/12, 1)"):
        assert part in text


def test_equality(factory):
    inverse = factory.create_inverse_triples
    assert factory == make_factory(create_inverse_triples=inverse)
    plain = make_factory(TriplesFactory, create_inverse_triples=inverse)
    assert factory != plain
    assert plain != factory
    fewer = {"visual": factory.features["visual"]}
    assert factory != make_factory(create_inverse_triples=inverse, features=fewer)
    others = {**factory.features, "visual": make_features(ENTITIES, dim=4, seed=9)}
    assert factory != make_factory(create_inverse_triples=inverse, features=others)
    assert factory != make_factory(create_inverse_triples=not inverse)


def test_documented_example():
    assert doctest.testmod(pykeen_adamf.triples).failed == 0


def test_factories_without_labels():
    """Their IDs become the labels."""
    core = CoreTriplesFactory(torch.tensor([[0, 0, 1], [1, 1, 3]]), num_entities=4, num_relations=2)
    matrix = torch.arange(8.0).view(4, 2)
    for source in (matrix, {str(i): row for i, row in enumerate(matrix)}, pandas.DataFrame(matrix.numpy())):
        factory = MultimodalTriplesFactory.from_triples_factory(core, features={"visual": source})
        assert (factory.num_entities, factory.num_relations) == (4, 2)
        assert factory.entity_to_id == {"0": 0, "1": 1, "2": 2, "3": 3}
        assert torch.equal(factory.features["visual"].matrix, matrix)
        assert torch.equal(factory.mapped_triples, core.mapped_triples)


def test_names_of_modalities(tmp_path):
    """A space is fine, everywhere; what is not gets a proposal."""
    factory = make_factory(features={"my images": make_features(ENTITIES)})
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=2)
    assert "my images" in model.modalities
    factory.to_path_binary(tmp_path)
    assert MultimodalTriplesFactory.from_path_binary(tmp_path) == factory
    with pytest.raises(FeatureError, match=r"'v\.1' cannot be the name .* For example, call it 'v_1'\."):
        make_factory(features={"v.1": make_features(ENTITIES)})


def test_nothing_in_common():
    """Nobody wants to train on nothing, whatever was to be ignored."""
    features = {"visual": make_features(["na", "nobody"])}
    with pytest.raises(FeatureError, match=r"None of the 2 labels of features is an entity.*Did you mean 'NA'"):
        make_factory(features=features, unknown_labels="ignore")


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("two  Words", "two words"),
        ("http://example.org/Ada ", "http://example.org/Ada"),
        ("x", "<x>"),
        ("\uff258", "e8"),
    ],
)
def test_labels_that_look_the_same(label, meant):
    """They differ in case, spaces, angle brackets, or Unicode form."""
    with pytest.raises(FeatureError, match=rf"rows for {label!r}, which are no entities.*Did you mean {meant!r}\?"):
        make_factory(features={"visual": make_features([label, ENTITIES[0]])})


def test_unknown_labels_in_predictions(tmp_path):
    """PyKEEN's functions look them up in the factory, and so does everybody else."""
    factory = make_factory()
    factory.to_path_binary(tmp_path)
    read = MultimodalTriplesFactory.from_path_binary(tmp_path)
    for each in (factory, factory.split(random_state=0)[0], pickle.loads(pickle.dumps(factory)), read):
        model = TransE(triples_factory=each, embedding_dim=2)
        for kwargs, message in (
            ({"head": "NULL", "relation": "knows"}, "There is no entity 'NULL' in these triples. Did you mean 'null'?"),
            (
                {"tail": "null", "relation": "know"},
                "There is no relation 'know' in these triples. Did you mean 'knows'?",
            ),
            ({"head": "null", "relation": "knows", "targets": ["zzz"]}, "There is no entity 'zzz' in these triples."),
        ):
            with pytest.raises(KeyError) as info:
                predict_target(model, triples_factory=each, **kwargs)
            assert str(info.value) == message
            assert isinstance(info.value, ValueError)
        assert "zzz" not in each.entity_to_id
        assert each.entity_to_id.get("zzz") is None
        assert type(each.entity_to_id).__name__ == "LabelIds"
