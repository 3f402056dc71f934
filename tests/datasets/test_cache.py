"""PyKEEN caches datasets by the text of their keyword arguments; features must never be stale."""

import numpy
import pytest
import torch
from pykeen.datasets import EagerDataset, dataset_resolver, get_dataset
from pykeen.datasets.base import Dataset
from pykeen.datasets.utils import _digest_kwargs
from pykeen.pipeline import pipeline

from pykeen_adamf.constants import DATA_ENVIRONMENT_VARIABLE
from pykeen_adamf.datasets import DB15K
from pykeen_adamf.features import ModalityFeatures, write_features
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..triples.cases import make_factory
from .cases import ENTITIES, TRAIN, make_matrix, write_benchmark

#: More numbers than NumPy and PyTorch show: the middle does not appear in the text.
DIM = 200


def load(dataset_cls, **kwargs):
    return get_dataset(dataset=dataset_cls.__name__.lower(), dataset_kwargs=kwargs)


def visual(dataset):
    return dataset.training.features["visual"].matrix


@pytest.mark.parametrize("kind", ["tensor", "array", "features"])
def test_changed_values(dataset_cls, directory, kind):
    """PyKEEN cannot tell these arguments from each other, but they are not the same."""
    one = make_matrix(dim=DIM)
    two = one.clone()
    two[5, 100] += 1
    convert = {
        "tensor": lambda matrix: matrix,
        "array": lambda matrix: matrix.numpy(),
        "features": lambda matrix: ModalityFeatures.from_matrix(matrix, ENTITIES),
    }[kind]
    kwargs = [{"directory": directory, "features": {"visual": convert(matrix)}} for matrix in (one, two)]
    assert _digest_kwargs(kwargs[0]) == _digest_kwargs(kwargs[1])
    assert torch.equal(visual(load(dataset_cls, **kwargs[0])), one)
    assert torch.equal(visual(load(dataset_cls, **kwargs[1])), two)
    assert torch.equal(visual(load(dataset_cls, **kwargs[0])), one)


def test_values_changed_in_place(directory):
    matrix = numpy.zeros((12, 3), dtype="f4")
    kwargs = {"directory": directory, "features": {"visual": matrix}}
    assert not visual(load(DB15K, **kwargs)).any()
    matrix += 1
    assert visual(load(DB15K, **kwargs)).all()


@pytest.mark.parametrize("how", ["published", "named", "path"])
def test_changed_file(dataset_cls, directory, how):
    path = directory / "visual.safetensors"
    features = {"published": "published", "named": ["visual"], "path": {"visual": path}}[how]
    for seed in (0, 1, 0):
        matrix = make_matrix(seed=seed)
        write_features(path, ModalityFeatures.from_matrix(matrix, ENTITIES))
        assert torch.equal(visual(load(dataset_cls, directory=directory, features=features)), matrix)


def test_file_that_comes_and_goes(directory):
    kwargs = {"directory": directory}
    assert load(DB15K, **kwargs).training.features["visual"].num_present == 0
    path = write_features(directory / "visual.safetensors", ModalityFeatures.from_matrix(make_matrix(), ENTITIES))
    assert load(DB15K, **kwargs).training.features["visual"].num_present == 12
    path.unlink()
    assert load(DB15K, **kwargs).training.features["visual"].num_present == 0


def test_changed_triples(directory):
    assert load(DB15K, directory=directory).training.num_triples == len(TRAIN)
    write_benchmark(directory, train=TRAIN[:10])
    assert load(DB15K, directory=directory).training.num_triples == 10


def test_changed_environment_variable(tmp_path, monkeypatch):
    for num in (10, 20):
        write_benchmark(tmp_path / str(num) / "DB15K", train=TRAIN[:num])
        monkeypatch.setenv(DATA_ENVIRONMENT_VARIABLE, str(tmp_path / str(num)))
        assert load(DB15K).training.num_triples == num


