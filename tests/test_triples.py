"""Features stay with the triples, wherever PyKEEN hands a factory on."""

import doctest
import json
import pickle
import tempfile
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pykeen.models import TransE
from pykeen.pipeline import PipelineResult, pipeline
from pykeen.predict import predict_triples
from pykeen.triples import CoreTriplesFactory, TriplesFactory

import pykeen_adamf.triples
from pykeen_adamf.features import FeatureError, ModalityFeatures, read_features
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

from .features.cases import label_texts, make_features, matrix_with_nan, relaxed, save

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


@pytest.fixture(params=[False, True], ids=["no inverse triples", "inverse triples"])
def factory(request):
    return make_factory(create_inverse_triples=request.param)


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


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", ".", "a.b", "structural", "a\n"])
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
        pytest.param(torch.ones(12, 3, dtype=torch.long), "the visual matrix has the data type", id="integers"),
        pytest.param(torch.ones(12), "the visual matrix has the shape", id="a vector"),
        pytest.param(numpy.full((12, 3), None), "the visual matrix is an array of Python objects", id="objects"),
        pytest.param(torch.full((12, 3), float("inf")), "visual matrix has NaN or infinite values for 'NA'", id="inf"),
        pytest.param([[1.0]] * 12, "Cannot use a list as visual features", id="a list"),
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


# --- handing it on


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


# --- saving and loading


def test_round_trip(tmp_path, factory):
    loaded = MultimodalTriplesFactory.from_path_binary(factory.to_path_binary(tmp_path / "factory"))
    assert loaded == factory
    assert_same_features(loaded, factory)
    assert loaded.entity_to_id == factory.entity_to_id
    assert all(type(label) is str for label in [*loaded.entity_to_id, *loaded.relation_to_id])


def test_round_trip_of_metadata(tmp_path):
    factory = make_factory(metadata={"name": "tiny", "seed": 3})
    loaded = MultimodalTriplesFactory.from_path_binary(factory.to_path_binary(tmp_path))
    assert loaded.metadata == {"name": "tiny", "seed": 3}


def test_round_trip_without_features(tmp_path):
    factory = make_factory(features={})
    assert MultimodalTriplesFactory.from_path_binary(factory.to_path_binary(tmp_path)) == factory


def test_round_trip_without_triples(tmp_path):
    factory = make_factory()
    factory = factory.clone_and_exchange_triples(factory.mapped_triples[:0])
    assert MultimodalTriplesFactory.from_path_binary(factory.to_path_binary(tmp_path)) == factory


def test_round_trip_of_ids_with_gaps(tmp_path):
    """PyKEEN's own factories survive this, too."""
    triples, entity_to_id = torch.tensor([[0, 0, 3], [3, 0, 5]]), {"a": 0, "b": 3, "c": 5}
    plain = TriplesFactory(triples, entity_to_id, {"r": 0})
    assert TriplesFactory.from_path_binary(plain.to_path_binary(tmp_path / "plain")) == plain
    factory = MultimodalTriplesFactory.from_triples_factory(plain, features={"visual": make_features("abc")})
    assert MultimodalTriplesFactory.from_path_binary(factory.to_path_binary(tmp_path / "factory")) == factory


@pytest.mark.parametrize("order", [["b", "a", "c"], ["c", "b", "a"], ["a", "b", "c"]], ids=" ".join)
def test_round_trip_keeps_the_order_of_modalities(tmp_path, order):
    """Models number them."""
    factory = make_factory(features={name: make_features(ENTITIES, seed=ord(name)) for name in order})
    loaded = MultimodalTriplesFactory.from_path_binary(factory.to_path_binary(tmp_path))
    assert list(loaded.features) == order
    assert loaded == factory


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_round_trip_keeps_the_data_type(tmp_path, dtype):
    factory = make_factory(features={"visual": make_features(ENTITIES, dtype=dtype)})
    loaded = MultimodalTriplesFactory.from_path_binary(factory.to_path_binary(tmp_path))
    assert loaded.features["visual"].matrix.dtype == dtype


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(["1984", "007", "3"], id="whole numbers"),
        pytest.param(["1.50", "1e5", "inf"], id="numbers"),
        pytest.param(["NA", "null", "nan"], id="nothing"),
        pytest.param(["True", "False", "true"], id="booleans"),
        pytest.param(['"', "'", "a\tb"], id="quotes and delimiters"),
    ],
)
def test_round_trip_of_labels_which_all_look_like_something_else(tmp_path, labels):
    """A whole column of them is what makes pandas convert."""
    mapping = {label: i for i, label in enumerate(labels)}
    factory = MultimodalTriplesFactory(
        torch.tensor([[0, 2, 1], [1, 0, 2]]), mapping, mapping, features={"visual": make_features(labels, missing=[1])}
    )
    loaded = MultimodalTriplesFactory.from_path_binary(factory.to_path_binary(tmp_path))
    assert loaded == factory
    assert loaded.entity_to_id == loaded.relation_to_id == mapping


