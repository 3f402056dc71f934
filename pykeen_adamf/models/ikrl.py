"""IKRL."""

from collections.abc import Sequence

from pykeen.triples import KGInfo

from ..constants import VISUAL
from ..nn.cross_modal import IKRLInteraction
from ..triples import MultimodalTriplesFactory
from .cross_modal import CrossModalModel

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
        if modalities is not None or not isinstance(triples_factory, MultimodalTriplesFactory):
            return modalities
        if triples_factory.features and VISUAL not in triples_factory.features:
            raise ValueError(
                f"IKRL uses visual features, but there are only {list(triples_factory.features)}. Choose some of these "
                f"by modalities=[...]."
            )
        return [VISUAL] if triples_factory.features else None
