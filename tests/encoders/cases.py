"""Small images, texts, models, and a case for every encoder."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pytest
import torch
from PIL import Image

from pykeen_adamf.encoders import (
    DescriptorEncoder,
    Encoder,
    HuggingFaceEncoder,
    Item,
    NumericEncoder,
    SentenceTransformerEncoder,
    TextualEncoder,
    TimmEncoder,
    UnusableInputError,
    VisualEncoder,
)

TEXTS = (
    "Berlin is the capital of Germany.",
    "Paris is the capital of France",
    'the "quoted" one',
    "a",
    "Köln, München & 東京",
    "capital " * 300,
)


def make_pixels(seed: int = 0, width: int = 40, height: int = 30, channels: int = 3) -> numpy.ndarray:
    """Make pixels with some structure: a gradient, a rectangle, and noise."""
    rng = numpy.random.default_rng(seed)
    pixels = rng.integers(0, 60, (height, width, channels)) + numpy.linspace(0, 120, width, dtype=int)[None, :, None]
    pixels[height // 3 : height // 2, width // 4 : width // 2, seed % channels] += 70
    return pixels.astype(numpy.uint8)


def save_image(path: Path, seed: int = 0, **kwargs: Any) -> Path:
    """Save an image, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(make_pixels(seed, **kwargs)).save(path)
    return path


def make_folder(folder: Path, num_entities: int = 7) -> Path:
    """Make a folder in which the second entity has three images, and another one only a broken one."""
    for i in range(num_entities):
        save_image(folder / f"e{i}.png", seed=i)
    (folder / "e1.png").unlink()
    for i in range(3):
        save_image(folder / "e1" / f"{i}.jpg", seed=100 + i)
    (folder / "broken.png").write_bytes((folder / "e0.png").read_bytes()[:200])
    return folder


def make_bert(directory: Path) -> Path:
    """Make a tiny BERT with random weights, and its tokenizer."""
    import transformers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "capital", "of", "the", "is"]
    directory.mkdir(parents=True)
    words += [f"##{letter}" for letter in words[5:31]]
    (directory / "vocab.txt").write_text("\n".join(words))
    tokenizer = {"tokenizer_class": "BertTokenizer", "model_max_length": 32, "do_lower_case": True}
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
    )
    transformers.BertModel(config).save_pretrained(directory)
    return directory


def skip_without_timm() -> None:
    """Skip a test if timm cannot be used here, as beside builds of PyTorch without CUDA."""
    try:
        import timm  # noqa: F401
        import torchvision  # noqa: F401
    except Exception as error:
        # operators that do not fit to each other raise RuntimeError
        pytest.skip(f"needs timm and a torchvision that fits to PyTorch, cf. tox -e timm: {error!r}")


class EncoderCase(NamedTuple):
    """How to make an encoder for tests."""

    #: returns an encoder, given what can provide fixtures
    make: Callable[[pytest.FixtureRequest], Encoder]

    #: the expected dimension
    dim: int


def _make_timm(request: pytest.FixtureRequest) -> Encoder:
    skip_without_timm()
    torch.manual_seed(0)
    return TimmEncoder(model="test_resnet", pretrained=False, device="cpu")


def _make_numeric(request: pytest.FixtureRequest) -> Encoder:
    encoder = NumericEncoder()
    encoder.fit([source for item in make_attributes() for source in item.sources])
    return encoder


CASES: dict[type[Encoder], EncoderCase] = {
    DescriptorEncoder: EncoderCase(lambda _: DescriptorEncoder(), dim=7 * 7 * 4 * 9 + 4 * 8 * 8 + 3 * 8 * 8),
    HuggingFaceEncoder: EncoderCase(
        lambda request: HuggingFaceEncoder(model=str(request.getfixturevalue("bert")), device="cpu"), dim=16
    ),
    # three quantities with two columns each, and a category with three values
    NumericEncoder: EncoderCase(_make_numeric, dim=3 * 2 + 3),
    SentenceTransformerEncoder: EncoderCase(
        # without modules of its own, the mean over tokens is taken
        lambda request: SentenceTransformerEncoder(model=str(request.getfixturevalue("bert")), device="cpu"),
        dim=16,
    ),
    TimmEncoder: EncoderCase(_make_timm, dim=96),
}


def make_attributes(num: int = 9) -> list[Item]:
    """Make attributes of entities, of which one has nothing usable."""
    kinds = ("river", "city", "lake")
    values = [
        {"born": f"19{10 + i}-06-2{i}", "height": i**2, "kind": kinds[i % 3]} | ({"area": 10.0**i} if i % 2 else {})
        for i in range(num)
    ]
    return [*(Item(f"e{i}", [json.dumps(x)]) for i, x in enumerate(values)), Item("broken", ["[]"])]


def make_items(encoder: type[Encoder], directory: Path, num: int = 9) -> list[Item]:
    """Make items of an encoder's modality, of which one is broken."""
    if issubclass(encoder, NumericEncoder):
        return make_attributes(num)
    if issubclass(encoder, TextualEncoder):
        items = [Item(f"e{i}", [f"{TEXTS[i % len(TEXTS)]} {i}"]) for i in range(num)]
        return [*items, Item("broken", [" \n"])]
    folder = make_folder(directory / "images", num_entities=num)
    return [Item(path.stem, sorted(path.iterdir()) if path.is_dir() else [path]) for path in sorted(folder.iterdir())]


class PixelEncoder(VisualEncoder):
    """The mean colour: fast, and needs nothing but Pillow."""

    dim = 3

    def provenance(self) -> dict[str, str]:
        return {"encoder": "mean colour"}

    def prepare(self, image: Image.Image) -> numpy.ndarray:
        return numpy.asarray(image).reshape(-1, 3).mean(axis=0)

    def encode(self, inputs: Sequence[numpy.ndarray]) -> torch.Tensor:
        return torch.from_numpy(numpy.stack(inputs)).float()


class LetterEncoder(TextualEncoder):
    """Counts letters; the values depend on the whole batch, as those of real encoders do in their last digits."""

    def __init__(self, dim: int = 8) -> None:
        self._dim = dim
        self.batches: list[list[str]] = []

    @property
    def dim(self) -> int:
        return self._dim

    def provenance(self) -> dict[str, str]:
        return {"encoder": "letters", "model": str(self._dim)}

    def load(self, source: Path | str) -> str:
        text = super().load(source)
        if "unusable" in text:
            raise UnusableInputError("is unusable")
        return text

    def encode(self, inputs: Sequence[str]) -> torch.Tensor:
        self.batches.append(list(inputs))
        counts = [[text.count(chr(ord("a") + i % 26)) / len(text) + i for i in range(self.dim)] for text in inputs]
        return torch.tensor(counts) + 1e-4 * len("".join(inputs))


def run_python(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run code in a new process."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )
