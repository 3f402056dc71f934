"""Names and the reference's hyper-parameters, kept in one place."""

from typing import Final, get_args

from .typing import Attention, Missing, SyntheticKind

__all__ = [
    "ATTENTIONS",
    "DATA_ENVIRONMENT_VARIABLE",
    "MAX_BYTES_ENVIRONMENT_VARIABLE",
    "MISSING",
    "NUMERIC",
    "STRUCTURAL",
    "SYNTHETIC_KINDS",
    "TEXTUAL",
    "VISUAL",
]

#: The name of the learned modality that every entity has; no feature modality can be called so.
STRUCTURAL: Final = "structural"
VISUAL: Final = "visual"
TEXTUAL: Final = "textual"
NUMERIC: Final = "numeric"

ATTENTIONS: Final[tuple[Attention, ...]] = get_args(Attention)
MISSING: Final[tuple[Missing, ...]] = get_args(Missing)
SYNTHETIC_KINDS: Final[tuple[SyntheticKind, ...]] = get_args(SyntheticKind)

#: A directory with one folder a benchmark (``DB15K/``, ``MKG-W/``, ``MKG-Y/``), to be used instead of downloads.
DATA_ENVIRONMENT_VARIABLE: Final = "PYKEEN_ADAMF_DATA"

#: How many bytes the content of a file may take in memory, cf. :class:`pykeen_adamf.limits.SizeLimit`.
MAX_BYTES_ENVIRONMENT_VARIABLE: Final = "PYKEEN_ADAMF_MAX_BYTES"
