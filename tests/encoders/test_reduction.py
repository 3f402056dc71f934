"""Principal components."""

import numpy
import pytest
import torch
from safetensors import safe_open
from sklearn.decomposition import PCA

from pykeen_adamf.encoders import EncodingError, encode, reduction
from pykeen_adamf.features import read_features

from .cases import LetterEncoder


class RandomEncoder(LetterEncoder):
    """Vectors of which the first dimensions matter most; the text is the seed."""

    def encode(self, inputs):
        self.batches.append(list(inputs))
        vectors = [torch.randn(self.dim, generator=torch.Generator().manual_seed(int(text))) for text in inputs]
        return torch.stack(vectors) / torch.arange(1, self.dim + 1)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "features.safetensors"


def _encode(num, dim, output, **kwargs):
    texts = {f"e{i}": str(i) if i % 5 else "unusable" for i in range(num)}
    return encode(texts, RandomEncoder(6), output, dim=dim, batch_size=4, progress=False, **kwargs)


@pytest.mark.parametrize("num", [40, 6], ids=["more rows", "more dimensions"])
@pytest.mark.parametrize("dim", [1, 3])
def test_equal_to_the_textbook(output, num, dim):
    """By a singular value decomposition of the centered rows which are present."""
    _encode(num, None, output)
    features = read_features(output)
    present = features.matrix[features.presence].double().numpy()
    centered = present - present.mean(axis=0)
    u, s, _ = numpy.linalg.svd(centered, full_matrices=False)
    expected = (u * s)[:, :dim]
    report = _encode(num, dim, output)
    reduced = read_features(output)
    assert reduced.labels == features.labels
    assert torch.equal(reduced.presence, features.presence)
    assert reduced.matrix.dtype == torch.float32
    actual = reduced.matrix[reduced.presence].numpy()
    # up to signs
    numpy.testing.assert_allclose(numpy.abs(actual), numpy.abs(expected), rtol=1e-4, atol=1e-6)
    numpy.testing.assert_allclose(
        float(report.provenance["pca_explained_variance"]), (s[:dim] ** 2).sum() / (s**2).sum(), atol=1e-6
    )
    assert report.dim == reduced.dim == dim


def test_equal_to_the_library(output):
    _encode(40, None, output)
    features = read_features(output)
    present = features.matrix[features.presence].double().numpy()
    expected = PCA(n_components=3, svd_solver="covariance_eigh").fit_transform(present)
    _encode(40, 3, output)
    reduced = read_features(output)
    numpy.testing.assert_allclose(reduced.matrix[reduced.presence].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_all_dimensions_keep_distances(output):
    _encode(40, None, output)
    before = read_features(output)
    _encode(40, 6, output)
    after = read_features(output)
    torch.testing.assert_close(
        torch.cdist(after.matrix, after.matrix)[1, 2], torch.cdist(before.matrix, before.matrix)[1, 2]
    )


def test_chunks_do_not_matter(output, monkeypatch):
    _encode(40, 3, output)
    expected = read_features(output)
    monkeypatch.setattr(reduction, "CHUNK", 7)
    _encode(40, 3, output)
    torch.testing.assert_close(read_features(output).matrix, expected.matrix, rtol=1e-6, atol=1e-7)


def test_float16(output):
    """What is stored in half precision has been reduced in double precision."""
    _encode(40, 3, output)
    expected = read_features(output).matrix
    _encode(40, 3, output, dtype="float16")
    assert torch.equal(read_features(output).matrix, expected.half())


def test_float16_overflow(output):
    class Large(RandomEncoder):
        def encode(self, inputs):
            return super().encode(inputs) * 1e6

    with pytest.raises(EncodingError, match=r"exceed what float16 can hold\. Use float32"):
        encode({str(i): str(i) for i in range(9)}, Large(6), output, dim=2, dtype="float16", progress=False)
    assert not output.exists()


def test_provenance(output):
    _encode(40, 3, output)
    with safe_open(output, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["pca_dim"] == "3"
    assert metadata["pca_source_dim"] == "6"
    assert metadata["pca_rows"] == "32"
    assert "scikit-learn==" in metadata["pca_versions"]


def test_too_few_rows(output, tmp_path):
    """That there are too few is known at the end only; what has been computed is kept for another dim."""
    with pytest.raises(EncodingError, match=r"dim=5: there are 4 entities with a vector and 6 dimensions"):
        _encode(6, 5, output)
    assert not output.exists()
    assert _encode(6, 4, output).num_resumed == 6
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize(("num", "dim"), [(40, 7), (5, 6), (40, -1)])
def test_impossible_dim_is_refused_at_once(output, tmp_path, num, dim):
    with pytest.raises(EncodingError, match=f"dim={dim}"):
        _encode(num, dim, output)
    assert not list(tmp_path.iterdir())
