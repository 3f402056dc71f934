"""How many rows to process at once, such that they stay in the processor's cache."""

from collections.abc import Iterator
from typing import Final

import torch

__all__ = ["row_chunks", "rows_per_chunk"]

#: The numbers in a chunk of rows: two such buffers of 32 bit fit into the second-level cache of most processors ...
CHUNK_NUMEL_CPU: Final[int] = 2**18

#: ... while GPUs rather want fewer, larger operations.
CHUNK_NUMEL_GPU: Final[int] = 2**25


def rows_per_chunk(width: int, device: torch.device) -> int:
    """Return the number of rows in a chunk, at least one, if there are so many numbers in a row on a device."""
    numel = CHUNK_NUMEL_CPU if device.type == "cpu" else CHUNK_NUMEL_GPU
    return max(1, numel // width)


def row_chunks(num_rows: int, size: int) -> Iterator[tuple[int, int]]:
    """Iterate over chunks of so many rows: the first row of each, and the one after its last."""
    for start in range(0, num_rows, size):
        yield start, min(start + size, num_rows)
