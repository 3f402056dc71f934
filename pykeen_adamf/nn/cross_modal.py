r"""Translations between structural and multi-modal embeddings: the energies of IKRL, TBKGC and MMKRL.

All sum TransE's energy over several pairs of embeddings of head and tail. The sum of the $L_1$ norms of several
differences is the $L_1$ norm of one longer difference. Hence, there are queries as for one pair: the triples'
heads, moved by the relation, and their tails, moved back.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from docdata import parse_docdata
from pykeen.nn.modules import NormBasedInteraction

from ..typing import BoolTensor, FloatTensor
from .comparison import Distance
from .query import QueryForm, query_form_of

__all__ = ["IKRLInteraction", "MMKRLInteraction", "TBKGCInteraction"]


class CrossModalInteraction(NormBasedInteraction[FloatTensor, FloatTensor, FloatTensor]):
    """The sum of TransE's energies over pairs of parts of head and tail, shape: ``(*batch_dims, num_parts * d)``."""

    entity_shape = ("e",)
    relation_shape = ("d",)

    #: the number of parts of an entity representation
    num_parts: ClassVar[int]

    #: the parts of the head, and of the tail, in each energy: first structural ones, then multi-modal ones, then a
    #: multi-modal one of the head with a structural one of the tail, and the other way round
    left: ClassVar[Sequence[int]]
    right: ClassVar[Sequence[int]]

    def __init__(self) -> None:
        """Initialize the interaction module; the norm is always the first."""
        super().__init__(p=1, power_norm=False)

    def arrange(self, x: FloatTensor, order: Sequence[int]) -> FloatTensor:
        """Return the parts of entities in the given order, shape: ``(*batch_dims, len(order) * d)``."""
        parts = x.chunk(self.num_parts, dim=-1)
        return torch.cat([parts[i] for i in order], dim=-1)

    def energies(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> list[FloatTensor]:
        """Return all energies of triples, each of shape ``batch_dims``; cf. :meth:`forward`."""
        heads, tails = h.chunk(self.num_parts, dim=-1), t.chunk(self.num_parts, dim=-1)
        return [
            torch.linalg.vector_norm(heads[i] + r - tails[j], ord=1, dim=-1)
            for i, j in zip(self.left, self.right, strict=True)
        ]

    def compare_modalities(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> float:
        """Return the part of triples whose energy between modalities is smaller than that of structural embeddings.

        :param h: shape: ``(n, num_parts * d)``, the heads.
        :param r: shape: ``(n, d)``, the relations.
        :param t: shape: ``(n, num_parts * d)``, the tails.
        """
        within, _, *between = self.energies(h, r, t)[:4]
        return float((sum(between) / 2 < within).float().mean())

    def forward(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:
        return -torch.stack(self.energies(h, r, t)).sum(dim=0)


@parse_docdata
class IKRLInteraction(CrossModalInteraction):
    """The energies of :class:`pykeen_adamf.models.IKRL`.

    ---
    citation:
        author: Xie
        year: 2017
        link: https://www.ijcai.org/proceedings/2017/0438
        github: thunlp/IKRL
    """

    num_parts = 2
    left = (0, 1, 1, 0)
    right = (0, 1, 0, 1)


@parse_docdata
class TBKGCInteraction(CrossModalInteraction):
    """The energies of :class:`pykeen_adamf.models.TBKGC`: those of IKRL, and one of the sums of both embeddings.

    ---
    citation:
        author: Sergieh
        year: 2018
        link: https://aclanthology.org/S18-2027
    """

    num_parts = 3
    left = (0, 1, 1, 0, 2)
    right = (0, 1, 0, 1, 2)


@parse_docdata
class MMKRLInteraction(CrossModalInteraction):
    """The energies of :class:`pykeen_adamf.models.MMKRL`, between four parts.

    These are the projected structural embedding as a head, and as a tail, the multi-modal one, and the structural one.

    ---
    citation:
        author: Lu
        year: 2022
        link: https://doi.org/10.1007/s10489-021-02693-9
    """

    num_parts = 4
    left = (0, 2, 2, 3)
    right = (1, 2, 3, 2)


@query_form_of(IKRLInteraction)
@query_form_of(TBKGCInteraction)
@query_form_of(MMKRLInteraction)
class _CrossModalForm(QueryForm):
    """All energies as one distance, between the parts in the order in which energies need them."""

    comparison = Distance(1.0)

    def __init__(self, interaction: CrossModalInteraction) -> None:
        self.interaction = interaction
        pairs = list(zip(interaction.left, interaction.right, strict=True))
        # whether there are other energies with the entities exchanged
        self.is_sided = sorted(pairs) != sorted((j, i) for i, j in pairs)

    def query(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor | bool) -> FloatTensor:
        x, num = self.interaction, len(self.interaction.left)
        if isinstance(is_head, bool):
            shift = relation if is_head else -relation
            return x.arrange(entity, x.left if is_head or not self.is_sided else x.right) + shift.repeat(1, num)
        choice = is_head.unsqueeze(dim=-1)
        rows = x.arrange(entity, x.left)
        if self.is_sided:
            rows = torch.where(choice, rows, x.arrange(entity, x.right))
        return rows + torch.where(choice, relation, -relation).repeat(1, num)

    def candidates(self, table: FloatTensor, is_head: bool = True) -> FloatTensor:
        x = self.interaction
        return x.arrange(table, x.right if is_head or not self.is_sided else x.left)
