"""The multi-modal autoencoder of TransAE."""

from collections.abc import Sequence
from typing import Any

import torch
from docdata import parse_docdata
from pykeen.regularizers import PowerSumRegularizer
from torch import nn

from ..typing import BoolTensor, FloatTensor, LongTensor
from .features import ProjectedFeatureRepresentation
from .fused import FusedRepresentation
from .fusion import ConcatenationFusion

__all__ = ["AutoencodedRepresentation", "EncodingFusion"]


class EncodingFusion(ConcatenationFusion):
    """A linear layer on the sigmoids of all modality embeddings."""

    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        return super().forward([x.sigmoid() for x in embeddings], mask)


@parse_docdata
class AutoencodedRepresentation(FusedRepresentation):
    r"""An encoding of the features of all modalities, from which these can be reconstructed.

    .. math ::
        \mathbf{e} = \mathbf{W}[\sigma(\mathbf{e}_1); \dots; \sigma(\mathbf{e}_M)] + \mathbf{b}, \qquad
        \hat{\mathbf{f}}_m = \mathbf{D}_m \sigma(\mathbf{D} \mathbf{e} + \mathbf{d})_m + \mathbf{d}_m

    where $\mathbf{e}_m$ is the projection of the features $\mathbf{f}_m$ of modality $m$, and the decoder mirrors the
    encoder. In training, the mean squared error of each modality is a regularization term, averaged over the entities
    that have the modality: those that are represented first in a step. Where negatives are sampled, these are the
    entities of positive triples, unless the training loop represents all entities of a step at once.

    ---
    name: Autoencoder
    citation:
        author: Wang
        year: 2019
        link: https://doi.org/10.1109/IJCNN.2019.8852079
    """

    def __init__(self, *, reconstruction_weight: float = 1.0, **kwargs: Any) -> None:
        """Initialize the representation.

        :param reconstruction_weight: The weight of the reconstruction error.
        :param kwargs: Keyword-based parameters of :class:`FusedRepresentation`; the formula is that of
            ``fusion=EncodingFusion``.
        """
        super().__init__(**kwargs)
        dims = self.fusion.dims
        self.decoder = nn.Linear(self.fusion.dim, sum(dims.values()))
        self.decoders = nn.ModuleDict(
            {name: nn.Linear(dims[name], int(base.features.dim)) for name, base in self.bases.items()}  # type: ignore[arg-type]
        )
        # PyKEEN's models collect the terms of all regularizers that they have; a step with sampled negatives represents
        # entities twice, which must not double the weight
        self.reconstruction = PowerSumRegularizer(
            weight=reconstruction_weight, p=2.0, normalize=True, apply_only_once=True
        )

    def embed(self, indices: LongTensor | None = None) -> dict[str, FloatTensor]:  # noqa: D102
        parts = super().embed(indices)
        if self.training and torch.is_grad_enabled() and not self.reconstruction.updated:
            hidden = self.decoder(self._join(parts, self.participation(indices))).sigmoid()
            sizes, errors = list(self.fusion.dims.values()), []
            for (name, base), x in zip(self.bases.items(), hidden.split(sizes, dim=-1), strict=True):
                assert isinstance(base, ProjectedFeatureRepresentation)
                there = base.presence if indices is None else base.presence[indices]
                # what is learned must not be made easy to reconstruct
                features = base.table.detach() if indices is None else base.table.detach()[indices]
                error = self.decoders[name](x) - features.to(x.dtype)
                # the mean over entities that have the modality
                share = there.to(x.dtype).mean().clamp(min=1 / max(1, there.numel()))
                errors.append(error * (there.unsqueeze(dim=-1) / share.sqrt()))
            self.reconstruction.update(*errors)
        return parts
