"""Contexts of entities in the graph of the training triples, and the interaction of GC-OTE that compares them, too."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from docdata import parse_docdata
from pykeen.nn.modules import Interaction
from pykeen.nn.representation import Representation
from torch.nn import functional as F

from ..typing import FloatTensor, LongTensor
from .group_distance import GroupDistance
from .orthogonal import make_terms, transform
from .query import query_form_of
from .query_forms import BilinearForm
from .structural import StructuralEmbedding

__all__ = ["ContextRepresentation", "GCOTEInteraction"]


@parse_docdata
class ContextRepresentation(Representation):
    r"""Embeddings of entities, each with what the training triples say that it is like.

    .. math ::
        \mathbf{c}_t = \frac{\mathbf{t} + \sum_{(h', r')} \mathbf{h}' \operatorname{diag}(e^{\mathbf{s}'}) \mathbf{Q}'}
            {1 + |\{(h', r')\}|}

    over all $(h', r', t)$ among the training triples, and, with the backward transform, $\mathbf{c}_h$ over all
    $(h, r', t')$; or the mean weighted by a softmax of dot products with the entity, divided by the root of the
    dimension. The shape is ``(3, dim)``: the embedding, its context as a tail, and its context as a head. Contexts of
    all entities are calculated at once, whichever are asked for.

    In training, the triples of :meth:`leave_out` are none of the graph.

    ---
    name: Graph context
    citation:
        author: Tang
        year: 2020
        arxiv: 1911.04910
        link: https://aclanthology.org/2020.acl-main.241
        github: JD-AI-Research-Silicon-Valley/KGEmbedding-OTE
    """

    #: shape: ``(num_edges, 3)``, the training triples and inverse ones, sorted by relation; and the triple of each edge
    edges: LongTensor
    triple_of_edge: LongTensor

    def __init__(
        self,
        max_id: int,
        *,
        base_kwargs: Mapping[str, Any],
        relations: Representation,
        group_size: int,
        edges: LongTensor,
        attention: bool = False,
        num_copies: int = 1,
        **kwargs: Any,
    ) -> None:
        """Initialize the representation.

        :param max_id: The number of entities.
        :param base_kwargs: Keyword-based parameters of the entities' :class:`StructuralEmbedding`.
        :param relations: The relations, cf. :mod:`.orthogonal`.
        :param group_size: The size of a group.
        :param edges: shape: ``(num_edges, 3)``, the training triples, which are followed by inverse ones if there are
            any.
        :param attention: Whether to weight neighbours by attention.
        :param num_copies: How many edges there are of each training triple: two with inverse ones, or one.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.nn.representation.Representation`.
        """
        base = StructuralEmbedding(max_id=max_id, **base_kwargs)
        super().__init__(max_id=max_id, shape=(3, *base.shape), unique=False, **kwargs)
        self.base, self.relations, self.group_size, self.attention = base, relations, group_size, attention
        order = edges[:, 1].argsort(stable=True)
        self.num_triples = len(edges) // num_copies
        # both are made of the training triples again, which whoever saves a model keeps anyway
        self.register_buffer("edges", edges[order], persistent=False)
        self.register_buffer("triple_of_edge", order % max(1, self.num_triples), persistent=False)
        self._sizes = edges[:, 1].bincount(minlength=relations.max_id).tolist()
        self._left_out: torch.Tensor | None = None

    def leave_out(self, batch: LongTensor, columns: Sequence[int]) -> None:
        """Leave triples out of the graph, beside those that are left out already.

        :param batch: shape: ``(batch_size, len(columns))``, triples, or parts of them. All training triples that agree
            with any of them are left out, and so are their inverse ones.
        :param columns: Which parts of triples are given.
        """
        sizes = [(self.max_id, self.relations.max_id, self.max_id)[column] for column in columns]
        keys = []
        for rows in (self.edges[:, list(columns)], batch.to(self.edges.device)):
            key = torch.zeros_like(rows[:, 0])
            for column, size in zip(rows.unbind(dim=-1), sizes, strict=True):
                key = key * size + column
            keys.append(key)
        found = torch.isin(keys[0], keys[1]).long()
        left_out = found.new_zeros(self.num_triples).index_add_(0, self.triple_of_edge, found) > 0
        self._left_out = left_out if self._left_out is None else self._left_out | left_out

    def keep_all(self) -> None:
        """Leave nothing out any more."""
        self._left_out = None

    def _plain_forward(self, indices: LongTensor | None = None) -> FloatTensor:
        x, relations = self.base(None), self.relations(None)
        left_out = None
        if self.training and self._left_out is not None:
            left_out = self._left_out[self.triple_of_edge]
        contexts = [self._average(x, relations, left_out, inverse=inverse) for inverse in (False, True)]
        result = torch.stack([x, *contexts], dim=1)
        return result if indices is None else result[indices]

    def _average(
        self, x: FloatTensor, relations: FloatTensor, left_out: torch.Tensor | None, *, inverse: bool
    ) -> FloatTensor:
        """Return the contexts of all entities as heads, if ``inverse``, or as tails."""
        target, source = self.edges[:, [0, 2] if inverse else [2, 0]].unbind(dim=-1)
        parts = zip(F.embedding(source, x).split(self._sizes), relations, strict=True)
        # relation by relation, since there is no room for a matrix for each edge
        moved = [transform(part, r, self.group_size, inverse=inverse) for part, r in parts if len(part)]
        messages = torch.cat([x[:0], *moved])
        if self.attention:
            scale = 1 / math.sqrt(x.shape[-1])
            logits, own = scale * (messages * F.embedding(target, x)).sum(dim=-1), scale * x.square().sum(dim=-1)
        else:
            logits, own = messages.new_zeros(len(messages)), x.new_zeros(len(x))
        if left_out is not None:
            logits = logits.masked_fill(left_out, -torch.inf)
        highest = own.detach().scatter_reduce(0, target, logits.detach(), "amax")
        weights, own = (logits - highest[target]).exp(), (own - highest).exp()
        total = own.index_add(0, target, weights)
        added = (own.unsqueeze(dim=-1) * x).index_add(0, target, weights.unsqueeze(dim=-1) * messages)
        return added / total.unsqueeze(dim=-1)


@parse_docdata
class GCOTEInteraction(Interaction[FloatTensor, FloatTensor, FloatTensor]):
    r"""The mean of four distances between transformed entities and entities or their contexts.

    .. math ::
        f = -\frac{1}{4} \left(d(\mathbf{h} \to \mathbf{t}) + d(\mathbf{h} \leftarrow \mathbf{t})
            + d(\mathbf{h} \to \mathbf{c}_t) + d(\mathbf{c}_h \leftarrow \mathbf{t})\right)

    where arrows are the transforms by the relation, forward and backward, and $d$ is the distance of
    :class:`.orthogonal.OTEInteraction`. Entities are as of :class:`ContextRepresentation`.

    ---
    citation:
        author: Tang
        year: 2020
        arxiv: 1911.04910
        link: https://aclanthology.org/2020.acl-main.241
        github: JD-AI-Research-Silicon-Valley/KGEmbedding-OTE
    """

    entity_shape: Sequence[str] = ("cd",)
    relation_shape: Sequence[str] = ("dg",)

    def __init__(self, group_size: int = 20) -> None:
        """Initialize the interaction module.

        :param group_size: >0, the number of coordinates in a group.
        """
        super().__init__()
        self.group_size = group_size

    def forward(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:  # noqa: D102
        (head, _, of_head), (tail, of_tail, _) = h.unbind(dim=-2), t.unbind(dim=-2)
        forward = transform(head, r, self.group_size)
        backward = transform(tail, r, self.group_size, inverse=True)
        pairs = [(forward, tail), (backward, head), (forward, of_tail), (backward, of_head)]
        distance = GroupDistance(self.group_size)
        return torch.stack([distance.compare(a, b) for a, b in pairs]).mean(dim=0)


@query_form_of(GCOTEInteraction)
class _GCOTEForm(BilinearForm):
    """All four distances as one, with the candidates' contexts as the side that they are."""

    is_sided = True

    def __init__(self, interaction: GCOTEInteraction) -> None:
        super().__init__(
            GroupDistance(interaction.group_size, is_weighted=True),
            lambda h, r: self._make(h, r, is_head=True),
            lambda t, r: self._make(t, r, is_head=False),
        )
        self.interaction = interaction

    def _make(self, entity: FloatTensor, relation: FloatTensor, *, is_head: bool) -> FloatTensor:
        x, as_tail, as_head = entity.unbind(dim=-2)
        size = self.interaction.group_size
        own, other = make_terms(x, relation, size, is_head=is_head)
        context = make_terms(as_head if is_head else as_tail, relation, size, is_head=is_head)[1]
        return torch.cat([*torch.cat([own, other, context, own], dim=-1)], dim=-1) / 4

    def candidates(self, table: FloatTensor, is_head: bool = True) -> FloatTensor:
        x, as_tail, as_head = table.chunk(3, dim=-1)
        return torch.cat([x, x, x, as_tail if is_head else as_head], dim=-1)
