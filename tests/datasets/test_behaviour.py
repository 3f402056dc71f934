"""Benchmarks are datasets of PyKEEN's, with published names and numbers."""

import docdata
import pytest
import torch
from pykeen.datasets import Dataset, dataset_resolver, get_dataset
from pykeen.datasets.base import EagerDataset
from pykeen.triples import TriplesFactory

from pykeen_adamf.constants import TEXTUAL, VISUAL
from pykeen_adamf.datasets import DB15K, MKGW
from pykeen_adamf.datasets.published import BENCHMARKS
from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.triples import MultimodalTriplesFactory

from .cases import (
    DATASETS,
    ENTITIES,
    NAMES,
    RELATIONS,
    TEST,
    TRAIN,
    VALID,
    as_set,
    make_matrix,
    write_benchmark,
)


def factories(dataset):
    return dataset.training, dataset.testing, dataset.validation


# --- what PyKEEN does with datasets


@pytest.fixture(params=[False, True], ids=["no inverse triples", "inverse triples"])
def dataset(request, directory):
    textual = ModalityFeatures.from_matrix(make_matrix(3), ENTITIES, presence=torch.arange(12) % 3 > 0)
    return DB15K(
        directory=directory,
        features={"visual": make_matrix(), "textual": textual},
        create_inverse_triples=request.param,
    )


def test_restrict(dataset):
    """Entities get new IDs; features follow them."""
    kept = set(ENTITIES) - {"Q42", "null"}
    restricted = dataset.restrict(entities=kept)
    assert isinstance(restricted, EagerDataset)
    assert set(restricted.entity_to_id) == kept
    assert restricted.create_inverse_triples == dataset.create_inverse_triples
    for factory, original in zip(factories(restricted), factories(dataset), strict=True):
        assert isinstance(factory, MultimodalTriplesFactory)
        assert list(factory.features) == ["visual", "textual"]
        labels = tuple(factory.entity_id_to_label[i] for i in range(10))
        for name, modality in factory.features.items():
            assert modality == original.features[name].align(labels, unknown="ignore")
        assert {tuple(triple) for triple in factory.label_triples(factory.mapped_triples)} == {
            tuple(triple)
            for triple in original.label_triples(original.mapped_triples)
            if triple[0] in kept and triple[2] in kept
        }


def test_restrict_relations(dataset):
    restricted = dataset.restrict(relations=["a relation", "NA"])
    assert set(restricted.relation_to_id) == {"a relation", "NA"}
    assert restricted.training.features == dataset.training.features


def test_restrict_inverted(dataset):
    restricted = dataset.restrict(entities=["Q42"], invert_entity_selection=True)
    assert "Q42" not in restricted.entity_to_id
    assert restricted.training.features["visual"].num_present == 11


def test_restrict_nothing(dataset):
    assert dataset.restrict() is dataset


@pytest.mark.parametrize(
    "restriction", [{"entities": ENTITIES[1:]}, {"relations": RELATIONS[1:]}], ids=["entities", "relations"]
)
def test_restrict_if_the_last_ids_are_in_no_evaluation_triple(tmp_path, restriction):
    """This is so for the relations of MKG-W and MKG-Y."""
    few = [(0, 1, 0), (1, 2, 1)]
    dataset = DB15K(write_benchmark(tmp_path / "x", valid=few, test=few), features={"visual": make_matrix()})
    restricted = dataset.restrict(**restriction)
    assert [factory.num_triples for factory in factories(restricted)[1:]] == [1, 1]


@pytest.mark.parametrize("first", ["restrict", "remix", "save and load"])
def test_restrict_after(directory, tmp_path, first):
    """What PyKEEN returns there is a dataset of another class."""
    dataset = DB15K(directory=directory, features={"visual": make_matrix()})
    if first == "restrict":
        derived = dataset.restrict(entities=ENTITIES[1:])
    elif first == "remix":
        derived = dataset.remix(random_state=0)
    else:
        dataset.to_directory_binary(tmp_path / "saved")
        derived = DB15K.from_directory_binary(tmp_path / "saved")
    # relations, since the last entity may be in no remixed evaluation triple
    restricted = derived.restrict(relations=[RELATIONS[0], RELATIONS[2]])
    for factory in factories(restricted):
        assert isinstance(factory, MultimodalTriplesFactory)
        assert factory.features["visual"] == derived.training.features["visual"]


