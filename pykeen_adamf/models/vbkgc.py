"""VBKGC."""

from ..nn.cross_modal import IKRLInteraction
from .cross_modal import CrossModalModel

__all__ = ["VBKGC"]


class VBKGC(CrossModalModel):
    r"""VBKGC (Zhang and Zhang, 2022): translations between structural embeddings and those of all modalities together.

    .. math ::
        f(h, r, t) = -\sum_{a, b \in \{s, m\}} \|\mathbf{h}_a + \mathbf{r} - \mathbf{t}_b\|_1

    The energies of :class:`IKRL`, of all modalities. The paper has one vector for the image and the text of an entity,
    of an encoder for both; here, as in :class:`TBKGC`, the projected features of each modality have an equal share of
    the dimensions. All embeddings are normalized.

    The paper's *twins* negative sampling, which draws structural and multi-modal negatives apart, is
    ``training_loop="Twins"``. It is no part of the code with which the AdaMF-MAT paper reports VBKGC.

    ---
    citation:
        author: Zhang
        year: 2022
        link: https://arxiv.org/abs/2209.07084
    """

    interaction_cls = IKRLInteraction
    with_sum = False
