"""Type hints shared by all modules, following :mod:`pykeen.typing`."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy
import torch

__all__ = [
    "Attention",
    "BoolTensor",
    "FloatTensor",
    "LongTensor",
    "Missing",
    "NumpyArray",
    "SyntheticEmbeddings",
    "SyntheticKind",
]

# As in PyKEEN: torch does not propagate the specific tensor types properly.
BoolTensor: TypeAlias = torch.Tensor
FloatTensor: TypeAlias = torch.Tensor
LongTensor: TypeAlias = torch.Tensor

NumpyArray: TypeAlias = numpy.ndarray[Any, Any]

#: Whether all modalities share one attention vector (reference code), or have one each (paper, eq. 4).
Attention: TypeAlias = Literal["shared", "per-modality"]

#: How entities without a row in a modality are treated.
Missing: TypeAlias = Literal["random", "zero", "mask"]

#: Which entity of a triple is synthetic (paper, section 3.4.1).
SyntheticKind: TypeAlias = Literal["head", "tail", "both"]

#: Synthetic embeddings by modality, each of shape ``(batch_size, num_groups, dim)``.
SyntheticEmbeddings: TypeAlias = Mapping[str, FloatTensor]
