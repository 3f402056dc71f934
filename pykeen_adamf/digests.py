"""SHA-256 digests of files and matrices, in hexadecimal."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from pystow.utils import get_hashes

from .chunking import row_chunks, rows_per_chunk

__all__ = ["add_rows", "digest_file", "digest_rows"]


def digest_file(path: Path) -> str:
    """Return the digest of a file."""
    return str(get_hashes(path, ["sha256"])["sha256"].hexdigest())


def digest_rows(*matrices: torch.Tensor) -> str:
    """Return the digest of matrices, shape of each: ``(num_rows, width)``."""
    state = hashlib.sha256()
    for x in matrices:
        add_rows(state, x)
    return state.hexdigest()


def add_rows(state: Any, x: torch.Tensor) -> None:
    """Add a matrix, shape: ``(num_rows, width)``, to a digest of :mod:`hashlib`, without a copy of all of it."""
    state.update(f"{x.dtype} {tuple(x.shape)}".encode())
    x = x.detach().cpu()
    for start, stop in row_chunks(len(x), rows_per_chunk(max(1, x.shape[1]), x.device)):
        state.update(x[start:stop].contiguous().view(torch.uint8).numpy().data)
