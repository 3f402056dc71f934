"""A feature matrix with a presence mask, keyed by label."""

import copy
import pickle

import numpy
import pytest
import torch
from hypothesis import given

from pykeen_adamf.features import FeatureError, ModalityFeatures

from .cases import make_features, modality_features, relaxed

NAN, INF = float("nan"), float("inf")


# --- creation


@pytest.mark.parametrize("kind", ["numpy", "torch", "list of labels", "labels from a generator", "read-only array"])
def test_from_matrix_accepts(kind):
    """Matrices of both libraries are fine, and so is anything that yields labels."""
    matrix = numpy.arange(6, dtype=numpy.float32).reshape(3, 2)
    labels = "abc"
    if kind == "torch":
        matrix = torch.from_numpy(matrix)
    elif kind == "list of labels":
        labels = ["a", "b", "c"]
    elif kind == "labels from a generator":
        labels = (label for label in "abc")
    elif kind == "read-only array":
        matrix.flags.writeable = False
    features = ModalityFeatures.from_matrix(matrix, labels)
    assert features.labels == ("a", "b", "c")
    assert (features.num_entities, features.num_present, features.dim) == (3, 3, 2)
    assert features.matrix.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert features.presence.tolist() == [True, True, True]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_data_type_is_kept(dtype):
    features = ModalityFeatures.from_matrix(torch.ones(2, 3, dtype=dtype), "ab")
    assert features.matrix.dtype == dtype
    assert features.align("ba").matrix.dtype == dtype
    assert features.align("xyz", unknown="ignore").matrix.dtype == dtype


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: numpy.arange(6, dtype=">f4").reshape(3, 2), id="big-endian"),
        pytest.param(lambda: numpy.arange(6, dtype="f4")[::-1].reshape(3, 2)[:, ::-1], id="negative strides"),
        pytest.param(lambda: numpy.arange(6, dtype="f4").reshape(2, 3).T, id="transposed"),
        pytest.param(lambda: numpy.arange(24, dtype="f4").reshape(6, 4)[::2, ::2], id="every other row and column"),
    ],
)
def test_memory_layout_does_not_matter(make):
    """What counts are the values, however an array stores them."""
    matrix = make()
    features = ModalityFeatures.from_matrix(matrix, "abc")
    assert features.matrix.tolist() == matrix.tolist()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "bool"])
@pytest.mark.parametrize("kind", [numpy.asarray, torch.as_tensor])
def test_integers_and_truth_values(dtype, kind):
    """Every table of numbers has them."""
    if kind is torch.as_tensor and dtype == "uint16":
        pytest.skip("some versions of PyTorch do not know it")
    features = ModalityFeatures.from_matrix(kind(numpy.array([[0, 1], [1, 1]], dtype=dtype)), "ab")
    assert features.matrix.dtype == torch.float32
    assert features.matrix.tolist() == [[0, 1], [1, 1]]


def test_one_number_for_each_entity():
    features = ModalityFeatures.from_matrix(torch.tensor([3.0, NAN, 1.0]), "abc")
    assert features.matrix.tolist() == [[3], [0], [1]]
    assert features.presence.tolist() == [True, False, True]


def test_gradients_are_not_kept():
    features = ModalityFeatures.from_matrix(torch.ones(2, 3, requires_grad=True) * 2, "ab")
    assert not features.matrix.requires_grad


@pytest.mark.parametrize("presence", [None, torch.tensor([True, False, True]), numpy.array([True, False, True])])
def test_missing_rows_hold_zeros(presence):
    """Rows of NaN are missing, whether a mask says so or not, and nobody gets to see their values."""
    matrix = torch.tensor([[1.0, 2.0], [NAN, NAN], [0.0, 0.0]])
    features = ModalityFeatures.from_matrix(matrix, "abc", presence=presence)
    assert features.presence.tolist() == [True, False, True]
    assert features.num_present == 2
    assert features.matrix.tolist() == [[1, 2], [0, 0], [0, 0]]


