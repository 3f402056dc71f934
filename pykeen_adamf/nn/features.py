"""Representations from the features of a modality."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from docdata import parse_docdata
from pykeen.nn.representation import Representation
from torch import nn
from torch.nn import functional as F

from ..constants import MISSING
from ..features import ModalityFeatures
from ..typing import BoolTensor, FloatTensor, LongTensor, Missing
from .projection import project_rows

__all__ = ["ProjectedFeatureRepresentation", "names_of_given_features"]


@parse_docdata
class ProjectedFeatureRepresentation(Representation):
    r"""The projection of one modality's features to the embedding space (eq. 2 and 3 of the AdaMF-MAT paper).

    .. math ::
        \mathbf{e}_m = \mathbf{W}_m \mathbf{f}_m + \mathbf{b}_m

    As in the reference code, the features are by default fine-tuned together with the projection. They may be prepared:
    centered, scaled, dropped at random, and followed by more than one layer.

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
        sparse: bool = False,
        compute_dtype: torch.dtype | str | None = None,
        center: bool = False,
        scale: bool = False,
        feature_dropout: float = 0.0,
        hidden_dims: Sequence[int] = (),
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
        :param trainable: Whether to train the feature table. A frozen table has neither gradients nor optimizer state,
            and keeps the data type of the features. If there are no random features in it, it is not even copied: it
            may be a file that is mapped to memory.
        :param sparse: Whether the gradient of a trainable table is sparse, cf. :class:`torch.nn.Embedding`. Needs an
            optimizer for it, such as :class:`pykeen_adamf.optimizers.LazyAdam`.
        :param compute_dtype: ``"bfloat16"`` to multiply features with the projection in this data type, which is faster
            where the processor knows it, and less exact: also results and, for a thousand entities at a time,
            gradients are rounded to it.
        :param center: Whether to subtract the mean of each feature among the present entities, which is then what
            ``missing="zero"`` means.
        :param scale: Whether to divide all features by one number, such that they have the standard deviation one.
        :param feature_dropout: The dropout rate of features, of each entity once in a step.
        :param hidden_dims: The dimensions of hidden layers with rectified linear units before the last layer.
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
        self.sparse = sparse
        if compute_dtype not in {None, "bfloat16", torch.bfloat16}:
            # gradients are too small for float16
            raise ValueError(f"compute_dtype must be 'bfloat16' or None, but is {compute_dtype!r}")
        self.compute_dtype = None if compute_dtype is None else torch.bfloat16
        if self.compute_dtype is not None and feature_dropout:
            raise ValueError("Features that are dropped are projected in full precision: leave compute_dtype out.")
        if trainable:
            # optimizers need full precision
            table = torch.empty(features.matrix.shape, dtype=torch.get_default_dtype())
        elif self._needs_noise:
            table = torch.empty(features.matrix.shape, dtype=features.matrix.dtype)
        else:
            table = features.matrix
        self.table = nn.Parameter(table, requires_grad=trainable)
        self.register_buffer("presence", features.presence.clone())
        self.feature_dropout = nn.Dropout(feature_dropout)
        first, *others = (*hidden_dims, self.shape[0])
        self.projection = nn.Linear(features.dim, first)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((first, *others)))
        # bundles of models that have neither do not know of them
        self.shift: FloatTensor | None
        self.factor: FloatTensor | None
        mean, deviation = _measure(features) if center or scale else (None, None)
        self.register_buffer("shift", mean if center else None)
        self.register_buffer("factor", 1 / deviation if scale and deviation is not None else None)
        self.reset_parameters()

    @property
    def mask(self) -> BoolTensor | None:
        """Return which entities this modality takes part in the fusion of, shape: ``(max_id,)``; ``None`` for all."""
        return self.presence if self.missing == "mask" else None

    @property
    def _needs_noise(self) -> bool:
        return self.missing == "random" and self.features.num_present < self.max_id

    @property
    def trainable(self) -> bool:
        """Return whether the feature table is trained."""
        return self.table.requires_grad

    @property
    def shares_features(self) -> bool:
        """Return whether the table is the features themselves, rather than a copy that may differ."""
        return self.table.data_ptr() == self.features.matrix.data_ptr()

    @torch.no_grad()
    def reset_parameters(self) -> None:  # noqa: D102
        # note: the projection resets itself
        if not self.trainable and not self._needs_noise:
            # loading a state may have replaced the features by others
            self.table.data = self.features.matrix.to(self.table)
            return
        self.table.copy_(self.features.matrix)
        if self._needs_noise:
            present = self.features.matrix[self.features.presence].float()
            if len(present) > 1:
                mean, std = present.mean(dim=0), present.std(dim=0, unbiased=False)
            else:
                mean, std = torch.zeros(self.features.dim), torch.full((self.features.dim,), self.features.dim**-0.5)
            noise = torch.randn(self.max_id - len(present), self.features.dim)
            self.table[~self.presence] = (mean + std * noise).to(self.table)

    def _plain_forward(self, indices: LongTensor | None = None) -> FloatTensor:
        if self.trainable and self.shares_features:
            # somebody has unfrozen it; the features are not ours to change
            self.table.data = self.table.detach().clone()
        flat = None if indices is None else indices.to(self.table.device).flatten()
        # without the mask, training would turn zeros into something else
        masked = self.missing != "random" and self.trainable
        presence = self.presence if flat is None else self.presence[flat]
        if self.training and self.feature_dropout.p:
            rows = self.table if flat is None else F.embedding(flat, self.table, sparse=self.sparse)
            rows = (rows * presence.unsqueeze(dim=-1) if masked else rows).to(self.projection.weight.dtype)
            if self.shift is not None:
                rows = rows - self.shift
            if self.factor is not None:
                rows = rows * self.factor
            x = self.projection(self.feature_dropout(rows))
        else:
            weight, bias = self._prepared()
            x = project_rows(
                self.table,
                flat,
                weight,
                bias,
                presence=self.presence if masked else None,
                sparse=self.sparse,
                compute_dtype=self.compute_dtype,
            )
        if self.shift is not None and self.missing == "zero":
            # zero is the mean
            x = torch.where(presence.unsqueeze(dim=-1), x, self.projection.bias)
        x = self._apply_layers(x)
        return x if indices is None else x.view(*indices.shape, x.shape[-1])

    def _prepared(self) -> tuple[FloatTensor, FloatTensor]:
        """Return weight and bias of the first layer, such that features need not be centered or scaled."""
        weight, bias = self.projection.weight, self.projection.bias
        if self.factor is not None:
            weight = weight * self.factor
        return weight, bias if self.shift is None else bias - weight @ self.shift

    def _apply_layers(self, x: FloatTensor) -> FloatTensor:
        for layer in self.layers:
            x = layer(x.relu())
        return x

    def project(self, x: FloatTensor) -> FloatTensor:
        """Project features of any entities as for predictions, shape: ``(n, feature_dim)``, to ``(n, dim)``."""
        weight, bias = self._prepared()
        rows = project_rows(x.to(weight.device), None, weight, bias, compute_dtype=self.compute_dtype)
        return self._apply_layers(rows)

    def absent(self) -> FloatTensor:
        """Return the embedding of features that are zero, or the mean if they are centered, shape: ``(dim,)``."""
        return self._apply_layers(self.projection.bias)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        key = f"{prefix}table"
        stored = state_dict.get(key)
        if stored is not None and stored.shape == self.table.shape and self.shares_features:
            if torch.equal(stored.to(self.table), self.table):
                # nothing to write, not even the same
                state_dict = {**state_dict, key: self.table}
            else:
                # the features are not ours to change
                self.table.data = stored.to(self.table).clone()
        super()._load_from_state_dict(state_dict, prefix, *args)

    def iter_extra_repr(self) -> Iterable[str]:  # noqa: D102
        yield from super().iter_extra_repr()
        yield f"feature_dim={self.features.dim}"
        yield f"num_present={self.features.num_present}"
        yield f"missing={self.missing}"
        yield f"trainable={self.trainable}"


def names_of_given_features(model: nn.Module) -> set[str]:
    """Return the names of entries of a model's state that are nothing but the features that it was created with."""
    return {
        f"{name}.table" if name else "table"
        for name, module in model.named_modules()
        if isinstance(module, ProjectedFeatureRepresentation) and not module.trainable and module.shares_features
    }


def _measure(features: ModalityFeatures) -> tuple[FloatTensor, FloatTensor]:
    """Return the mean of each feature among present entities, and the standard deviation of all numbers from these."""
    present = features.matrix[features.presence].to(torch.get_default_dtype())
    if not len(present):
        return torch.zeros(features.dim), torch.ones(())
    mean = present.mean(dim=0)
    deviation = (present - mean).square().mean().sqrt()
    return mean, torch.where(deviation > 0, deviation, 1.0)
