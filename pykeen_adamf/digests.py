"""Digests of matrices."""

from typing import Any

import torch

from .chunking import row_chunks, rows_per_chunk

__all__ = ["add_rows"]


def add_rows(state: Any, x: torch.Tensor) -> None:
    """Add a matrix to a digest, without a copy of all of it.

    :param state: The state of a digest, cf. :mod:`hashlib`.
    :param x: shape: ``(num_rows, width)``
        The matrix.
    """
    state.update(f"{x.dtype} {tuple(x.shape)}".encode())
    x = x.detach().cpu()
    for start, stop in row_chunks(len(x), rows_per_chunk(max(1, x.shape[1]), x.device)):
        state.update(x[start:stop].contiguous().view(torch.uint8).numpy().data)
