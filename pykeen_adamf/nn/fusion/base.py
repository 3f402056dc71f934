"""What every fusion is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import nn

from ...typing import BoolTensor, FloatTensor

__all__ = ["Fusion"]


class Fusion(nn.Module, ABC):
    """Makes one joint embedding of the embeddings of several modalities.

    That is all: who takes part, what is replaced by something synthetic, and what entities are new is decided before,
    for all fusions in one place, cf. :class:`pykeen_adamf.nn.FusedRepresentation`. To add a fusion, write a subclass in
    a file of its own, and add it to :data:`pykeen_adamf.nn.fusion.FUSIONS`.
    """

    #: whether all modalities must have the same dimension
    needs_equal_dims: ClassVar[bool] = True

    #: whether it is a weighted mean, cf. :meth:`weights`
    has_weights: ClassVar[bool] = False

    def __init__(self, dims: Mapping[str, int]) -> None:
        """Initialize the fusion.

        :param dims: The dimension of each modality's embeddings.
        :raises ValueError: if there are none, or they must be equal, and are not
        """
        super().__init__()
        if not dims:
            raise ValueError("There must be at least one modality to fuse.")
        if self.needs_equal_dims and len(set(dims.values())) > 1:
            raise ValueError(
                f"{type(self).__name__} needs modality embeddings of the same dimension, but they have {dict(dims)}. "
                f"Use fusion='concatenation' for different ones."
            )
        self.dims = dict(dims)

    @property
    def dim(self) -> int:
        """Return the dimension of joint embeddings."""
        return next(iter(self.dims.values()))

    @abstractmethod
    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:
        """Fuse modality embeddings.

        :param embeddings: shape of each: ``(*batch_dims, dim)``, the embeddings in the order of the modalities.
        :param mask: shape: ``(*batch_dims, num_modalities)``, which of them take part; at least one does for each
            entity. If ``None``, all do.
        :returns: shape: ``(*batch_dims, dim)``, the joint embeddings.
        """

    def weights(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor | None:
        """Return how much each modality contributes, if this fusion is a weighted mean.

        :param embeddings: The embeddings, cf. :meth:`forward`.
        :param mask: Which of them take part.
        :returns: shape: ``(*batch_dims, num_modalities)``, weights which sum to one for each entity, or ``None``.
        """
        return None

    def reset_parameters(self) -> None:
        """Reset the parameters."""

    def extra_repr(self) -> str:
        """Return what is shown of it."""
        return ", ".join(f"{name}={dim}" for name, dim in self.dims.items())


def select(x: FloatTensor, mask: BoolTensor | None, column: int) -> FloatTensor:
    """Set embeddings of one modality, shape: ``(*batch_dims, dim)``, to zero where a mask has it not take part."""
    return x if mask is None else x * mask[..., column, None].to(x.dtype)
