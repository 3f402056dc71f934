"""IKRL."""

from collections.abc import Sequence

from pykeen.triples import KGInfo

from ..nn.cross_modal import IKRLInteraction
from .cross_modal import CrossModalModel
from .multimodal import choose_visual

__all__ = ["IKRL"]


class IKRL(CrossModalModel):
    r"""IKRL (Xie et al., 2017): translations within and between structural and visual embeddings.

    .. math ::
        f(h, r, t) = -\sum_{a, b \in \{s, v\}} \|\mathbf{h}_a + \mathbf{r} - \mathbf{t}_b\|_1

    All embeddings are normalized. The visual embedding is the projection of an entity's features. Other modalities, or
    several of them, can be chosen by ``modalities``.

    ---
    citation:
        author: Xie
        year: 2017
        link: https://www.ijcai.org/proceedings/2017/0438
        github: thunlp/IKRL
    """

    interaction_cls = IKRLInteraction
    with_sum = False

    @classmethod
    def _choose(cls, triples_factory: KGInfo, modalities: Sequence[str] | None) -> Sequence[str] | None:
        return choose_visual(triples_factory, modalities, cls.__name__)
