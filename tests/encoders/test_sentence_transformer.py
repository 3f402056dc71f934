"""Sentence embeddings, compared to calling the library directly."""

import pytest
import torch

from pykeen_adamf.encoders import EncodingError, SentenceTransformerEncoder, encode
from pykeen_adamf.features import read_features

from .cases import TEXTS


@pytest.mark.parametrize("fixture", ["bert", "minilm"])
def test_equal_to_the_library(fixture, request, tmp_path):
    """In the same batches, they are equal bit by bit."""
    from sentence_transformers import SentenceTransformer

    path = str(request.getfixturevalue(fixture))
    library = SentenceTransformer(path, device="cpu")
    texts = {f"e{i}": text for i, text in enumerate(TEXTS)}
    encoder = SentenceTransformerEncoder(model=path, device="cpu")
    encode(texts, encoder, tmp_path / "features.safetensors", batch_size=4, progress=False)
    features = read_features(tmp_path / "features.safetensors")
    expected = torch.cat(
        [library.encode(list(batch), convert_to_tensor=True, batch_size=4) for batch in (TEXTS[:4], TEXTS[4:])]
    )
    assert torch.equal(features.matrix, expected)
    assert features.dim == encoder.dim == expected.shape[1]


def test_minilm_knows_what_is_alike(minilm):
    encoder = SentenceTransformerEncoder(model=str(minilm), device="cpu")
    assert encoder.dim == 384
    vectors = encoder.encode(["a red bicycle", "a crimson bike", "quantum field theory"])
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    assert vectors[0] @ vectors[1] > 0.6 > 0.3 > vectors[0] @ vectors[2]


def test_provenance(minilm, bert):
    provenance = SentenceTransformerEncoder(model=str(minilm), device="cpu").provenance()
    # not where the directory is
    assert provenance["model"] == minilm.name
    assert "256 tokens" in provenance["preprocessing"]
    assert "sentence-transformers==" in provenance["versions"]
    other = SentenceTransformerEncoder(model=str(bert), device="cpu").provenance()
    assert other["weights"] != provenance["weights"]


def test_name(bert):
    encoder = SentenceTransformerEncoder(model=str(bert), device="cpu", name="somebody/tiny")
    assert encoder.provenance()["model"] == "somebody/tiny"


def test_provenance_does_not_depend_on_use(bert):
    encoder = SentenceTransformerEncoder(model=str(bert), device="cpu")
    before = encoder.provenance()
    encoder.encode(["a", "b " * 100])
    assert encoder.provenance() == before


def test_unknown_model():
    with pytest.raises(EncodingError, match=r"(?s)Cannot load the model 'nobody/nothing'.*directory"):
        SentenceTransformerEncoder(model="nobody/nothing")


def test_unknown_device(bert):
    with pytest.raises(EncodingError, match="no device 'meow'"):
        SentenceTransformerEncoder(model=str(bert), device="meow")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu(bert):
    with pytest.raises(EncodingError, match="no device 'cuda'"):
        SentenceTransformerEncoder(model=str(bert), device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_gpu_by_default(bert):
    encoder = SentenceTransformerEncoder(model=str(bert))
    assert encoder.device.type == "cuda"
    on_cpu = SentenceTransformerEncoder(model=str(bert), device="cpu").encode(TEXTS)
    torch.testing.assert_close(encoder.encode(TEXTS), on_cpu, atol=1e-4, rtol=1e-3)
