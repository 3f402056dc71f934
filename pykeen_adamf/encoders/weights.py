"""What encoders with weights have in common: where they run, and how their weights are identified."""

import hashlib
import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .problems import EncodingError

__all__ = [
    "checksum_of_tokenizer",
    "checksum_of_weights",
    "describe_device",
    "explain_loading",
    "hidden_bars",
    "name_of_model",
    "resolve_device",
    "versions_of",
]


@contextmanager
def hidden_bars() -> Iterator[None]:
    """Within this context, transformers shows no progress bars of its own, e.g., while it loads weights."""
    try:
        bars: Any = importlib.import_module("transformers.utils.logging")
    except ImportError:
        # the encoder says so
        yield
        return
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def resolve_device(device: str | torch.device | None) -> torch.device:
    """Return a device, or for ``None``, a GPU if there is one; raise an :class:`EncodingError` if it is not here."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
        torch.empty(0, device=device)
    # what torch raises depends on why: not compiled in, no such device type, no such index
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        raise EncodingError(f"There is no device {str(device)!r} here: {error}. Use cpu, or leave it out.") from error
    return device


@contextmanager
def explain_loading(model: str, alternative: str) -> Iterator[None]:
    """Explain, by an :class:`EncodingError`, what else to try if a model cannot be loaded, for whatever reason."""
    try:
        yield
    except Exception as error:
        raise EncodingError(f"Cannot load the model {model!r}: {error} Check the name, or {alternative}.") from error


def name_of_model(model: str) -> str:
    """Return what to call a model: the place of a directory says nothing to anybody else."""
    return Path(model).resolve().name if Path(model).is_dir() else model


def describe_device(device: torch.device) -> str:
    """Return the kind of a device: vectors from different kinds differ in their last digits."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def checksum_of_weights(module: nn.Module) -> str:
    """Return the SHA-256 checksum of all parameters and buffers, in hexadecimal.

    Unlike a name or a revision, it also identifies models from local files.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # as bytes, since numpy does not know all data types
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def checksum_of_tokenizer(tokenizer: Any) -> str:
    """Return the SHA-256 checksum of a tokenizer's vocabulary and rules, in hexadecimal."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = {"vocabulary": tokenizer.get_vocab()} if backend is None else json.loads(backend.to_str())
    # these are of the latest call rather than of the tokenizer
    for key in ("padding", "truncation"):
        content.pop(key, None)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def versions_of(*distributions: str) -> str:
    """Return the versions of installed distributions, in the notation of requirements."""
    return ", ".join(f"{name}=={version(name)}" for name in distributions)
