r"""Orthogonal transforms of groups of coordinates, and the interaction OTE that compares entities by them.

A relation is represented by a row for each coordinate of an entity: those of a group are the rows of an orthonormal
matrix $\mathbf{Q}$, and a further column is the logarithm $\mathbf{s}$ of scales, if there are any.
"""

from collections.abc import Sequence
from typing import Any

import torch
from docdata import parse_docdata
from pykeen.nn.modules import Interaction
from torch import nn
from torch.nn import functional as F

from ..typing import FloatTensor
from .group_distance import GroupDistance
from .query import QueryForm, query_form_of
from .query_forms import BilinearForm

__all__ = ["OTEInteraction", "init_orthonormal", "orthonormalize", "transform"]


def orthonormalize(x: FloatTensor, group_size: int) -> FloatTensor:
    """Make the matrix of each group orthonormal by the modified Gram-Schmidt process, row by row.

    A row that depends on those before has no direction, and is left to rounding. This does not happen to matrices that
    were orthonormal at first.

    :param x: shape: ``(*batch_dims, dim, width)``, any numbers. What is behind the first ``group_size`` columns stays.
    :param group_size: The size of a group, by which the dimension can be divided.
    :returns: The same shape.
    """
    rest = x[..., :group_size].unflatten(-2, (-1, group_size))
    rows = []
    while rest.shape[-2]:
        row = F.normalize(rest[..., :1, :], dim=-1)
        rows.append(row)
        # what is left of the others has nothing of the rows before, in contrast to the classical process
        rest = rest[..., 1:, :]
        rest = rest - (rest * row).sum(dim=-1, keepdim=True) * row
    return torch.cat([torch.cat(rows, dim=-2).flatten(-3, -2), x[..., group_size:]], dim=-1)


def init_orthonormal(x: FloatTensor, group_size: int) -> FloatTensor:
    """Initialize relations by orthonormal matrices of uniform random numbers, without scales; cf. orthonormalize."""
    nn.init.zeros_(x)
    nn.init.uniform_(x[..., :group_size])
    return orthonormalize(x, group_size)


def transform(
    x: FloatTensor, relation: FloatTensor, group_size: int, *, inverse: bool = False, scaled: bool = True
) -> FloatTensor:
    r"""Return $\mathbf{x} \operatorname{diag}(e^\mathbf{s}) \mathbf{Q}$, or the backward transform.

    This is $\mathbf{x} \operatorname{diag}(e^{-\mathbf{s}}) \mathbf{Q}^T$, the inverse one if there are no scales.

    :param x: shape: ``(*batch_dims, dim)``, rows.
    :param relation: shape: ``(*batch_dims, dim, width)``, the relations, cf. this module.
    :param group_size: The size of a group.
    :param inverse: Whether to return the backward transform.
    :param scaled: Whether to use the scales, if there are any.
    :returns: shape: ``(*batch_dims, dim)``, the transformed rows.
    """
    if scaled:
        x = x * get_scales(relation, group_size, inverse=inverse)
    matrix = relation[..., :group_size].unflatten(-2, (-1, group_size))
    equation = "...gk,...glk->...gl" if inverse else "...gk,...gkl->...gl"
    return torch.einsum(equation, x.unflatten(-1, (-1, group_size)), matrix).flatten(-2)


def get_scales(relation: FloatTensor, group_size: int, *, inverse: bool = False) -> FloatTensor:
    """Return the scales of relations, or their inverse, shape: ``(*batch_dims, dim)``, which are one without any."""
    if relation.shape[-1] == group_size:
        return relation.new_ones(relation.shape[:-1])
    logarithm = relation[..., group_size]
    return (-logarithm if inverse else logarithm).exp()


