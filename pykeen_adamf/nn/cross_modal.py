r"""Translations between structural and multi-modal embeddings: the energies of IKRL and TBKGC.

Both sum TransE's energy over several pairs of embeddings of head and tail. The sum of the $L_1$ norms of several
differences is the $L_1$ norm of one longer difference. Hence, there are anchors as for one pair: of the triples'
heads, moved by the relation, and of their tails, moved back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from class_resolver import HintOrType, OptionalKwargs
from docdata import parse_docdata
from pykeen.nn import representation_resolver
from pykeen.nn.modules import NormBasedInteraction
from pykeen.nn.representation import Representation
from torch import nn
from torch.nn import functional as F

from ..constants import STRUCTURAL
from ..typing import BoolTensor, FloatTensor, LongTensor, SyntheticEmbeddings
from .anchored import AnchoredInteraction
from .modality import ModalityRepresentation, replace_modalities

__all__ = ["CrossModalRepresentation", "IKRLInteraction", "TBKGCInteraction"]


@parse_docdata
class CrossModalRepresentation(ModalityRepresentation):
    r"""The normalized structural embedding, beside the normalized multi-modal one.

    .. math ::
        \left[\frac{\mathbf{e}_s}{\|\mathbf{e}_s\|};\; \frac{\mathbf{e}_m}{\|\mathbf{e}_m\|};\;
        \frac{\mathbf{e}_s + \mathbf{e}_m}{\|\mathbf{e}_s + \mathbf{e}_m\|}\right]

    where $\mathbf{e}_m$ is the concatenation of the embeddings of all modalities but the structural one, and the last
    part is optional.

    ---
    name: Cross-modal
    citation:
        author: Sergieh
        year: 2018
        link: https://aclanthology.org/S18-2027
    """

    def __init__(
        self,
        max_id: int,
        bases: Mapping[str, HintOrType[Representation]],
        bases_kwargs: Mapping[str, OptionalKwargs] | None = None,
        with_sum: bool = False,
        **kwargs: Any,
    ) -> None:
        """Initialize the representation.

        :param max_id: The number of entities.
        :param bases: The representation of each modality by the modality's name, or hints for them. The dimensions of
            all others must add up to that of the structural one.
        :param bases_kwargs: Keyword-based parameters to instantiate them, by the modality's name.
        :param with_sum: Whether there is the part with the sum of both embeddings.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.nn.representation.Representation`.
        :raises ValueError: if the modalities do not match
        """
        instances = {
            name: representation_resolver.make(base, pos_kwargs=(bases_kwargs or {}).get(name), max_id=max_id)
            for name, base in bases.items()
        }
        dims = {name: base.shape[0] for name, base in instances.items() if len(base.shape) == 1}
        dim = dims.get(STRUCTURAL, 0)
        if len(dims) < max(2, len(bases)) or next(iter(dims)) != STRUCTURAL or sum(dims.values()) != 2 * dim:
            raise ValueError(
                f"The dimensions of all other modalities must add up to that of the structural one, which is the "
                f"first, but they are {dims}."
            )
        super().__init__(max_id=max_id, shape=((3 if with_sum else 2) * dim,), **kwargs)
        self.bases = nn.ModuleDict(instances)
        self.dim = dim
        self.with_sum = with_sum

    def _join(self, embeddings: Sequence[FloatTensor]) -> FloatTensor:
        structural, multimodal = embeddings[0], torch.cat(list(embeddings[1:]), dim=-1)
        parts = [structural, multimodal, structural + multimodal] if self.with_sum else [structural, multimodal]
        return torch.cat([F.normalize(part, dim=-1) for part in parts], dim=-1)

    # docstr-coverage: inherited
    def _plain_forward(self, indices: LongTensor | None = None) -> FloatTensor:
        return self._join([base(indices) for base in self.bases.values()])

    # docstr-coverage: inherited
    def forward_with_modalities(  # noqa: D102
        self, indices: LongTensor | None = None
    ) -> tuple[FloatTensor, Mapping[str, FloatTensor]]:
        embeddings = {name: base(indices) for name, base in self.bases.items()}
        return self._join(list(embeddings.values())), embeddings

    # docstr-coverage: inherited
    def fuse_synthetic(  # noqa: D102
        self,
        indices: LongTensor,
        synthetic: SyntheticEmbeddings,
        real: Callable[[str, LongTensor], FloatTensor] | None = None,
    ) -> FloatTensor:
        return self._join(replace_modalities(self.bases, indices, synthetic, real))


class CrossModalInteraction(NormBasedInteraction[FloatTensor, FloatTensor, FloatTensor], AnchoredInteraction):
    """The sum of TransE's energies over pairs of parts of head and tail."""

    entity_shape = ("e",)
    relation_shape = ("d",)

    #: the number of parts of an entity representation
    num_parts: ClassVar[int]

    #: the parts of one entity, and of the other one, in each energy; the same energies with the entities exchanged
    left: ClassVar[Sequence[int]]
    right: ClassVar[Sequence[int]]

    def __init__(self) -> None:
        """Initialize the interaction module; the norm is always the first."""
        super().__init__(p=1, power_norm=False)

    def _arrange(self, x: FloatTensor, order: Sequence[int]) -> FloatTensor:
        """Return the parts of entities in the given order, shape: ``(*batch_dims, len(order) * d)``."""
        parts = x.chunk(self.num_parts, dim=-1)
        return torch.cat([parts[i] for i in order], dim=-1)

    def forward(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:
        """Evaluate the interaction function.

        :param h: shape: ``(*batch_dims, num_parts * d)``
            The head representations.
        :param r: shape: ``(*batch_dims, d)``
            The relation representations.
        :param t: shape: ``(*batch_dims, num_parts * d)``
            The tail representations.
        :returns: shape: ``batch_dims``
            The scores.
        """
        heads, tails = h.chunk(self.num_parts, dim=-1), t.chunk(self.num_parts, dim=-1)
        energies = [
            torch.linalg.vector_norm(heads[i] + r - tails[j], ord=1, dim=-1)
            for i, j in zip(self.left, self.right, strict=True)
        ]
        return -torch.stack(energies).sum(dim=0)

    # docstr-coverage: inherited
    def anchor(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor) -> FloatTensor:
        sign = torch.where(is_head.unsqueeze(dim=-1), 1.0, -1.0).to(relation.dtype)
        return self._arrange(entity, self.left) + (sign * relation).repeat(1, len(self.left))

    # docstr-coverage: inherited
    def score_pairs(
        self, anchors: FloatTensor, entities: FloatTensor, anchor_index: LongTensor, entity_index: LongTensor
    ) -> FloatTensor:
        return super().score_pairs(anchors, self._arrange(entities, self.right), anchor_index, entity_index)

    # docstr-coverage: inherited
    def score_all(self, anchors: FloatTensor, entities: FloatTensor) -> FloatTensor:
        return super().score_all(anchors, self._arrange(entities, self.right))


@parse_docdata
class IKRLInteraction(CrossModalInteraction):
    r"""The energies of IKRL.

    .. math ::
        f(h, r, t) = -\sum_{a, b \in \{s, m\}} \|\mathbf{h}_a + \mathbf{r} - \mathbf{t}_b\|_1

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
    r"""The energies of TBKGC: those of IKRL, and one of the sums of structural and multi-modal embedding.

    .. math ::
        f(h, r, t) = -\sum_{a, b \in \{s, m\}} \|\mathbf{h}_a + \mathbf{r} - \mathbf{t}_b\|_1
            - \|\mathbf{h}_{s + m} + \mathbf{r} - \mathbf{t}_{s + m}\|_1

    ---
    citation:
        author: Sergieh
        year: 2018
        link: https://aclanthology.org/S18-2027
    """

    num_parts = 3
    left = (0, 1, 1, 0, 2)
    right = (0, 1, 0, 1, 2)