@pytest.mark.parametrize("first", [False, True])
def test_inverse_triples(directory, first):
    """PyKEEN's cache ignores this argument, and sets it afterwards."""
    for inverse in (first, not first, first):
        dataset = load(DB15K, directory=directory, create_inverse_triples=inverse)
        assert dataset.create_inverse_triples == inverse
        assert dataset.training.num_relations == (6 if inverse else 3)


@pytest.mark.parametrize("by", ["name", "class"])
def test_nothing_is_cached(dataset_cls, directory, pykeen_datasets, by):
    dataset = dataset_cls if by == "class" else dataset_cls.__name__
    loaded = get_dataset(dataset=dataset, dataset_kwargs={"directory": directory})
    assert isinstance(loaded, dataset_cls)
    assert not list(pykeen_datasets.rglob("*"))


def test_saving_elsewhere_still_works(directory, pykeen_datasets, tmp_path):
    dataset = load(DB15K, directory=directory, features={"visual": make_matrix()})
    for path in (tmp_path / "cache" / "x", pykeen_datasets / "db15k" / "mine", str(tmp_path / "text")):
        dataset.to_directory_binary(path)
        assert DB15K.from_directory_binary(path) == dataset


def test_pipeline_uses_the_features_of_today(directory):
    """The same call with other values gives a model with those."""
    for seed in (0, 1):
        matrix = make_matrix(dim=DIM, seed=seed)
        result = pipeline(
            dataset="db15k",
            dataset_kwargs=dict(directory=directory, features={"visual": matrix}),
            model="AdaMFRotatE",
            model_kwargs=dict(embedding_dim=2),
            training_kwargs=dict(num_epochs=1, batch_size=36, use_tqdm=False),
            evaluation_kwargs=dict(use_tqdm=False, batch_size=8),
            random_seed=0,
            device="cpu",
        )
        assert torch.equal(visual(result), matrix)


class OwnGraph(EagerDataset):
    """As somebody may write it who knows PyKEEN's classes."""

    def __init__(self, create_inverse_triples: bool = False):
        training, testing = make_factory(create_inverse_triples=create_inverse_triples).split(random_state=0)
        super().__init__(training=training, testing=testing)


@pytest.fixture
def own_graph(pykeen_datasets):
    dataset_resolver.register(OwnGraph)
    yield OwnGraph
    del dataset_resolver.lookup_dict[dataset_resolver.normalize_cls(OwnGraph)]


@pytest.mark.parametrize("by", ["name", "class"])
def test_datasets_of_others(own_graph, pykeen_datasets, by):
    """A class that knows nothing of this package keeps its features, too, in each call."""
    for _ in range(3):
        dataset = get_dataset(dataset=own_graph if by == "class" else "OwnGraph")
        assert dataset.training.features == make_factory().features
        assert dataset.testing.features == make_factory().features
    assert not list(pykeen_datasets.rglob("*"))


def test_what_is_in_the_cache_already(own_graph, pykeen_datasets):
    """From times when features got lost there."""
    cached = pykeen_datasets / "owngraph" / "cache" / _digest_kwargs({})
    for name, factory in own_graph().factory_dict.items():
        factory.to_path_binary(cached / name)
    dataset = get_dataset(dataset="owngraph", dataset_kwargs={"create_inverse_triples": True})
    assert dataset.training.features == make_factory().features
    assert dataset.training.create_inverse_triples


@pytest.mark.parametrize("cls", [Dataset, EagerDataset, OwnGraph])
def test_saved_datasets_of_others(own_graph, tmp_path, cls):
    """Whichever class reads them; without features, they are as they were."""
    own_graph().to_directory_binary(tmp_path / "x")
    dataset = cls.from_directory_binary(tmp_path / "x")
    assert dataset.training == own_graph().training
    plain = get_dataset(dataset="nations")
    plain.to_directory_binary(tmp_path / "plain")
    read = cls.from_directory_binary(tmp_path / "plain")
    assert not isinstance(read.training, MultimodalTriplesFactory)
    assert read.training.num_triples == plain.training.num_triples
