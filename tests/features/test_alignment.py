"""Rows follow their labels."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pykeen_adamf.features import FeatureError, ModalityFeatures

from .cases import label_texts, make_features, modality_features, relaxed

NAN, INF = float("nan"), float("inf")


@st.composite
def with_permutation(draw):
    features = draw(modality_features())
    return features, draw(st.permutations(features.labels))


@st.composite
def with_superset(draw):
    """Generate features, and labels among which are all of theirs."""
    features = draw(modality_features(min_size=1))
    others = draw(st.lists(label_texts.filter(lambda x: x not in features.labels), max_size=4, unique=True))
    return features, draw(st.permutations([*features.labels, *others]))


@st.composite
def with_subset(draw):
    features = draw(modality_features(min_size=1))
    labels = draw(st.permutations(features.labels))
    return features, labels[: draw(st.integers(0, len(labels)))]


@relaxed
@given(with_permutation())
def test_aligning_to_a_permutation_and_back_is_the_identity(case):
    features, permutation = case
    aligned = features.align(permutation)
    assert aligned.labels == tuple(permutation)
    assert aligned.align(features.labels) == features


@relaxed
@given(with_superset())
def test_values_and_presence_follow_their_label(case):
    features, labels = case
    aligned = features.align(labels)
    assert aligned.labels == tuple(labels)
    assert aligned.matrix.shape == (len(labels), features.dim)
    assert aligned.num_present == features.num_present
    for label, row, present in zip(aligned.labels, aligned.matrix, aligned.presence, strict=True):
        if label not in features.labels:
            assert not present
            assert not row.any()
        else:
            i = features.labels.index(label)
            assert bool(present) == bool(features.presence[i])
            assert torch.equal(row, features.matrix[i])


@relaxed
@given(with_superset())
def test_presence_is_never_lost(case):
    """Going through more entities and back changes nothing."""
    features, labels = case
    assert features.align(labels).align(features.labels, unknown="ignore") == features


@relaxed
@given(with_subset())
def test_ignoring_unknown_labels_keeps_the_others(case):
    features, labels = case
    aligned = features.align(labels, unknown="ignore")
    rows = [features.labels.index(label) for label in labels]
    assert aligned.labels == tuple(labels)
    assert torch.equal(aligned.presence, features.presence[rows])
    assert torch.equal(aligned.matrix, features.matrix[rows])


@relaxed
@given(with_superset(), st.data())
def test_alignment_does_not_depend_on_steps_between(case, data):
    features, labels = case
    last = data.draw(st.permutations(labels))
    assert features.align(labels).align(last) == features.align(last)


@relaxed
@given(modality_features())
def test_missing_rows_are_always_zero(features):
    assert not features.matrix[~features.presence].any()
    assert features.matrix.isfinite().all()


def test_alignment_does_not_change_the_original():
    features = make_features(missing=[1])
    before = copy.deepcopy(features)
    features.align(features.labels[::-1]).matrix.fill_(7)
    assert features == before


def test_aligning_to_the_same_labels_copies_nothing():
    """Large features are shared by the factories of a split."""
    features = make_features()
    assert features.align(list(features.labels)) is features


@pytest.mark.parametrize(
    "features",
    [
        pytest.param(ModalityFeatures.from_matrix(torch.zeros(0, 2), []), id="from a matrix"),
        pytest.param(ModalityFeatures.missing([], dim=2), id="missing"),
    ],
)
def test_features_without_any_row_can_be_aligned(features):
    """Nobody having a row means that everybody is missing the modality."""
    aligned = features.align("abc")
    assert aligned.labels == ("a", "b", "c")
    assert aligned.num_present == 0
    assert aligned.dim == 2


def test_unknown_labels_are_refused():
    features = ModalityFeatures.from_matrix(torch.ones(2, 3), ["Ada", "Bob"], source="images.npy")
    with pytest.raises(FeatureError, match=r"images\.npy has rows for 'Bob', which are no .*unknown_labels='ignore'"):
        features.align(["Ada", "Charles"])


def test_unknown_labels_are_refused_even_if_missing():
    """A misspelled label is a mistake whether its row is there or not."""
    features = ModalityFeatures.from_matrix(torch.tensor([[1.0], [NAN]]), ["Ada", "Bob"])
    with pytest.raises(FeatureError, match="'Bob'"):
        features.align(["Ada"])


def test_a_row_is_not_lost_when_labels_are_repeated():
    """Repeating one label must not hide that another one is not there."""
    features = ModalityFeatures.from_matrix(torch.ones(2, 3), ["Ada", "Bob"])
    with pytest.raises(FeatureError, match="'Bob'"):
        features.align(["Ada", "Ada"])


def test_rename_keeps_the_rows():
    features = make_features(labels="abc", missing=[1])
    renamed = features.rename("xyz")
    assert renamed.labels == ("x", "y", "z")
    assert renamed.matrix is features.matrix
    assert renamed.presence is features.presence
    assert features.labels == ("a", "b", "c")