@pytest.mark.parametrize("row", [[NAN, 1.0], [INF, -INF], [3.0, 4.0], [NAN, INF]])
def test_values_of_rows_that_the_mask_declares_missing_are_dropped(row):
    features = ModalityFeatures.from_matrix(torch.tensor([[1.0, 2.0], row]), "ab", torch.tensor([True, False]))
    assert features.matrix.tolist() == [[1, 2], [0, 0]]


def test_the_callers_matrix_is_not_changed():
    matrix = torch.tensor([[1.0, 2.0], [NAN, NAN], [3.0, 4.0]])
    before = matrix.clone()
    features = ModalityFeatures.from_matrix(matrix, "abc", presence=torch.tensor([True, False, False]))
    features.align("cab").matrix.fill_(5)
    assert torch.equal(matrix.isnan(), before.isnan())
    assert torch.equal(matrix.nan_to_num(), before.nan_to_num())


@pytest.mark.parametrize(
    ("matrix", "parts"),
    [
        pytest.param(torch.ones(2, 3), ["2 rows", "3 entities", "one row for each entity"], id="too few rows"),
        pytest.param(torch.ones(4, 3), ["4 rows", "3 entities", "one row for each entity"], id="too many rows"),
        pytest.param(torch.ones(0, 3), ["0 rows", "3 entities"], id="no rows"),
        pytest.param(torch.ones(3, 1, 2), ["shape (3, 1, 2)", "(num_entities, dim)"], id="three dimensions"),
        pytest.param(torch.tensor(1.0), ["shape ()", "(num_entities, dim)"], id="a number"),
        pytest.param(torch.ones(3, 0), ["shape (3, 0)", "(num_entities, dim)"], id="no columns"),
        pytest.param(torch.ones(3, 2, dtype=torch.cfloat), ["torch.complex64", "float32"], id="complex numbers"),
        pytest.param(numpy.ones((3, 2), dtype=complex), ["complex128", "float32"], id="an array of complex numbers"),
        pytest.param(numpy.array([["1", "2"]] * 3), ["<U1", "float32"], id="an array of text"),
        pytest.param(numpy.array([[None, 1.0]] * 3), ["Python objects", "floating point array"], id="objects"),
        pytest.param(numpy.ones((3, 2), dtype=numpy.longdouble), ["float32"], id="long doubles"),
        pytest.param(torch.tensor([[0.0, 1], [NAN, 1], [1, 1]]), ["'b'", "NaN", "presence"], id="NaN in a row"),
        pytest.param(torch.tensor([[0.0, 1], [1, 1], [INF, 1]]), ["'c'", "infinite", "presence"], id="infinite"),
        pytest.param(torch.tensor([[-INF, -INF], [1, 1], [1, 1]]), ["'a'", "infinite"], id="a row of infinities"),
        pytest.param(torch.tensor([[NAN, INF], [1, 1], [NAN, NAN]]), ["'a'", "NaN"], id="NaN and infinite"),
    ],
)
def test_invalid_matrices_are_refused(matrix, parts):
    """The message names the source, the entity where there is one, and the fix."""
    with pytest.raises(FeatureError) as info:
        ModalityFeatures.from_matrix(matrix, "abc", source="images.npy")
    for part in ["images.npy", *parts]:
        assert part in str(info.value)


def test_duplicated_labels_are_refused():
    with pytest.raises(FeatureError, match=r"images\.npy has more than one row for 'b'\. Keep one"):
        ModalityFeatures.from_matrix(torch.ones(3, 2), "abb", source="images.npy")


@pytest.mark.parametrize(
    "presence",
    [
        pytest.param(torch.ones(2, dtype=torch.bool), id="too short"),
        pytest.param(torch.ones(4, dtype=torch.bool), id="too long"),
        pytest.param(torch.ones(3, 1, dtype=torch.bool), id="two dimensions"),
        pytest.param(torch.ones(3), id="numbers"),
        pytest.param(numpy.ones(3, dtype=int), id="integers"),
    ],
)
def test_invalid_masks_are_refused(presence):
    with pytest.raises(FeatureError, match=r"presence mask of images\.npy .* must be boolean .* each of the 3 rows"):
        ModalityFeatures.from_matrix(torch.ones(3, 2), "abc", presence=presence, source="images.npy")


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_mask_cannot_claim_a_row_that_is_not_finite(value):
    matrix = torch.ones(3, 2)
    matrix[1] = value
    with pytest.raises(FeatureError, match=r"NaN or infinite values for 'b'.* set its whole row to NaN or"):
        ModalityFeatures.from_matrix(matrix, "abc", presence=torch.ones(3, dtype=torch.bool))


