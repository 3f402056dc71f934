"""What modality adversarial training needs of a model."""

from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import Any

from torch import nn

from ..constants import SYNTHETIC_KINDS
from ..typing import FloatTensor, LongTensor, SyntheticEmbeddings, SyntheticKind
from .query import QueryScoringModel

__all__ = ["SyntheticScoringModel"]


class SyntheticScoringModel(QueryScoringModel):
    """A multi-modal model that can score triples with synthetic modality embeddings.

    This is all that :class:`pykeen_adamf.training.MATTrainingLoop` knows of a model. A model says which synthetic
    embeddings it takes (:meth:`synthetic_dims`), what they are conditioned on (:meth:`structural_embeddings`,
    :meth:`real_embeddings`), and what entity representations they make up (:meth:`synthetic_representations`).
    """

    @property
    @abstractmethod
    def synthetic_dims(self) -> Mapping[str, int]:
        """Return the dimension of the synthetic embeddings of each modality that can be replaced."""

    @property
    @abstractmethod
    def structural_dim(self) -> int:
        """Return the dimension of structural embeddings, as real numbers."""

    @abstractmethod
    def structural_embeddings(self, indices: LongTensor) -> FloatTensor:
        """Return the structural embeddings of entities, shape: ``(*s, structural_dim)`` for ``indices`` of ``s``."""

    @abstractmethod
    def real_embeddings(self, indices: LongTensor) -> SyntheticEmbeddings:
        """Return what can be replaced, shape of each: ``(*s, dim)`` for ``indices`` of ``s``, by modality."""

    @abstractmethod
    def synthetic_representations(self, indices: LongTensor, synthetic: SyntheticEmbeddings) -> list[FloatTensor]:
        """Return the representations of synthetic entities, i.e., entities with synthetic modality embeddings.

        :param indices: shape: ``(batch_size,)``, the entities which the synthetic ones are made of.
        :param synthetic: shape of each: ``(batch_size, num_groups, dim)``, the synthetic embeddings by modality.
        :returns: shape of each: ``(batch_size, num_groups, *shape)``, what :attr:`entity_representations` would return
            for them, one tensor each.
        """

    def score_synthetic(
        self,
        hrt_batch: LongTensor,
        head: SyntheticEmbeddings,
        tail: SyntheticEmbeddings,
        kinds: Collection[SyntheticKind] = SYNTHETIC_KINDS,
    ) -> dict[SyntheticKind, FloatTensor]:
        r"""Score synthetic triples, i.e., $(h^*, r, t)$, $(h, r, t^*)$ and $(h^*, r, t^*)$.

        :param hrt_batch: shape: ``(batch_size, 3)``, the ID-based triples which the synthetic ones are made of.
        :param head: shape of each: ``(batch_size, num_groups, dim)``, synthetic embeddings of the heads by modality.
        :param tail: shape of each: ``(batch_size, num_groups, dim)``, synthetic embeddings of the tails by modality.
        :param kinds: Which entities of the triples are to be synthetic.
        :returns: shape of each: ``(batch_size, num_groups)``, the scores of each kind.
        """
        h_indices, r_indices, t_indices = hrt_batch.unsqueeze(dim=1).unbind(dim=-1)
        real_head, r, real_tail = self._get_representations(h=h_indices, r=r_indices, t=t_indices, mode=None)
        fake_head = self._select(self.synthetic_representations(hrt_batch[:, 0], head), self.interaction.head_indices)
        fake_tail = self._select(self.synthetic_representations(hrt_batch[:, 2], tail), self.interaction.tail_indices)
        pairs = {"head": (fake_head, real_tail), "tail": (real_head, fake_tail), "both": (fake_head, fake_tail)}
        return {kind: self.interaction(h=pairs[kind][0], r=r, t=pairs[kind][1]) for kind in kinds}

    @staticmethod
    def _select(representations: list[FloatTensor], indices: Collection[int]) -> Any:
        """Select and unpack representations as :meth:`pykeen.models.ERModel._get_representations` does."""
        selected = [representations[i] for i in indices]
        return selected[0] if len(selected) == 1 else selected


def supports_synthetic_scoring(model: nn.Module) -> bool:
    """Return whether a model can score triples with synthetic modality embeddings, and has any modality for it."""
    return isinstance(model, SyntheticScoringModel) and bool(model.synthetic_dims)
