"""Our reading of MoCME."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pykeen.losses import Loss
from pykeen.triples import KGInfo

from ..constants import MISSING
from ..losses import EntropyGuidedLoss
from .adamf import AdaMF

__all__ = ["MoCME"]


class MoCME(AdaMF):
    """Mixture of complementary modality experts, as we read the abstract of MoCME (Li, 2025).

    .. warning ::
        Only the abstract is public: it has neither formulas nor code, and its results cannot be compared with those of
        this model.

    Views and modalities are weighted by what they add to others
    (:class:`pykeen_adamf.nn.fusion.ComplementarityFusion`), and negatives by how uncertain the model is of them
    (:class:`pykeen_adamf.losses.EntropyGuidedLoss`). What the abstract does not say is as in AdaMF: triples are scored
    as in RotatE, with sampled negatives, features are not fine-tuned, and a modality that an entity misses has no part
    in the fusion. It is :class:`AdaMF` with other defaults.
    ---
    citation:
        author: Li
        year: 2025
        link: https://arxiv.org/abs/2507.20620
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        num_views=dict(type=int, low=3, high=5),
        measure=dict(type="categorical", choices=["cosine", "information"]),
        temperature=dict(type="categorical", choices=[0.03, 0.1, 0.3]),
        as_sum=dict(type="categorical", choices=[False, True]),
        missing=dict(type="categorical", choices=list(MISSING)),
    )

    loss_default: ClassVar[type[Loss]] = EntropyGuidedLoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = dict(margin=12.0)

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 250,
        interaction: str = "LpRotatE",
        num_views: int | None = 3,
        measure: str = "cosine",
        temperature: float = 0.1,
        intra_modal: bool = True,
        inter_modal: bool = True,
        as_sum: bool = False,
        missing: str = "mask",
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param embedding_dim: The embedding dimension, in complex numbers.
        :param interaction: The interaction.
        :param num_views: >1, the number of experts of each modality; without any, for ``None``.
        :param measure: How to measure complementarity: ``"cosine"`` or ``"information"``.
        :param temperature: >0, the smaller, the more those are preferred that add most.
        :param intra_modal: Whether views are weighted by complementarity, or equally.
        :param inter_modal: Whether modalities are weighted by complementarity, or equally.
        :param as_sum: Whether the weights of modalities add up to their number rather than to one.
        :param missing: What to do where an entity misses a modality: by default, it is left out.
        :param kwargs: Additional keyword-based parameters passed to :class:`AdaMF`.
        :raises ValueError: if an option is out of range, or for the same reasons as :class:`AdaMF`
        """
        super().__init__(
            triples_factory=triples_factory,
            embedding_dim=embedding_dim,
            interaction=interaction,
            fusion="complementarity",
            fusion_kwargs=dict(
                num_views=num_views,
                measure=measure,
                temperature=temperature,
                intra_modal=intra_modal,
                inter_modal=inter_modal,
                as_sum=as_sum,
            ),
            missing=missing,
            **kwargs,
        )
