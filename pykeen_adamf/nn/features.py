"""Representations from the features of a modality."""

from collections.abc import Iterable
from typing import Any

import torch
from docdata import parse_docdata
from pykeen.nn.representation import Representation
from torch import nn
from torch.nn import functional as F

from ..constants import MISSING
from ..features import ModalityFeatures
from ..typing import BoolTensor, FloatTensor, LongTensor, Missing

__all__ = ["ProjectedFeatureRepresentation"]


@parse_docdata
class ProjectedFeatureRepresentation(Representation):
    r"""The projection of one modality's features to the embedding space (eq. 2 and 3 of the AdaMF-MAT paper).

    .. math ::
        \mathbf{e}_m = \mathbf{W}_m \mathbf{f}_m + \mathbf{b}_m

    As in the reference code, the features are by default fine-tuned together with the projection.

    ---
    name: Projected features
    citation:
        author: Zhang
        year: 2024
        link: https://arxiv.org/abs/2402.15444
        github: zjukg/AdaMF-MAT
    """

    #: shape: ``(max_id,)``, which entities have the modality
    presence: BoolTensor

    #: shape: ``(max_id, feature_dim)``, the features: a parameter, which requires gradients if it is trainable
    table: nn.Parameter

    def __init__(
        self,
        max_id: int,
        shape: int | tuple[int, ...],
        features: ModalityFeatures,
        missing: Missing = "random",
        trainable: bool = True,
        **kwargs: Any,
    ) -> None:
        """Initialize the representation.

        :param max_id: The number of entities.
        :param shape: The dimension of the embedding space.
        :param features: The features, aligned to the entities' IDs.
        :param missing: What to use for entities which miss the modality.

            - ``"random"``: random features, drawn anew at every reset from a normal distribution with the mean and
              standard deviation that each feature has among the present entities; or with expected norm one, if there
              are less than two of them. If the table is trainable, they are trained, too. This is the paper's setting.
            - ``"zero"``: all features are zero, i.e., the embedding is the projection's bias, and stay so.
            - ``"mask"``: as zero; and fusion leaves the modality out for this entity.
        :param trainable: Whether to train the feature table. A frozen table has neither gradients nor optimizer state.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.nn.representation.Representation`.
        :raises ValueError: if an option is unknown, or there are too few features
        """
        if missing not in MISSING:
            raise ValueError(f"missing must be one of {MISSING}, but is {missing!r}")
        if features.num_entities != max_id:
            raise ValueError(f"{features} has {features.num_entities:,} rows, but {max_id:,} are needed.")
        super().__init__(max_id=max_id, shape=shape, **kwargs)
        if len(self.shape) != 1:
            raise ValueError(f"shape must have one dimension, but is {self.shape}")
        self.features = features
        self.missing: Missing = missing
        matrix = features.matrix
        # frozen features keep their (possibly smaller) data type; optimizers need full precision
        dtype = torch.get_default_dtype() if trainable else matrix.dtype
        self.table = nn.Parameter(torch.empty(matrix.shape, dtype=dtype), requires_grad=trainable)
        self.register_buffer("presence", features.presence.clone())
        self.projection = nn.Linear(features.dim, self.shape[0])
        self.reset_parameters()

    @property
    def trainable(self) -> bool:
        """Return whether the feature table is trained."""
        return self.table.requires_grad

    # docstr-coverage: inherited
    @torch.no_grad()
    def reset_parameters(self) -> None:  # noqa: D102
        # note: the projection resets itself
        self.table.copy_(self.features.matrix)
        if self.missing == "random" and self.features.num_present < self.max_id:
            present = self.features.matrix[self.features.presence].float()
            if len(present) > 1:
                mean, std = present.mean(dim=0), present.std(dim=0, unbiased=False)
            else:
                mean, std = torch.zeros(self.features.dim), torch.full((self.features.dim,), self.features.dim**-0.5)
            noise = torch.randn(self.max_id - len(present), self.features.dim)
            self.table[~self.presence] = (mean + std * noise).to(self.table)

    # docstr-coverage: inherited
    def _plain_forward(self, indices: LongTensor | None = None) -> FloatTensor:
        if indices is None:
            x: FloatTensor = self.table
            presence = self.presence
        else:
            indices = indices.to(self.table.device)
            x, presence = F.embedding(indices, self.table), self.presence[indices]
        if self.missing != "random" and self.trainable:
            # without this, training would turn the zeros into something else
            x = x * presence.unsqueeze(dim=-1)
        result: FloatTensor = self.projection(x.to(self.projection.weight.dtype))
        return result

    # docstr-coverage: inherited
    def iter_extra_repr(self) -> Iterable[str]:  # noqa: D102
        yield from super().iter_extra_repr()
        yield f"feature_dim={self.features.dim}"
        yield f"num_present={self.features.num_present}"
        yield f"missing={self.missing}"
        yield f"trainable={self.trainable}"
