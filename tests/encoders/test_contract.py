"""What every encoder has to do."""

import importlib
import json

import pytest
import torch
from safetensors import safe_open

from pykeen_adamf.constants import NUMERIC, TEXTUAL, VISUAL
from pykeen_adamf.encoders import (
    Encoder,
    EncodingError,
    TextualEncoder,
    UnusableInputError,
    VisualEncoder,
    encode,
    encoder_resolver,
)
from pykeen_adamf.encoders.resolver import find_encoder, make_encoder
from pykeen_adamf.features import read_features

from .cases import CASES, make_items


@pytest.fixture(params=CASES, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


@pytest.fixture
def encoder(cls, request):
    return CASES[cls].make(request)


@pytest.fixture
def items(cls, tmp_path):
    return make_items(cls, tmp_path)


def test_every_encoder_has_a_case():
    """Fails for a new encoder until it has one."""
    assert set(encoder_resolver.lookup_dict.values()) == set(CASES)
    pending, found = [Encoder], set()
    while pending:
        subclasses = pending.pop().__subclasses__()
        pending.extend(subclasses)
        found.update(sub for sub in subclasses if sub.__module__.startswith("pykeen_adamf."))
    assert found == {VisualEncoder, TextualEncoder, *CASES}


def test_dim(encoder, cls, items):
    assert encoder.dim == CASES[cls].dim
    loaded = encoder.load(items[1].sources[0])
    vectors = encoder.encode([loaded, loaded])
    assert vectors.shape == (2, encoder.dim)
    assert vectors.dtype == torch.float32
    assert vectors.device.type == "cpu"
    assert not vectors.requires_grad
    assert vectors.isfinite().all()
    assert torch.equal(vectors[0], vectors[1])
    assert (vectors.std(dim=1) > 0).all()


def test_modality(cls):
    expected = VISUAL if issubclass(cls, VisualEncoder) else TEXTUAL if issubclass(cls, TextualEncoder) else NUMERIC
    assert cls.modality == expected


def test_deterministic(encoder, cls, items, request):
    """Neither dropout, nor any random state, nor what has been encoded before changes anything."""
    inputs = [encoder.load(source) for item in items[1:6] for source in item.sources]
    first = encoder.encode(inputs)
    torch.manual_seed(3)
    encoder.encode(inputs[:2])
    assert torch.equal(encoder.encode(inputs), first)
    other = CASES[cls].make(request)
    assert torch.equal(other.encode(inputs), first)
    assert other.provenance() == encoder.provenance()


def test_batches_hardly_matter(encoder, items):
    """Vectors are those of the inputs, in their order."""
    inputs = [encoder.load(item.sources[0]) for item in items[1:6]]
    one_by_one = torch.cat([encoder.encode([loaded]) for loaded in inputs])
    torch.testing.assert_close(encoder.encode(inputs), one_by_one, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(one_by_one[0], one_by_one[1])


def test_different_inputs_differ(encoder, items):
    vectors = encoder.encode([encoder.load(item.sources[0]) for item in items[1:4]])
    assert len(vectors.unique(dim=0)) == 3


def test_broken_input(encoder, items):
    (broken,) = (item for item in items if item.entity == "broken")
    with pytest.raises(UnusableInputError):
        encoder.load(broken.sources[0])


def test_provenance(encoder):
    provenance = encoder.provenance()
    assert all(isinstance(value, str) for value in provenance.values())
    assert set(provenance) >= {"encoder", "model", "preprocessing", "versions"}
    assert "==" in provenance["versions"]
    # identifies what the vectors depend on
    assert provenance.get("revision") or provenance["weights"].startswith("sha256:")
    assert "labels" not in provenance
    assert encoder_resolver.lookup(provenance["encoder"]) is type(encoder)


def test_encode(encoder, items, tmp_path):
    output = tmp_path / "features.safetensors"
    report = encode(items, encoder, output, batch_size=4, progress=False)
    features = read_features(output)
    assert list(features.labels) == [item.entity for item in items]
    assert features.dim == encoder.dim
    assert features.presence.tolist() == [item.entity != "broken" for item in items]
    assert (report.num_encoded, report.num_missing) == (len(items) - 1, 1)
    assert [problem.entity for problem in report.problems] == ["broken"]
    with safe_open(output, framework="pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata.pop("labels")) == list(features.labels)
    assert metadata == report.provenance
    assert metadata.items() >= encoder.provenance().items()
    # means of single vectors, up to the batches they are computed in
    for item, row in zip(items, features.matrix, strict=True):
        if item.entity != "broken":
            expected = encoder.encode([encoder.load(source) for source in item.sources]).mean(dim=0)
            torch.testing.assert_close(row, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("descriptor", "DescriptorEncoder"),
        ("Descriptor", "DescriptorEncoder"),
        ("sentence-transformers", "SentenceTransformerEncoder"),
        ("SentenceTransformer", "SentenceTransformerEncoder"),
        ("huggingface", "HuggingFaceEncoder"),
        ("transformers", "HuggingFaceEncoder"),
        ("timm", "TimmEncoder"),
        ("numeric", "NumericEncoder"),
    ],
)
def test_names(name, expected):
    assert encoder_resolver.lookup(name).__name__ == expected


def test_resolver_passes_options():
    assert encoder_resolver.make("Descriptor", {"size": 64}).size == 64
    assert make_encoder("descriptor", {"orientations": 4}).orientations == 4


def test_instances_pass_through(encoder):
    assert make_encoder(encoder) is encoder
    assert find_encoder(encoder) is type(encoder)


def test_unknown_name():
    with pytest.raises(EncodingError, match=r"no encoder called 'vgg'.*descriptor.*timm"):
        make_encoder("vgg")


def test_unknown_option():
    with pytest.raises(EncodingError, match=r"no option 'model'.*size, orientations"):
        make_encoder("descriptor", {"model": "x"})


def _make_third_party(tmp_path, monkeypatch, name, parameters):
    """Return an encoder of another package, with some parameters."""
    (tmp_path / f"{name}.py").write_text(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING, Literal, Optional\n"
        "from tests.encoders.cases import LetterEncoder\n"
        "if TYPE_CHECKING:\n    from nowhere import Unknown\n"
        "class ThirdParty(LetterEncoder):\n"
        f"    def __init__(self, {parameters}):\n        super().__init__(8)\n        self.options = dict(locals())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module(name).ThirdParty


def test_options_of_third_parties(tmp_path, monkeypatch):
    """However they are annotated."""
    parameters = "a: int = 0, b: Optional[str] = None, c=None, d: list[int] = (), e: float = 0.5, f: Literal['x'] = 'x'"
    cls = _make_third_party(tmp_path, monkeypatch, "third_party_annotated", parameters)
    options = {"a": 1, "b": "x", "c": "anything", "d": [1], "e": 2, "f": "x"}
    assert make_encoder(cls, options).options.items() >= options.items()
    for name, value in (("a", "1"), ("a", True), ("b", 3), ("e", "x")):
        with pytest.raises(EncodingError, match=f"cannot use {name}={value!r}: it must be"):
            make_encoder(cls, {name: value})


@pytest.mark.parametrize("parameters", ["a: Unknown = None", "a=None", "**kwargs"])
def test_options_of_unknown_types(tmp_path, monkeypatch, parameters):
    cls = _make_third_party(tmp_path, monkeypatch, f"third_party_{abs(hash(parameters))}", parameters)
    options = make_encoder(cls, {"a": 3}).options
    assert options.get("kwargs", options)["a"] == 3
