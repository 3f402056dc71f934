"""The interaction of NativE: modalities weighted by entity and relation, and rotations of what is fused."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import torch
from docdata import parse_docdata
from torch import nn

from ..typing import BoolTensor, FloatTensor
from .fusion import SideBySide
from .interaction import LpRotatEInteraction
from .relational import RelationalInteraction, temperature

__all__ = ["DualFusionInteraction", "WeighedModalities"]

#: The logit of what does not take part: its weight is zero, whatever the temperature, and its gradient is, too.
NEVER: Final = -1e4


class WeighedModalities(SideBySide):
    r"""The embeddings of all modalities, and a logit $\mathbf{a}^\top \tanh \mathbf{e}_m$ of each at the end.

    Logits are calculated here, once for each entity, rather than for each triple.
    """

    needs_equal_dims = True
    has_weights: ClassVar[bool] = True

    def __init__(self, dims: Mapping[str, int]) -> None:
        """Initialize the fusion.

        :param dims: The dimension of each modality's embeddings.
        """
        super().__init__(dims, with_mask=True)
        self.attention = nn.Linear(next(iter(dims.values())), 1, bias=False)

    def reset_parameters(self) -> None:  # noqa: D102
        self.attention.reset_parameters()

    def numbers(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None) -> FloatTensor:
        """Return the logits, shape: ``(*batch_dims, num_modalities)``."""
        logits = torch.cat([self.attention(x.tanh()) for x in embeddings], dim=-1)
        return logits if mask is None else logits.masked_fill(~mask, NEVER)

    def weights(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:
        """Return the weights at a temperature of one."""
        return self.numbers(embeddings, mask).softmax(dim=-1)


@parse_docdata
class DualFusionInteraction(RelationalInteraction):
    r"""RotatE on weighted means of modalities, whose weights depend on the entity and on the relation, cf. NativE.

    .. math ::
        \mathbf{e}(r) = \sum_m \mathrm{softmax}_m\left(\frac{\mathbf{a}^\top \tanh \mathbf{e}_m}{\tau_r}\right)
            \mathbf{e}_m

    Entities are as :class:`WeighedModalities` has them. Relations are angles in units of $\pi / \beta$, and a number
    for the temperature at the end.

    ---
    citation:
        author: Zhang
        year: 2024
        arxiv: 2406.17605
        link: https://arxiv.org/abs/2406.17605
        github: zjukg/NATIVE
    """

    def __init__(self, num_modalities: int, dim: int, bound: float = 1.0, p: float = 1.0) -> None:
        r"""Initialize the interaction module.

        :param num_modalities: The number of modalities.
        :param dim: The dimension of embeddings, in complex numbers.
        :param bound: >0, the number $\beta$ that means half a turn.
        :param p: >0, the norm over coordinates, cf. :class:`pykeen_adamf.nn.LpRotatEInteraction`.
        """
        super().__init__(num_modalities, 2 * dim)
        self.bound = bound
        self.rotation = LpRotatEInteraction(p=p)

    def fuse(self, x: FloatTensor, temperatures: FloatTensor) -> FloatTensor:
        """Return what entities are for relations, shape: ``(*batch_dims, dim)``, as complex numbers.

        :param x: shape: ``(*s, width)``, the entities.
        :param temperatures: shape: ``(*t, 1)``, those of the relations, such that both can be broadcast.
        """
        *embeddings, logits = x.split([*self.num_modalities * [self.dim], self.num_modalities], dim=-1)
        weights = (logits / temperatures).softmax(dim=-1).split(1, dim=-1)
        # there are so few of them that matrix products take longer
        fused = weights[0] * embeddings[0]
        for weight, embedding in zip(weights[1:], embeddings[1:], strict=True):
            fused = torch.addcmul(fused, weight, embedding)
        return torch.view_as_complex(fused.unflatten(-1, (-1, 2)).contiguous())

    def rotations(self, r: FloatTensor) -> FloatTensor:
        """Return the rotations of relations, shapes: ``(*s, dim + 1)`` to ``(*s, dim)``, as complex numbers."""
        angles = r[..., :-1] * (torch.pi / self.bound)
        return torch.complex(angles.cos(), angles.sin())

    def compare(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:  # noqa: D102
        head, tail = (self.fuse(x, temperature(r)) for x in (h, t))
        scores: FloatTensor = self.rotation(head, self.rotations(r), tail)
        return scores
