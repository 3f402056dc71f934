"""Multi-modal benchmarks as PyKEEN datasets."""

# First, since this loads the entry points, which use the modules below: they must not be half-imported by then.
import pykeen.datasets  # noqa: F401

from .base import MultimodalBenchmark
from .db15k import DB15K
from .derived import EagerMultimodalDataset, MultimodalDataset
from .download import DownloadError
from .emojikg import EmojiKG
from .mkg import MKGW, MKGY
from .openke import DatasetFormatError
from .path import MultimodalPathDataset

__all__ = [
    "DB15K",
    "MKGW",
    "MKGY",
    "DatasetFormatError",
    "DownloadError",
    "EagerMultimodalDataset",
    "EmojiKG",
    "MultimodalBenchmark",
    "MultimodalDataset",
    "MultimodalPathDataset",
]
