"""Features are saved and loaded with the triples, and reach a pipeline."""

import json
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pykeen.pipeline import PipelineResult, pipeline
from pykeen.predict import predict_triples
from pykeen.triples import CoreTriplesFactory, TriplesFactory

from pykeen_adamf.features import FeatureError, read_features
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..features.cases import label_texts, make_features, relaxed
from .cases import ENTITIES, MISSING, assert_same_features, make_factory, make_triples

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