@relaxed
@given(st.lists(label_texts, min_size=2, max_size=5, unique=True), st.permutations(range(5)))
def test_round_trip_of_any_labels(labels, ids):
    ids = sorted(range(len(labels)), key=ids.__getitem__)
    factory = MultimodalTriplesFactory(
        torch.tensor([[0, 0, 1]]),
        dict(zip(labels, ids, strict=True)),
        {labels[0]: 0},
        features={"visual": make_features(labels, missing=[0])},
    )
    with tempfile.TemporaryDirectory() as directory:
        loaded = MultimodalTriplesFactory.from_path_binary(factory.to_path_binary(directory))
    assert loaded == factory
    assert loaded.entity_to_id == factory.entity_to_id
    assert loaded.relation_to_id == factory.relation_to_id


def test_saving_over_another_factory(tmp_path):
    """What is left of the other one does not come back."""
    make_factory().to_path_binary(tmp_path)
    factory = make_factory(features={"textual": make_features(ENTITIES, seed=5)})
    assert MultimodalTriplesFactory.from_path_binary(factory.to_path_binary(tmp_path)) == factory


def test_saved_features_can_be_read_alone(tmp_path):
    factory = make_factory()
    path = factory.to_path_binary(tmp_path) / "features-visual.safetensors"
    assert read_features(path, labels=ENTITIES) == factory.features["visual"]


@pytest.mark.parametrize("cls", [CoreTriplesFactory, TriplesFactory])
def test_saved_triples_can_be_read_without_features(tmp_path, cls):
    """PyKEEN says that training triples of a saved result can be read by ``CoreTriplesFactory.from_path_binary``."""
    entity_to_id = {f"e{i}": i for i in range(len(ENTITIES))}
    factory = make_factory(features={}).with_labels(entity_to_id, {"r0": 0, "r1": 1, "r2": 2})
    factory = MultimodalTriplesFactory.from_triples_factory(factory, features={"visual": make_features(entity_to_id)})
    loaded = cls.from_path_binary(factory.to_path_binary(tmp_path))
    assert torch.equal(loaded.mapped_triples, make_triples())


def test_loading_a_factory_that_was_saved_without_features(tmp_path):
    """There are none, then; or a clear message."""
    make_factory(TriplesFactory).to_path_binary(tmp_path)
    try:
        message, loaded = None, MultimodalTriplesFactory.from_path_binary(tmp_path)
    except FeatureError as error:
        message, loaded = str(error), None
    assert loaded == make_factory(features={}) if message is None else str(tmp_path) in message


@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_loading_damaged_features(tmp_path, damage):
    path = make_factory().to_path_binary(tmp_path) / "features-audio.safetensors"
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FeatureError, match="does not exist" if damage == "remove" else "truncated") as info:
        MultimodalTriplesFactory.from_path_binary(tmp_path)
    assert str(path) in str(info.value)


# --- a pipeline


@pytest.fixture(scope="module")
def result() -> PipelineResult:
    training, testing = make_factory().split(0.8, random_state=0)
    return pipeline(
        training=training,
        testing=testing,
        model="AdaMFRotatE",
        model_kwargs=dict(embedding_dim=4),
        training_kwargs=dict(num_epochs=1, batch_size=16, use_tqdm=False),
        evaluation_kwargs=dict(batch_size=16, use_tqdm=False),
        random_seed=0,
        device="cpu",
    )


@pytest.fixture(scope="module")
def saved(result, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("result")
    result.save_to_directory(directory)
    return directory


def test_pipeline_uses_all_modalities(result):
    assert result.model.modalities == ("structural", *MISSING)


def test_saved_pipeline_has_the_features(result, saved):
    loaded = MultimodalTriplesFactory.from_path_binary(saved / "training_triples")
    assert loaded == result.training
    assert_same_features(loaded, result.training)


def test_saved_pipeline_has_results(result, saved):
    metrics = json.loads((saved / "results.json").read_text())["metrics"]
    assert metrics["both"]["realistic"]["inverse_harmonic_mean_rank"] == pytest.approx(
        result.get_metric("both.realistic.inverse_harmonic_mean_rank")
    )


def test_saved_model_predicts_the_same(result, saved):
    model = torch.load(saved / "trained_model.pkl", weights_only=False)
    factory = MultimodalTriplesFactory.from_path_binary(saved / "training_triples")
    before = predict_triples(model=result.model, triples=result.training)
    after = predict_triples(model=model, triples=factory)
    assert torch.equal(before.scores, after.scores)


def test_new_model_for_a_loaded_factory_accepts_the_old_parameters(result, saved):
    """The loaded factory has the modalities, dimensions, and missing entities which the model was made for."""
    factory = MultimodalTriplesFactory.from_path_binary(saved / "training_triples")
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4)
    assert model.load_state_dict(result.model.state_dict(), strict=True)
    before = predict_triples(model=result.model, triples=result.training)
    assert torch.equal(predict_triples(model=model, triples=factory).scores, before.scores)
