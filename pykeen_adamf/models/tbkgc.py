"""TBKGC."""

from ..nn.cross_modal import TBKGCInteraction
from .cross_modal import CrossModalModel

__all__ = ["TBKGC"]


class TBKGC(CrossModalModel):
    r"""TBKGC (Mousselly-Sergieh et al., 2018): translations between structural and multi-modal embeddings.

    .. math ::
        f(h, r, t) = -\sum_{a, b \in \{s, m\}} \|\mathbf{h}_a + \mathbf{r} - \mathbf{t}_b\|_1
            - \|\mathbf{h}_{s + m} + \mathbf{r} - \mathbf{t}_{s + m}\|_1

    The multi-modal embedding is the concatenation of the projected features of all modalities, each of which has an
    equal share of the dimensions. All embeddings, and their sums, are normalized.

    ---
    citation:
        author: Mousselly-Sergieh
        year: 2018
        link: https://aclanthology.org/S18-2027
    """

    interaction_cls = TBKGCInteraction
    with_sum = True
