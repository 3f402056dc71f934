"""Principal components."""

import os
from pathlib import Path

import numpy
import pytest
import torch
from safetensors import safe_open
from sklearn.decomposition import PCA

from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.encoders import DescriptorEncoder, EncodingError, encode, reduction
from pykeen_adamf.features import read_features
from scripts.emojikg.graph import build_graph
from scripts.emojikg.sources import PACKAGES, Sources

from .cases import LetterEncoder

#: cf. the tests of the script that has built the dataset
SOURCES_ENVIRONMENT_VARIABLE = "PYKEEN_ADAMF_EMOJI_SOURCES"


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


@pytest.mark.parametrize(("num", "dim"), [(200, 40), (60, 100)], ids=["more rows", "more dimensions"])
@pytest.mark.parametrize("chunk", [1 << 20, 700])
def test_equal_to_the_library(tmp_path, monkeypatch, num, dim, chunk):
    """Signs included."""
    monkeypatch.setattr(reduction, "CHUNK", chunk)
    rng = numpy.random.default_rng(0)
    # far from zero, which must not cost any digits
    rows = (rng.standard_normal((num, dim)) / numpy.arange(1, dim + 1) + 100).astype(numpy.float32)
    presence = rng.random(num) < 0.8
    (tmp_path / "rows").write_bytes(rows.tobytes())
    solver = "covariance_eigh" if num > dim else "full"
    library = PCA(n_components=20, svd_solver=solver)
    expected = library.fit_transform(rows[presence].astype(numpy.float64))
    metadata = reduction.reduce_rows(tmp_path / "rows", tmp_path / "reduced", presence.tolist(), dim, 20, "float32")
    actual = numpy.fromfile(tmp_path / "reduced", dtype=numpy.float32).reshape(num, 20)
    assert not actual[~presence].any()
    numpy.testing.assert_allclose(actual[presence], expected, rtol=1e-5, atol=1e-6)
    assert metadata["pca_explained_variance"] == f"{library.explained_variance_ratio_.sum():.6f}"


@pytest.mark.parametrize("num", [9, 4], ids=["more rows", "more dimensions"])
def test_nothing_varies(tmp_path, num):
    """There are no directions, and no divisions by zero."""
    (tmp_path / "rows").write_bytes(numpy.full((num, 6), 3, dtype=numpy.float32).tobytes())
    metadata = reduction.reduce_rows(tmp_path / "rows", tmp_path / "reduced", [True] * num, 6, 4, "float32")
    numpy.testing.assert_allclose(numpy.fromfile(tmp_path / "reduced", dtype=numpy.float32), 0, atol=1e-6)
    assert metadata["pca_explained_variance"] == "1.000000"


def test_as_many_components_as_rows(tmp_path):
    """The last of them has nothing to tell."""
    rows = numpy.random.default_rng(0).standard_normal((5, 30)).astype(numpy.float32)
    (tmp_path / "rows").write_bytes(rows.tobytes())
    reduction.reduce_rows(tmp_path / "rows", tmp_path / "reduced", [True] * 5, 30, 5, "float32")
    actual = numpy.fromfile(tmp_path / "reduced", dtype=numpy.float32).reshape(5, 5)
    expected = PCA(n_components=5, svd_solver="full").fit_transform(rows.astype(numpy.float64))
    numpy.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("num", [8_000, 300], ids=["more rows", "more dimensions"])
def test_memory(tmp_path, monkeypatch, num):
    """Features are never in memory together, let alone in double precision."""
    import tracemalloc

    import scipy.linalg  # noqa: F401

    dim = 1_200_000 // num
    monkeypatch.setattr(reduction, "CHUNK", 1 << 15)
    rng = numpy.random.default_rng(0)
    (tmp_path / "rows").write_bytes(rng.standard_normal((num, dim), dtype=numpy.float32).tobytes())
    tracemalloc.start()
    try:
        reduction.reduce_rows(tmp_path / "rows", tmp_path / "reduced", [True] * num, dim, 4, "float32")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_500_000


@pytest.mark.slow
def test_shipped_features(tmp_path):
    """Those of EmojiKG have been reduced by scikit-learn, and are the same up to half precision."""
    sources = os.environ.get(SOURCES_ENVIRONMENT_VARIABLE)
    if not sources or any(not Path(sources, package.archive).is_file() for package in PACKAGES):
        pytest.skip(f"needs the archives of the packages in the directory given by ${SOURCES_ENVIRONMENT_VARIABLE}")
    content = Sources(Path(sources))
    graph, pictures = build_graph(content.emoji(), content.annotations()), content.pictures()
    paths = {label: tmp_path / file for label, file in sorted(graph.pictures.items())}
    for path in paths.values():
        path.write_bytes(pictures[path.name])
    encode(paths, DescriptorEncoder(), tmp_path / "f.safetensors", dtype="float16", dim=128, progress=False)
    actual, expected = (
        read_features(d / f) for d, f in ((tmp_path, "f.safetensors"), (EmojiKG.directory, "visual.safetensors"))
    )
    assert actual.labels == expected.labels
    torch.testing.assert_close(actual.matrix.float(), expected.matrix.float(), rtol=2e-3, atol=1e-4)


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
    assert metadata["pca_solver"] == "eigenvectors of the covariance"
    assert "scipy==" in metadata["pca_versions"]


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
