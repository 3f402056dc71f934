"""What models and training need of a representation that is made of several modalities."""

from abc import abstractmethod
from collections.abc import Callable, Mapping

from pykeen.nn.representation import Representation
from torch import nn

from ..typing import FloatTensor, LongTensor, SyntheticEmbeddings

__all__ = ["ModalityRepresentation", "replace_modalities"]


class ModalityRepresentation(Representation):
    """Representations made of one embedding of each modality."""

    #: the representation of each modality by its name
    bases: nn.ModuleDict

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the names of the modalities."""
        return tuple(self.bases)

    @abstractmethod
    def forward_with_modalities(
        self, indices: LongTensor | None = None
    ) -> tuple[FloatTensor, Mapping[str, FloatTensor]]:
        """Return representations, and what they are made of.

        There is neither a regularizer nor dropout in it.

        :param indices: shape: ``s``
            The entities, or ``None`` for all.
        :returns: shapes: ``(*s, *self.shape)`` and, of each, ``(*s, dim)``
            The representations, and the modality embeddings by modality.
        """

    @abstractmethod
    def fuse_synthetic(
        self,
        indices: LongTensor,
        synthetic: SyntheticEmbeddings,
        real: Callable[[str, LongTensor], FloatTensor] | None = None,
    ) -> FloatTensor:
        """Return representations with some modalities replaced by synthetic ones.

        :param indices: shape: ``(batch_size,)``
            The entities which keep their other modalities.
        :param synthetic: shape of each: ``(batch_size, num_groups, dim)``
            The synthetic embeddings by modality. They always take part.
        :param real: Called for the embeddings of other modalities, with the name of the modality and the entities.
            Defaults to calculating them.
        :returns: shape: ``(batch_size, num_groups, *self.shape)``
            The representations.
        """


def replace_modalities(
    bases: nn.ModuleDict,
    indices: LongTensor,
    synthetic: SyntheticEmbeddings,
    real: Callable[[str, LongTensor], FloatTensor] | None = None,
) -> list[FloatTensor]:
    """Return the embeddings of all modalities, some of them replaced by synthetic ones.

    :param bases: The representation of each modality by its name.
    :param indices: shape: ``(batch_size,)``
        The entities.
    :param synthetic: shape of each: ``(batch_size, num_groups, dim)``
        The synthetic embeddings by modality.
    :param real: Called for other modalities, with the name of the modality and the entities.
    :returns: shape of each: ``(batch_size, num_groups, dim)``
        The embeddings in the order of the modalities.
    """
    num_groups = next(iter(synthetic.values())).shape[1]
    result = []
    for name, base in bases.items():
        if name in synthetic:
            result.append(synthetic[name])
        else:
            embeddings = base(indices) if real is None else real(name, indices)
            result.append(embeddings.unsqueeze(dim=1).expand(-1, num_groups, -1))
    return result