@parse_docdata
class OTEInteraction(Interaction[FloatTensor, FloatTensor, FloatTensor]):
    r"""Orthogonal transforms of groups of coordinates (OTE; Tang et al., 2020).

    .. math ::
        f(\mathbf{h}, \mathbf{r}, \mathbf{t}) = -\sum_g
            \|\mathbf{h}_g \operatorname{diag}(e^{\mathbf{s}_g}) \mathbf{Q}_g - \mathbf{t}_g\|_2

    for groups $g$ of $K$ coordinates, and relations of orthonormal matrices and scales, cf. :mod:`.orthogonal`. With
    $K = 2$ and no scales, it is RotatE with reflections.

    The paper's code scores a triple by this while tails are predicted, and by the backward transform of the tail, as
    above but $\|\mathbf{t}_g \operatorname{diag}(e^{-\mathbf{s}_g}) \mathbf{Q}_g^T - \mathbf{h}_g\|_2$, while heads
    are. These are two scores of the same triple, unless there are no scales, where they are equal. Here a triple has
    one score: the first one; or the mean of both, as in GC-OTE. Queries from tails need no backward transform: since
    rotations keep lengths, $\|\mathbf{h} \mathbf{D} \mathbf{Q} - \mathbf{t}\| = \|\mathbf{h} \mathbf{D} - \mathbf{t}
    \mathbf{Q}^T\|$, i.e., the candidates are scaled, cf. :class:`.group_distance.GroupDistance`.

    ---
    citation:
        author: Tang
        year: 2020
        arxiv: 1911.04910
        link: https://aclanthology.org/2020.acl-main.241
        github: JD-AI-Research-Silicon-Valley/KGEmbedding-OTE
    """

    relation_shape: Sequence[str] = ("dg",)

    def __init__(self, group_size: int = 20, scaled: bool = True, both_directions: bool = False) -> None:
        """Initialize the interaction module.

        :param group_size: >0, the number of coordinates in a group; the paper's are 20, and 4 for few relations.
        :param scaled: Whether relations have scales.
        :param both_directions: Whether the score is the mean of those of both transforms.
        :raises ValueError: if the size is not positive
        """
        super().__init__()
        if group_size < 1:
            raise ValueError(f"group_size must be positive, but is {group_size}.")
        self.group_size, self.scaled, self.both_directions = group_size, scaled, both_directions

    @property
    def relation_width(self) -> int:
        """Return the number of columns of a relation."""
        return self.group_size + self.scaled

    def measure(self, a: FloatTensor, b: FloatTensor) -> FloatTensor:
        """Return the distance between rows, shapes: ``(*batch_dims, dim)`` to ``batch_dims``."""
        return -GroupDistance(self.group_size).compare(a, b)

    def forward(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:  # noqa: D102
        scores = -self.measure(transform(h, r, self.group_size), t)
        if not self.both_directions:
            return scores
        return (scores - self.measure(transform(t, r, self.group_size, inverse=True), h)) / 2


def make_terms(x: FloatTensor, relation: FloatTensor, group_size: int, *, is_head: bool) -> list[FloatTensor]:
    """Return weighted queries for the distance from what an entity is transformed to, and for the other direction.

    :param x: shape: ``(*batch_dims, dim)``, the known entities.
    :param relation: shape: ``(*batch_dims, dim, width)``, the relations.
    :param group_size: The size of a group.
    :param is_head: Whether the known entities are heads.
    :returns: shape of each: ``(2, *batch_dims, dim)``, two queries and their weights, cf. :class:`.GroupDistance`.
    """
    options: dict[str, Any] = dict(group_size=group_size, inverse=not is_head)
    own = torch.stack([transform(x, relation, **options), torch.ones_like(x)])
    # rotations keep lengths: instead of rotating what is scaled, rotate this back
    other = transform(x, relation, **options, scaled=False)
    return [own, torch.stack([other, get_scales(relation, group_size, inverse=is_head).expand_as(x)])]


class _OTEForm(BilinearForm):
    """Queries with weights, which compare each entity once or twice."""

    def __init__(self, interaction: OTEInteraction) -> None:
        super().__init__(
            GroupDistance(interaction.group_size, is_weighted=True),
            lambda h, r: self._make(h, r, is_head=True),
            lambda t, r: self._make(t, r, is_head=False),
        )
        self.interaction = interaction

    def _make(self, x: FloatTensor, relation: FloatTensor, *, is_head: bool) -> FloatTensor:
        terms = make_terms(x, relation, self.interaction.group_size, is_head=is_head)
        if not self.interaction.both_directions:
            # always the distance from the transformed head
            return torch.cat([*terms[not is_head]], dim=-1)
        return torch.cat([*torch.cat(terms, dim=-1)], dim=-1) / 2

    def candidates(self, table: FloatTensor, is_head: bool = True) -> FloatTensor:
        return table.repeat(1, 2) if self.interaction.both_directions else table


@query_form_of(OTEInteraction)
def _ote(interaction: OTEInteraction) -> QueryForm:
    if interaction.scaled:
        return _OTEForm(interaction)
    size = interaction.group_size
    # both directions are equal
    return BilinearForm(
        GroupDistance(size), lambda h, r: transform(h, r, size), lambda t, r: transform(t, r, size, inverse=True)
    )