def test_remix(directory):
    dataset = MKGW(directory=directory, features={"visual": make_matrix()})
    remixed = dataset.remix(random_state=0)
    assert [x.num_triples for x in factories(remixed)] == [x.num_triples for x in factories(dataset)]
    assert set.union(*(as_set(x.mapped_triples) for x in factories(remixed))) == set.union(
        *(as_set(x.mapped_triples) for x in factories(dataset))
    )
    assert not torch.equal(remixed.training.mapped_triples, dataset.training.mapped_triples)
    for factory in factories(remixed):
        assert factory.features["visual"] is dataset.training.features["visual"]


def test_remix_with_inverse_triples_is_still_refused(directory):
    with pytest.raises(NotImplementedError):
        MKGW(directory=directory, create_inverse_triples=True).remix(random_state=0)


def test_deteriorate_and_merge(directory):
    dataset = MKGW(directory=directory, features={"visual": make_matrix()})
    for factory in factories(dataset.deteriorate(n=3, random_state=0)):
        assert factory.features["visual"] is dataset.training.features["visual"]
    merged = dataset.merged()
    assert merged.num_triples == len(TRAIN) + len(VALID) + len(TEST)
    assert merged.features["visual"] is dataset.training.features["visual"]


def test_binary_round_trip(dataset, tmp_path):
    dataset.to_directory_binary(tmp_path / "saved")
    loaded = DB15K.from_directory_binary(tmp_path / "saved")
    assert loaded == dataset
    assert loaded.create_inverse_triples == dataset.create_inverse_triples
    assert loaded.metadata["name"] == "db15k"
    for one, other in zip(factories(loaded), factories(dataset), strict=True):
        assert list(one.features) == list(other.features)
        assert one == other


@pytest.mark.parametrize("operation", ["restrict", "remix"])
def test_binary_round_trip_of_derived_datasets(directory, tmp_path, operation):
    dataset = DB15K(directory=directory, features={"visual": make_matrix()})
    derived = dataset.remix(random_state=0) if operation == "remix" else dataset.restrict(entities=ENTITIES[1:])
    derived.to_directory_binary(tmp_path / "saved")
    assert DB15K.from_directory_binary(tmp_path / "saved") == derived


@pytest.mark.parametrize("cls", [EagerDataset, Dataset], ids=lambda cls: cls.__name__)
def test_saved_datasets_can_be_read_without_features(tmp_path, cls):
    """By those who do not know that there are any."""
    labels = [f"e{i}" for i in range(12)]
    directory = write_benchmark(tmp_path / "x", entities=labels, relations=["r", "s", "t"])
    dataset = DB15K(directory=directory, features={"visual": make_matrix()})
    dataset.to_directory_binary(tmp_path / "saved")
    loaded = cls.from_directory_binary(tmp_path / "saved")
    assert isinstance(loaded.training, TriplesFactory)
    assert torch.equal(loaded.training.mapped_triples, dataset.training.mapped_triples)


def test_summary(dataset):
    summary = dataset.summary_str()
    for part in ("Training", "36", "Testing", "Validation", "51", "Q42"):
        assert part in summary


# --- names and numbers


@pytest.mark.parametrize(
    ("name", "cls"), [("db15k", 0), ("DB15K", 0), ("mkgw", 1), ("MKG-W", 1), ("mkgy", 2), ("MKG-Y", 2)]
)
def test_pykeen_finds_them_by_name(name, cls, directory):
    assert dataset_resolver.lookup(name) is DATASETS[cls]
    assert isinstance(get_dataset(dataset=name, dataset_kwargs={"directory": directory}), DATASETS[cls])


def test_documented_numbers_are_consistent(dataset_cls):
    data = docdata.get_docdata(dataset_cls)
    assert data["name"] == dataset_cls.benchmark_name
    statistics = data["statistics"]
    assert set(statistics) == {"entities", "relations", "training", "testing", "validation", "triples"}
    assert statistics["triples"] == sum(statistics[key] for key in ("training", "testing", "validation"))
    assert Dataset.triples_sort_key(dataset_cls) == statistics["triples"]


def test_published_table_is_complete(dataset_cls):
    published = BENCHMARKS[dataset_cls.benchmark_name]
    assert set(published.triples) == set(NAMES)
    assert list(published.features) == [VISUAL, TEXTUAL]
    checksums = [*published.triples.values(), *(features.sha256 for features in published.features.values())]
    assert len(set(checksums)) == 7
    for checksum in checksums:
        assert len(bytes.fromhex(checksum)) == 32
