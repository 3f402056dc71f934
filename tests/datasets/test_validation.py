"""The published validation split, its leak, and the holdout that replaces it."""

import logging

import pytest
import torch
from pykeen.datasets import get_dataset

from pykeen_adamf.datasets import DB15K, MKGW, MKGY
from pykeen_adamf.datasets.base import carve_out
from pykeen_adamf.datasets.published import BENCHMARKS

from .cases import ENTITIES, RELATIONS, TEST, TRAIN, VALID, as_set, in_pykeens_order, make_matrix, write_benchmark


def leak_warnings(caplog):
    return [record for record in caplog.records if "validation split leaks" in record.getMessage()]


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.INFO, logger="pykeen_adamf")


# --- the warning


def test_db15k_warns_once(directory, caplog):
    """However often one looks at it."""
    dataset = DB15K(directory=directory)
    assert not leak_warnings(caplog)
    for _ in range(2):
        assert dataset.training
        assert dataset.testing
        assert dataset.validation
        assert dataset.summary_str()
        assert dataset.restrict(relations=["NA", "a relation"])
        assert dataset.remix(random_state=0)
        assert dataset.merged()
    (warning,) = leak_warnings(caplog)
    assert warning.levelno == logging.WARNING
    assert warning.getMessage() == BENCHMARKS["DB15K"].validation_warning
    assert "validation='holdout'" in warning.getMessage()


def test_db15k_warns_once_if_loaded_eagerly(directory, caplog):
    dataset = DB15K(directory=directory, eager=True)
    assert len(leak_warnings(caplog)) == 1
    assert dataset.validation
    assert len(leak_warnings(caplog)) == 1


def test_db15k_warns_once_by_name(directory, caplog):
    dataset = get_dataset(dataset="db15k", dataset_kwargs={"directory": directory})
    assert dataset.training
    assert len(leak_warnings(caplog)) == 1


@pytest.mark.parametrize("eager", [False, True])
def test_db15k_does_not_warn_of_a_split_that_is_not_used(directory, caplog, eager):
    assert DB15K(directory=directory, validation="holdout", eager=eager).validation
    assert not leak_warnings(caplog)


@pytest.mark.parametrize("validation", ["published", "holdout"])
@pytest.mark.parametrize("cls", [MKGW, MKGY], ids=lambda cls: cls.__name__)
def test_others_do_not_warn(cls, directory, caplog, validation):
    assert cls(directory=directory, validation=validation, features=[]).validation
    assert not leak_warnings(caplog)


# --- the holdout


@pytest.fixture
def leaking(tmp_path):
    """Return a directory whose splits overlap, and which has duplicates."""
    return write_benchmark(
        tmp_path / "leaking",
        train=[*TRAIN, *TRAIN[:5], *TEST[:2]],
        valid=[*TRAIN[10:14], *TEST[:2], TEST[0]],
    )


@pytest.mark.parametrize("seed", range(5))
def test_holdout_is_disjoint_from_all_others(dataset_cls, leaking, seed):
    dataset = dataset_cls(directory=leaking, validation="holdout", validation_seed=seed)
    training, testing, validation = (
        as_set(factory.mapped_triples) for factory in (dataset.training, dataset.testing, dataset.validation)
    )
    assert len(training) == dataset.training.num_triples
    assert len(validation) == dataset.validation.num_triples
    assert not validation & training
    assert not validation & testing
    assert dataset.testing.mapped_triples.tolist() == in_pykeens_order(TEST)


@pytest.mark.parametrize("seed", range(5))
def test_holdout_comes_from_training(directory, seed):
    """There are as many triples as in the published split, and nothing is lost or invented."""
    dataset = MKGW(directory=directory, validation="holdout", validation_seed=seed)
    training, validation = as_set(dataset.training.mapped_triples), as_set(dataset.validation.mapped_triples)
    assert training | validation == {tuple(triple) for triple in in_pykeens_order(TRAIN)}
    assert abs(len(validation) - len(VALID)) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_all_entities_and_relations_remain_in_training(tmp_path, seed):
    """Even those which occur once."""
    sparse = [
        (0, 1, 0),
        (1, 2, 0),
        (2, 0, 0),
        (0, 2, 0),
        (2, 1, 0),
        (1, 0, 0),
        (0, 3, 0),
        (4, 0, 0),
        (1, 2, 1),
        (5, 6, 2),
    ]
    directory = write_benchmark(tmp_path / "sparse", train=sparse, valid=[(0, 0, 0)] * 4)
    dataset = MKGW(directory=directory, validation="holdout", validation_seed=seed)
    triples = dataset.training.mapped_triples
    assert set(triples[:, 0::2].unique().tolist()) == set(range(7))
    assert set(triples[:, 1].unique().tolist()) == {0, 1, 2}
    assert dataset.validation.num_triples >= 3
    assert (dataset.num_entities, dataset.num_relations) == (len(ENTITIES), len(RELATIONS))


def test_holdout_is_deterministic(dataset_cls, directory):
    def load(seed):
        torch.manual_seed(seed + 1)
        torch.rand(seed + 1)
        return dataset_cls(directory=directory, validation="holdout", validation_seed=3, features=[])

    assert load(0) == load(1)


def test_holdout_does_not_change_the_global_random_state(directory):
    """Datasets are loaded when they are first used; that must not undo somebody's seed."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert MKGW(directory=directory, validation="holdout").validation
    assert torch.equal(torch.rand(3), expected)


def test_seeds_differ(directory):
    splits = [
        frozenset(
            as_set(MKGW(directory=directory, validation="holdout", validation_seed=seed).validation.mapped_triples)
        )
        for seed in range(6)
    ]
    assert len(set(splits)) > 3


def test_default_seed(directory):
    assert MKGW(directory=directory, validation="holdout") == MKGW(
        directory=directory, validation="holdout", validation_seed=0
    )


def test_holdout_does_not_depend_on_the_order_of_lines(directory, tmp_path):
    other = write_benchmark(tmp_path / "other", train=TRAIN[::-1])
    one, two = (MKGW(directory=path, validation="holdout") for path in (directory, other))
    assert as_set(one.validation.mapped_triples) == as_set(two.validation.mapped_triples)


def test_holdout_has_features(directory):
    dataset = MKGW(directory=directory, validation="holdout", features={"visual": make_matrix()})
    assert dataset.validation.features["visual"] is dataset.training.features["visual"]
    assert torch.equal(dataset.training.features["visual"].matrix, make_matrix())


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_carving_out_nothing():
    triples = torch.tensor(in_pykeens_order(TRAIN))
    remaining, holdout = carve_out(triples, num=0, exclude=triples[:0], seed=0)
    assert as_set(remaining) == as_set(triples)
    assert holdout.shape == (0, 3)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"train": []}, id="no training triples"),
        pytest.param({"train": TRAIN[:3], "valid": VALID}, id="fewer than for the holdout alone"),
        pytest.param({"train": [(0, 1, 0), (2, 3, 1), (4, 5, 2)], "valid": [(0, 2, 0)]}, id="each entity occurs once"),
    ],
)
def test_too_few_triples_for_a_holdout(tmp_path, files):
    """The message tells which option asks for too much."""
    dataset = MKGW(write_benchmark(tmp_path / "few", **files), validation="holdout")
    with pytest.raises(ValueError, match="holdout"):
        assert dataset.validation
