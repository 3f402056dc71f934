"""Files of ranks, and classes of triples."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeen_adamf.evaluation import RankFileError, Ranks, classify_coverage, rank_metrics, read_ranks
from tests.features.cases import relaxed

from .test_statistics import make_ranks, make_triples

# --- files


def test_read(tmp_path):
    ranks = make_ranks()
    numpy.savez(tmp_path / "x.npz", triples=ranks.triples, head_rank=ranks.head_rank, tail_rank=ranks.tail_rank)
    read = read_ranks(tmp_path / "x.npz")
    assert read.triples.tolist() == ranks.triples.tolist()
    assert rank_metrics(read).tolist() == rank_metrics(ranks).tolist()


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 half"])
def test_unreadable_files(tmp_path, content):
    path = tmp_path / "x.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RankFileError, match=r"x\.npz cannot be read"):
        read_ranks(path)


def test_incomplete_files(tmp_path):
    """Neither an array nor a byte may be missing."""
    path = tmp_path / "x.npz"
    numpy.savez(path, triples=make_triples(2))
    with pytest.raises(RankFileError, match=r"x\.npz has no head_rank, tail_rank"):
        read_ranks(path)
    path.write_bytes(path.read_bytes().replace(b"NUMPY", b"OTHER"))
    with pytest.raises(RankFileError, match=r"x\.npz cannot be read"):
        read_ranks(path)


@pytest.mark.parametrize("rank", [0.5, float("nan"), float("inf")])
def test_impossible_ranks(rank):
    with pytest.raises(RankFileError, match="at least one, and finite"):
        Ranks.from_arrays(make_triples(2), numpy.array([1, rank]), numpy.ones(2))


@pytest.mark.parametrize(("num", "num_ranks"), [(0, 0), (2, 3)])
def test_bad_shapes(num, num_ranks):
    with pytest.raises(RankFileError, match="at least one triple, with the shapes"):
        Ranks.from_arrays(make_triples(num), numpy.ones(num_ranks), numpy.ones(num_ranks))


# --- coverage


def test_coverage_by_hand():
    """Entity 0 has both modalities, 1 and 2 have one each, 3 has none."""
    presence = numpy.array([[True, True], [True, False], [False, True], [False, False]])
    expected = {
        **{(0, 0): "all"},
        **{(0, 1): "some", (1, 0): "some", (2, 0): "some", (1, 2): "some", (1, 1): "some"},
        **{(0, 3): "none", (3, 0): "none", (3, 3): "none", (1, 3): "none"},
    }
    triples = numpy.array([[head, 7, tail] for head, tail in expected])
    assert classify_coverage(triples, presence).tolist() == list(expected.values())


@relaxed
@given(data=st.data(), num_modalities=st.integers(1, 3))
def test_coverage_by_definition(data, num_modalities):
    presence = data.draw(
        st.lists(st.lists(st.booleans(), min_size=num_modalities, max_size=num_modalities), min_size=1)
    )
    entity = st.integers(0, len(presence) - 1)
    triples = data.draw(st.lists(st.tuples(entity, st.just(0), entity), min_size=1))
    classes = classify_coverage(numpy.array(triples), numpy.array(presence))
    for (head, _, tail), found in zip(triples, classes.tolist(), strict=True):
        rows = presence[head], presence[tail]
        if all(all(row) for row in rows):
            assert found == "all"
        elif any(not any(row) for row in rows):
            assert found == "none"
        else:
            assert found == "some"


def test_bad_presence():
    with pytest.raises(ValueError, match="at least one modality"):
        classify_coverage(make_triples(2), numpy.ones((2, 0)))
    with pytest.raises(ValueError, match="only 1 entities"):
        classify_coverage(make_triples(2), numpy.ones((1, 2)))
