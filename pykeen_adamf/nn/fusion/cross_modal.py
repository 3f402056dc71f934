"""The joint embeddings of IKRL and TBKGC."""

from collections.abc import Mapping, Sequence

import torch
from docdata import parse_docdata
from torch.nn import functional as F

from ...constants import STRUCTURAL
from ...typing import BoolTensor, FloatTensor
from .base import Fusion, select

__all__ = ["CrossModalFusion"]


@parse_docdata
class CrossModalFusion(Fusion):
    r"""The normalized structural embedding, beside the normalized multi-modal one.

    .. math ::
        \left[\frac{\mathbf{e}_s}{\|\mathbf{e}_s\|};\; \frac{\mathbf{e}_m}{\|\mathbf{e}_m\|};\;
        \frac{\mathbf{e}_s + \mathbf{e}_m}{\|\mathbf{e}_s + \mathbf{e}_m\|}\right]

    where $\mathbf{e}_m$ is the concatenation of the embeddings of all modalities but the structural one, and the last
    part is optional. If one of $\mathbf{e}_s$ and $\mathbf{e}_m$ does not take part, the other one takes its place, so
    that energies between them become energies within the other.

    ---
    name: Cross-modal
    citation:
        author: Sergieh
        year: 2018
        link: https://aclanthology.org/S18-2027
    """

    needs_equal_dims = False

    def __init__(self, dims: Mapping[str, int], with_sum: bool = False) -> None:
        """Initialize the fusion.

        :param dims: The dimension of each modality's embeddings. Those of all others must add up to that of the
            structural one, which is the first.
        :param with_sum: Whether there is the part with the sum of both embeddings.
        :raises ValueError: if the modalities do not match
        """
        super().__init__(dims)
        if len(dims) < 2 or next(iter(dims)) != STRUCTURAL or sum(dims.values()) != 2 * dims[STRUCTURAL]:
            raise ValueError(
                f"The dimensions of all other modalities must add up to that of the structural one, which is the "
                f"first, but they are {dict(dims)}."
            )
        self.with_sum = with_sum

    @property
    def dim(self) -> int:  # noqa: D102
        return (3 if self.with_sum else 2) * self.dims[STRUCTURAL]

    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        structural, *others = (select(x, mask, i) for i, x in enumerate(embeddings))
        multimodal = torch.cat(others, dim=-1)
        if mask is not None:
            has_structural, has_others = mask[..., :1], mask[..., 1:].any(dim=-1, keepdim=True)
            structural, multimodal = (
                torch.where(has_structural, structural, multimodal),
                torch.where(has_others, multimodal, structural),
            )
        parts = [structural, multimodal, structural + multimodal] if self.with_sum else [structural, multimodal]
        return torch.cat([F.normalize(part, dim=-1) for part in parts], dim=-1)
