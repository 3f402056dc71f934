"""Which rows are dropped, and what remains."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pykeen_adamf.datasets.dropping import DROPPING_ORDERS, check_dropping, choose_rows, derive_seed, drop_rows
from pykeen_adamf.features import ModalityFeatures

from ..features.cases import make_features, modality_features, relaxed

ratios = st.floats(0, 1)
seeds = st.integers(0, 2**63 - 1)
entities = st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=30)


def unzip(entities):
    presence = torch.tensor([present for present, _ in entities], dtype=torch.bool)
    return presence, torch.tensor([degree for _, degree in entities], dtype=torch.long)


@relaxed
@given(entities=entities, ratio=ratios, seed=seeds, by_degree=st.booleans())
def test_exact_number_of_present_rows(entities, ratio, seed, by_degree):
    presence, degrees = unzip(entities)
    rows = choose_rows(presence, ratio, seed, degrees if by_degree else None)
    assert len(rows.unique()) == len(rows) == round(ratio * int(presence.sum()))
    assert presence[rows].all()


@relaxed
@given(entities=entities, pair=st.tuples(ratios, ratios), seed=seeds, by_degree=st.booleans())
def test_nested(entities, pair, seed, by_degree):
    """What is missing at a ratio is missing at any larger one, too."""
    presence, degrees = unzip(entities)
    fewer, more = (choose_rows(presence, ratio, seed, degrees if by_degree else None) for ratio in sorted(pair))
    assert fewer.tolist() == more[: len(fewer)].tolist()


@relaxed
@given(entities=entities, ratio=ratios, seed=seeds)
def test_rare_entities_first(entities, ratio, seed):
    presence, degrees = unzip(entities)
    rows = choose_rows(presence, ratio, seed, degrees)
    kept = presence.clone()
    kept[rows] = False
    assert degrees[rows].tolist() == sorted(degrees[presence].tolist())[: len(rows)]
    if len(rows) and kept.any():
        assert degrees[rows].max() <= degrees[kept].min()


def test_ties_are_broken_by_the_seed():
    presence, degrees = torch.ones(40, dtype=torch.bool), torch.zeros(40, dtype=torch.long)
    one, again, other = (choose_rows(presence, 0.5, seed, degrees).tolist() for seed in (0, 0, 1))
    assert one == again
    assert set(one) != set(other)


def test_every_row_is_as_likely():
    """Each of 10 rows is among the 3 dropped ones of 2,000 seeds 600 times, up to 5 standard deviations."""
    presence = torch.ones(10, dtype=torch.bool)
    count = torch.zeros(10)
    for seed in range(2_000):
        count[choose_rows(presence, 0.3, derive_seed(seed, "visual"))] += 1
    assert float((count - 600).abs().max()) < 5 * math.sqrt(2_000 * 0.3 * 0.7)


def test_modalities_are_dropped_independently():
    """For half of the rows of both, the expected overlap is a quarter of all: 25 +- 2.5 of 100 rows."""
    presence = torch.ones(100, dtype=torch.bool)
    overlaps = [
        len(
            set(choose_rows(presence, 0.5, derive_seed(seed, "visual")).tolist())
            & set(choose_rows(presence, 0.5, derive_seed(seed, "textual")).tolist())
        )
        for seed in range(200)
    ]
    # five standard errors of the mean
    assert statistics.mean(overlaps) == pytest.approx(25, abs=5 * 2.52 / math.sqrt(200))


@pytest.mark.slow
@relaxed
@given(seed=st.integers(), name=st.text(max_size=5))
def test_seeds_of_modalities(seed, name):
    derived = derive_seed(seed, name)
    assert 0 <= derived < 2**63
    assert derived != derive_seed(seed, name + "x") != derive_seed(seed + 1, name + "x")


@pytest.mark.parametrize("ratio", [-0.1, 1.0001, float("nan"), float("inf")])
def test_bad_ratios(ratio):
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        choose_rows(torch.ones(3, dtype=torch.bool), ratio, seed=0)
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        check_dropping(ratio, "uniform")


def test_bad_order():
    for by in DROPPING_ORDERS:
        check_dropping(0.5, by)
    with pytest.raises(ValueError, match="'uniform' or 'degree', but not by 'size'"):
        check_dropping(0.5, "size")


def test_bad_degrees():
    with pytest.raises(ValueError, match=r"one degree for each of the 3 entities.*\(2,\)"):
        choose_rows(torch.ones(3, dtype=torch.bool), 0.5, seed=0, degrees=torch.zeros(2))


@relaxed
@given(features=modality_features(), data=st.data())
def test_drop_rows(features, data):
    present = features.presence.nonzero().view(-1).tolist()
    rows = data.draw(st.lists(st.sampled_from(present), unique=True) if present else st.just([]))
    before = ModalityFeatures(features.matrix.clone(), features.labels, features.presence.clone())
    dropped = drop_rows(features, torch.tensor(rows, dtype=torch.long))
    assert features == before
    assert dropped.num_present == features.num_present - len(rows)
    assert (dropped.labels, dropped.matrix.dtype) == (features.labels, features.matrix.dtype)
    assert not dropped.presence[rows].any()
    assert not dropped.matrix[~dropped.presence].any()
    assert torch.equal(dropped.matrix[dropped.presence], features.matrix[dropped.presence])
    # the same as if they had never been there
    assert dropped == ModalityFeatures.from_matrix(features.matrix, features.labels, presence=dropped.presence)


def test_drop_nothing():
    features = make_features()
    assert drop_rows(features, torch.tensor([], dtype=torch.long)) is features


def test_drop_everything():
    """It takes no memory."""
    features = make_features("abc", dim=1000)
    dropped = drop_rows(features, torch.arange(3))
    assert dropped == ModalityFeatures.missing("abc", dim=1000)
    assert dropped.matrix.untyped_storage().nbytes() == 4 * 1000


def test_features_are_no_longer_those_of_a_file():
    """Whoever remembers the path rather than the values would get what was dropped back."""
    features = ModalityFeatures(torch.ones(2, 1), "ab", torch.ones(2, dtype=torch.bool), path="/features.npy")
    assert drop_rows(features, torch.tensor([1])).path is None
