"""How similar entities are as a relation sees them, in their features and in their structure."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import cast

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ..constants import STRUCTURAL
from ..features import ModalityFeatures
from ..typing import BoolTensor, FloatTensor, LongTensor
from .projection import project_rows

__all__ = ["FeatureView", "RelationView", "RelationViews", "StructureView", "contrast"]

#: The slope of leaky rectified linear units for negative input, in the authors' code.
SLOPE = 0.1


class RelationView(nn.Module):
    """A view of entities that depends on the relation."""

    def prepare(self, x: FloatTensor) -> FloatTensor:
        """Return what does not depend on the relation, shape: ``(n, prepared_dim)``, by what there is, ``(n, dim)``."""
        return x

    @abstractmethod
    def forward(self, x: FloatTensor, relation: FloatTensor) -> FloatTensor:
        """Look at entities.

        :param x: shape: ``(n, prepared_dim)``, what there is of each entity, cf. :meth:`prepare`.
        :param relation: shape: ``(relation_dim,)`` or ``(n, relation_dim)``, the relation.
        :returns: shape: ``(n, dim)``, the views.
        """

    def similarities(
        self, x: FloatTensor, candidates: FloatTensor, relations: FloatTensor, row: LongTensor
    ) -> FloatTensor:
        """Return the cosines of views, for each entity with all candidates under its relation.

        :param x: shape: ``(n, dim)``, the entities.
        :param candidates: shape: ``(num_candidates, dim)``, the candidates.
        :param relations: shape: ``(num_relations, relation_dim)``, the relations.
        :param row: shape: ``(n,)``, which of the relations is each entity's.
        :returns: shape: ``(n, num_candidates)``, the cosines.
        """
        x, candidates = self.prepare(x), self.prepare(candidates)
        order = row.argsort(stable=True)
        parts = x[order].split(row.bincount(minlength=len(relations)).tolist())
        # views of all candidates under one relation at a time, once more in the backward pass: all would be too many
        cosines = [
            checkpoint(self._compare, part, candidates, relation, use_reentrant=False, preserve_rng_state=False)
            for part, relation in zip(parts, relations, strict=True)
        ]
        return torch.cat(cosines)[order.argsort()]

    def _compare(self, x: FloatTensor, candidates: FloatTensor, relation: FloatTensor) -> FloatTensor:
        views = self(candidates, relation)
        # rather than to normalize the rows of all candidates
        cosines: FloatTensor = F.normalize(self(x, relation), dim=-1) @ views.t() / views.norm(dim=-1).clamp(min=1e-12)
        return cosines


class FeatureView(RelationView):
    r"""Features $\mathbf{f}$ as a relation sees them.

    .. math ::
        \mathbf{W}_3 \left(\operatorname{LN}(\sigma(\mathbf{W}_2 \mathbf{r}) \odot \mathbf{x})
        + \operatorname{LN}(\mathbf{x})\right), \qquad \mathbf{x} = \delta(\mathbf{W}_1 \mathbf{f})

    with layer normalization, a LeakyReLU $\delta$, and biases. Features are frozen, and no part of the state.
    """

    table: FloatTensor
    presence: BoolTensor

    def __init__(self, features: ModalityFeatures, dim: int, relation_dim: int) -> None:
        """Initialize the view.

        :param features: The features of all entities.
        :param dim: The dimension of what is made of them.
        :param relation_dim: The dimension of relations.
        """
        super().__init__()
        self.register_buffer("table", features.matrix, persistent=False)
        self.register_buffer("presence", features.presence, persistent=False)
        self.projection = nn.Linear(features.dim, dim)
        self.gate = nn.Linear(relation_dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.output = nn.Linear(dim, dim)

    def embed(self, entities: LongTensor) -> FloatTensor:
        """Return what is made of the features of entities, shape: ``(n, dim)``."""
        return F.leaky_relu(project_rows(self.table, entities, self.projection.weight, self.projection.bias), SLOPE)

    def forward(self, x: FloatTensor, relation: FloatTensor) -> FloatTensor:  # noqa: D102
        gated = self.norm(torch.sigmoid(self.gate(relation)) * x)
        view: FloatTensor = self.output(gated + self.norm(x))
        return view


class StructureView(RelationView):
    r"""Embeddings $\mathbf{s}$ as a relation sees them, with a LeakyReLU $\delta$, and biases.

    .. math ::
        \mathbf{s} \odot \sigma(\mathbf{W}_2 \delta(\mathbf{W}_1 [\mathbf{s}; \mathbf{r}]))
    """

    def __init__(self, dim: int, relation_dim: int, hidden_dim: int) -> None:
        """Initialize the view.

        :param dim: The dimension of embeddings.
        :param relation_dim: The dimension of relations.
        :param hidden_dim: The dimension of the hidden layer.
        """
        super().__init__()
        # of the embedding, and of the relation
        self.hidden = nn.Linear(dim, hidden_dim)
        self.relation = nn.Linear(relation_dim, hidden_dim, bias=False)
        self.gate = nn.Linear(hidden_dim, dim)

    def prepare(self, x: FloatTensor) -> FloatTensor:  # noqa: D102
        return torch.cat([x, self.hidden(x)], dim=-1)

    def forward(self, x: FloatTensor, relation: FloatTensor) -> FloatTensor:  # noqa: D102
        x, hidden = x.split([self.gate.out_features, self.hidden.out_features], dim=-1)
        return x * torch.sigmoid(self.gate(F.leaky_relu(hidden + self.relation(relation), SLOPE)))


class RelationViews(nn.ModuleDict):
    """A view of each modality's features, and one of structure."""

    def __init__(
        self,
        features: Mapping[str, ModalityFeatures],
        structural_dim: int,
        relation_dim: int,
        view_dim: int = 50,
        hidden_dim: int = 100,
    ) -> None:
        """Initialize the views, with weights of Glorot's normal distribution.

        :param features: The features by modality.
        :param structural_dim: The dimension of structural embeddings.
        :param relation_dim: The dimension of relations.
        :param view_dim: The dimension of views of features.
        :param hidden_dim: The dimension of the hidden layer of the view of structure.
        """
        super().__init__({name: FeatureView(x, view_dim, relation_dim) for name, x in features.items()})
        self[STRUCTURAL] = StructureView(structural_dim, relation_dim, hidden_dim)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)

    def compare(
        self,
        entities: LongTensor,
        candidates: LongTensor,
        structure: tuple[FloatTensor, FloatTensor],
        relations: FloatTensor,
        row: LongTensor,
    ) -> FloatTensor:
        """Return how similar candidates are to entities, as their relations see them.

        To an entity without features of a modality, and if it is such a candidate, nothing is similar in it.

        :param entities: shape: ``(n,)``, the entities.
        :param candidates: shape: ``(num_candidates,)``, the candidates.
        :param structure: shapes: ``(n, structural_dim)`` and ``(num_candidates, structural_dim)``, the structural
            embeddings of both.
        :param relations: shape: ``(num_relations, relation_dim)``, the relations.
        :param row: shape: ``(n,)``, which of the relations is each entity's.
        :returns: shape: ``(num_views, n, num_candidates)``, the cosines.
        """
        cosines = []
        for view in self.values():
            if isinstance(view, FeatureView):
                x = view.similarities(view.embed(entities), view.embed(candidates), relations, row)
                x = x * (view.presence[entities].unsqueeze(dim=-1) & view.presence[candidates])
            else:
                x = cast(StructureView, view).similarities(*structure, relations, row)
            cosines.append(x)
        return torch.stack(cosines)


def contrast(cosines: FloatTensor, is_known: BoolTensor) -> FloatTensor:
    """Contrast how similar known entities are to the true one with how similar others are, in the mean over views.

    :param cosines: shape: ``(num_views, n, num_candidates)``, the cosines.
    :param is_known: shape: ``(n, num_candidates)``, which candidates make known triples.
    :returns: shape: ``()``, the loss, or zero if there is nothing to contrast.
    """
    x = cosines.exp()
    known, others = ((x * mask).sum(dim=(1, 2)) for mask in (is_known, ~is_known))
    # a gradient of zero rather than that of the logarithm of zero
    tiny = torch.finfo(x.dtype).tiny
    loss = (others.clamp(min=tiny).log() - known.clamp(min=tiny).log()).mean()
    return loss * (is_known.any() & ~is_known.all())
