"""The state of the first token, compared to calling the library directly."""

import json
import shutil

import pytest
import torch

from pykeen_adamf.encoders import EncodingError, HuggingFaceEncoder, encode
from pykeen_adamf.features import read_features

from .cases import TEXTS


@pytest.fixture
def encoder(bert):
    return HuggingFaceEncoder(model=str(bert), device="cpu")


@torch.no_grad()
def _cls(path, texts, max_length=32):
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModel.from_pretrained(path).eval()
    tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=max_length, return_tensors="pt")
    assert (tokens["input_ids"][:, 0] == tokenizer.cls_token_id).all()
    return model(**tokens).last_hidden_state[:, 0]


def test_equal_to_the_library(bert, encoder, tmp_path):
    texts = {f"e{i}": text for i, text in enumerate(TEXTS)}
    encode(texts, encoder, tmp_path / "features.safetensors", batch_size=4, progress=False)
    features = read_features(tmp_path / "features.safetensors")
    assert torch.equal(features.matrix, torch.cat([_cls(bert, TEXTS[:4]), _cls(bert, TEXTS[4:])]))


def test_max_length(bert):
    encoder = HuggingFaceEncoder(model=str(bert), max_length=5, device="cpu")
    assert torch.equal(encoder.encode(TEXTS), _cls(bert, TEXTS, max_length=5))
    assert "5 tokens" in encoder.provenance()["preprocessing"]


@pytest.mark.parametrize("max_length", [-1, 0, 33])
def test_bad_max_length(bert, max_length):
    with pytest.raises(EncodingError, match=rf"between 1 and 32.*{max_length}"):
        HuggingFaceEncoder(model=str(bert), max_length=max_length)


def test_padding_on_the_left(bert, encoder, tmp_path):
    """The first token is one of the text, even with tokenizers that pad in front of it."""
    path = shutil.copytree(bert, tmp_path / "left")
    config = json.loads((path / "tokenizer_config.json").read_text())
    (path / "tokenizer_config.json").write_text(json.dumps({**config, "padding_side": "left"}))
    other = HuggingFaceEncoder(model=str(path), device="cpu")
    assert torch.equal(other.encode(TEXTS), encoder.encode(TEXTS))


def test_tokenizer_without_limit(bert, encoder, tmp_path):
    """The model's own limit holds."""
    path = shutil.copytree(bert, tmp_path / "unlimited")
    config = json.loads((path / "tokenizer_config.json").read_text())
    (path / "tokenizer_config.json").write_text(json.dumps({**config, "model_max_length": int(1e30)}))
    other = HuggingFaceEncoder(model=str(path), device="cpu")
    assert other.max_length == 32
    assert torch.equal(other.encode(TEXTS), encoder.encode(TEXTS))


def test_positions_behind_the_padding(bert, tmp_path):
    """RoBERTa and its relatives have fewer positions than they say."""
    import transformers

    path = shutil.copytree(bert, tmp_path / "roberta")
    config = json.loads((path / "tokenizer_config.json").read_text())
    (path / "tokenizer_config.json").write_text(json.dumps({**config, "model_max_length": int(1e30)}))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    model = transformers.RobertaModel(
        transformers.RobertaConfig(vocab_size=100, max_position_embeddings=20, pad_token_id=1, **sizes)
    )
    model.save_pretrained(path)
    encoder = HuggingFaceEncoder(model=str(path), device="cpu")
    assert encoder.max_length == 18
    assert encoder.encode([TEXTS[-1]]).isfinite().all()
    with pytest.raises(EncodingError, match="between 1 and 18"):
        HuggingFaceEncoder(model=str(path), max_length=19, device="cpu")


def test_tokenizer_without_padding(bert, monkeypatch):
    import transformers

    load = transformers.AutoTokenizer.from_pretrained

    def load_without(*args, **kwargs):
        tokenizer = load(*args, **kwargs)
        tokenizer.pad_token = None
        return tokenizer

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", load_without)
    with pytest.raises(EncodingError, match=r"has no padding token.*e\.g\., bert-base-uncased"):
        HuggingFaceEncoder(model=str(bert), device="cpu")


def test_name(bert):
    encoder = HuggingFaceEncoder(model=str(bert), device="cpu", name="somebody/tiny")
    assert encoder.provenance()["model"] == "somebody/tiny"


def test_provenance_tells_weights_and_tokenizers_apart(bert, encoder, tmp_path):
    path = shutil.copytree(bert, tmp_path / bert.name)
    assert HuggingFaceEncoder(model=str(path), device="cpu").provenance() == encoder.provenance()
    config = json.loads((path / "tokenizer_config.json").read_text())
    (path / "tokenizer_config.json").write_text(json.dumps({**config, "do_lower_case": not config["do_lower_case"]}))
    from safetensors.torch import load_file, save_file

    weights = load_file(path / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 1e-3
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    other = HuggingFaceEncoder(model=str(path), device="cpu").provenance()
    assert {key for key, value in encoder.provenance().items() if other[key] != value} == {"weights", "preprocessing"}


def test_unknown_model():
    with pytest.raises(EncodingError, match=r"(?s)Cannot load the model 'nobody/nothing'.*directory"):
        HuggingFaceEncoder(model="nobody/nothing")


def test_directory_without_model(tmp_path):
    with pytest.raises(EncodingError, match="Cannot load the model"):
        HuggingFaceEncoder(model=str(tmp_path))
