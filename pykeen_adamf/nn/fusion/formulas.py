"""Adaptive multi-modal fusion as pure functions (eq. 4 and 5 of the AdaMF-MAT paper)."""

import torch
from torch.nn import functional as F

from ...typing import BoolTensor, FloatTensor

__all__ = ["attention_weights", "fuse", "mean_weights"]


def attention_weights(x: FloatTensor, attention: FloatTensor, presence: BoolTensor | None = None) -> FloatTensor:
    """Calculate the adaptive weight of each modality (eq. 4), cf. :class:`.adaptive.AdaptiveFusion`.

    :param x: shape: ``(*batch_dims, num_modalities, dim)``, the modality embeddings.
    :param attention: shape: ``(num_modalities, dim)`` or ``(1, dim)``, the attention vectors: one for each modality as
        in the paper, or one shared by all as in the reference code.
    :param presence: shape: ``(*batch_dims, num_modalities)``, which modalities take part, at least one; or ``None``.
    :returns: shape: ``(*batch_dims, num_modalities)``, the weights, which sum to one; exactly zero for modalities that
        do not take part.
    """
    logits = (torch.tanh(x) * attention).sum(dim=-1)
    if presence is not None:
        logits = logits.masked_fill(~presence, float("-inf"))
    return F.softmax(logits, dim=-1)


def mean_weights(x: FloatTensor, presence: BoolTensor | None = None) -> FloatTensor:
    """Calculate equal weights (the ablation "mean" in table 3 of the paper), with shapes as of the adaptive ones."""
    if presence is None:
        return x.new_full(x.shape[:-1], 1.0 / x.shape[-2])
    weights = presence.to(dtype=x.dtype)
    return weights / weights.sum(dim=-1, keepdim=True)


def fuse(x: FloatTensor, weights: FloatTensor) -> FloatTensor:
    """Calculate the joint embedding (eq. 5), i.e., the weighted sum, shape: ``(*batch_dims, dim)``."""
    return (weights.unsqueeze(dim=-1) * x).sum(dim=-2)
