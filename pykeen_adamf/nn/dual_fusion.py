"""The interaction of NativE: modalities weighted by entity and relation, and rotations of what is fused."""

import torch
from docdata import parse_docdata
from torch import nn

from ..typing import BoolTensor, FloatTensor
from .interaction import LpRotatEInteraction
from .relational import RelationalInteraction, masked_softmax, temperature

__all__ = ["DualFusionInteraction"]


@parse_docdata
class DualFusionInteraction(RelationalInteraction):
    r"""RotatE on weighted means of modalities, whose weights depend on the entity and on the relation, cf. NativE.

    .. math ::
        \mathbf{e}(r) = \sum_m \mathrm{softmax}_m\left(\frac{\mathbf{a}^\top \tanh \mathbf{e}_m}{\tau_r}\right)
            \mathbf{e}_m

    Relations are angles in units of $\pi / \beta$, and a number for the temperature at the end.

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
        self.attention = nn.Linear(2 * dim, 1, bias=False)
        self.rotation = LpRotatEInteraction(p=p)

    def weigh(self, embeddings: FloatTensor, mask: BoolTensor, temperatures: FloatTensor | float = 1.0) -> FloatTensor:
        """Return the weights of modalities, shape: ``(*batch_dims, num_modalities)``.

        :param embeddings: shape: ``(*s, num_modalities, dim)``, the embeddings.
        :param mask: shape: ``(*s, num_modalities)``, which modalities take part.
        :param temperatures: shape: ``(*t, 1)``, such that both can be broadcast to ``batch_dims``.
        """
        return masked_softmax(self.attention(embeddings.tanh()).squeeze(dim=-1) / temperatures, mask)

    def _fuse(self, x: FloatTensor, temperatures: FloatTensor) -> FloatTensor:
        """Return what entities are for relations, shape: ``(*batch_dims, dim / 2)``, as complex numbers."""
        embeddings, mask = self.split(x)
        fused = torch.einsum("...m,...md->...d", self.weigh(embeddings, mask, temperatures), embeddings)
        return torch.view_as_complex(fused.unflatten(-1, (-1, 2)).contiguous())

    def compare(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:  # noqa: D102
        angles = r[..., :-1] * (torch.pi / self.bound)
        rotation = torch.complex(angles.cos(), angles.sin())
        head, tail = (self._fuse(x, temperature(r)) for x in (h, t))
        scores: FloatTensor = self.rotation(head, rotation, tail)
        return scores