def test_messages_do_not_list_all_entities():
    matrix = torch.full((1000, 2), INF)
    with pytest.raises(FeatureError, match=r"\(1000 in total\)") as info:
        ModalityFeatures.from_matrix(matrix, map(str, range(1000)))
    assert len(str(info.value)) < 500


# --- nobody has the modality


def test_missing_takes_no_memory():
    few = ModalityFeatures.missing("ab", dim=512)
    many = ModalityFeatures.missing(map(str, range(10_000)), dim=512)
    assert many.matrix.shape == (10_000, 512)
    assert many.num_present == 0
    assert many.matrix.untyped_storage().nbytes() == few.matrix.untyped_storage().nbytes() == 512 * 4


@pytest.mark.parametrize("through", ["align", "align with others", "pickle", "deepcopy"])
def test_missing_still_takes_no_memory_after(through):
    labels = [str(i) for i in range(1000)]
    features = ModalityFeatures.missing(labels, dim=512)
    if through == "align":
        features = features.align(labels[::-1])
    elif through == "align with others":
        features = features.align([*labels[::-1], "x", "y"])
    elif through == "pickle":
        features = pickle.loads(pickle.dumps(features))
    else:
        features = copy.deepcopy(features)
    assert features.num_present == 0
    assert features.matrix.shape[1] == 512
    assert not features.matrix.any()
    assert features.matrix.untyped_storage().nbytes() == 512 * 4


def test_missing_equals_a_matrix_of_nan():
    assert ModalityFeatures.missing("abc", dim=2) == ModalityFeatures.from_matrix(torch.full((3, 2), NAN), "abc")


# --- equality


@relaxed
@given(modality_features())
def test_equal_to_itself_and_to_copies(features):
    assert features == features.align(list(features.labels))
    assert features == copy.deepcopy(features)
    assert features == pickle.loads(pickle.dumps(features))


def test_equality_ignores_where_features_come_from():
    matrix = torch.ones(2, 3)
    one = ModalityFeatures.from_matrix(matrix, "ab", source="a.npy")
    assert one == ModalityFeatures.from_matrix(matrix.clone(), "ab", source="b.npy")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(make_features("abc", missing=[1], seed=1), id="other values"),
        pytest.param(make_features("abc", missing=[2]), id="others missing"),
        pytest.param(make_features("abc"), id="none missing"),
        pytest.param(make_features("abd", missing=[1]), id="other labels"),
        pytest.param(make_features("acb", missing=[1]), id="labels in another order"),
        pytest.param(make_features("abc", missing=[1], dim=2), id="another dimension"),
        pytest.param(make_features("ab", missing=[1]), id="fewer entities"),
        pytest.param(torch.ones(3, 3), id="a matrix"),
        pytest.param(None, id="None"),
    ],
)
def test_unequal(other):
    features = make_features("abc", missing=[1])
    assert (features == other) is False
    assert (features != other) is True


def test_a_present_row_of_zeros_differs_from_a_missing_row():
    zeros = torch.zeros(2, 3)
    present = ModalityFeatures.from_matrix(zeros, "ab")
    assert present != ModalityFeatures.missing("ab", dim=3)


def test_not_hashable():
    """There is no cheap hash that agrees with equality."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(make_features())


def test_representation_is_short():
    features = ModalityFeatures.from_matrix(torch.ones(5000, 7), map(str, range(5000)), source="images.npy")
    assert repr(features) == (
        "ModalityFeatures(num_present=5000, num_entities=5000, dim=7, dtype=torch.float32, source='images.npy')"
    )
