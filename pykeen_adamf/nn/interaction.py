"""The RotatE interaction with any norm over coordinates."""

import math

import torch
from docdata import parse_docdata
from pykeen.nn.modules import NormBasedInteraction
from pykeen.utils import ensure_complex, estimate_cost_of_sequence

from ..typing import FloatTensor
from .comparison import Distance
from .query import QueryForm, query_form_of
from .query_forms import BilinearForm

__all__ = ["LpRotatEInteraction"]


@parse_docdata
class LpRotatEInteraction(NormBasedInteraction[FloatTensor, FloatTensor, FloatTensor]):
    r"""RotatE with the $L_p$ norm over the moduli of the coordinates (eq. 6 of the AdaMF-MAT paper for $p = 1$).

    .. math ::
        f(\mathbf{h}, \mathbf{r}, \mathbf{t})
            = -\left(\sum_i |\mathbf{h}_i \mathbf{r}_i - \mathbf{t}_i|^p\right)^{1/p}

    for relations of modulus one. The code of the papers of RotatE and AdaMF-MAT sums the moduli, i.e., $p = 1$.
    PyKEEN's :class:`pykeen.nn.modules.RotatEInteraction` uses $p = 2$, and ignores its parameter ``p``.

    ---
    citation:
        author: Sun
        year: 2019
        link: https://arxiv.org/abs/1902.10197
        github: DeepGraphLearning/KnowledgeGraphEmbedding
    """

    is_complex = True

    def __init__(self, p: float = 1, power_norm: bool = False) -> None:
        """Initialize the interaction module.

        :param p: >0, the norm over the coordinates' moduli.
        :param power_norm: Whether to use the p-th power of the norm.
        :raises ValueError: if ``p`` is not positive
        """
        if not p > 0:
            raise ValueError(f"p must be positive, but is {p!r}")
        super().__init__(p=p, power_norm=power_norm)  # type: ignore[arg-type]

    def forward(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:  # noqa: D102
        h, r, t = ensure_complex(h, r, t)
        # |h r - t| = |h - t conj(r)|: rotate the smaller side
        if estimate_cost_of_sequence(h.shape, r.shape) < estimate_cost_of_sequence(r.shape, t.shape):
            difference = h * r - t
        else:
            difference = h - t * torch.conj(r)
        # torch's subgradient of the modulus at zero is zero
        moduli = difference.abs()
        if self.power_norm:
            power: FloatTensor = (moduli**self.p).sum(dim=-1)
            return -power
        norm: FloatTensor = torch.linalg.vector_norm(moduli, ord=self.p, dim=-1)
        return -norm


@query_form_of(LpRotatEInteraction)
def _lp_rotate(interaction: LpRotatEInteraction) -> QueryForm | None:
    if not math.isfinite(interaction.p):
        # the maximum is no sum of powers
        return None
    # |h r - t| = |h - t conj(r)|
    comparison = Distance(interaction.p, interaction.power_norm, is_complex=True)
    return BilinearForm(comparison, lambda h, r: h * r, lambda t, r: t * r.conj())
