"""What IKRL and TBKGC have in common."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from class_resolver import HintOrType, OptionalKwargs
from pykeen.losses import Loss, NSSALoss
from pykeen.nn.modules import Interaction
from pykeen.regularizers import Regularizer
from pykeen.triples import KGInfo
from pykeen.typing import Hint, Initializer
from torch import nn
from torch.nn import functional as F

from ..constants import MISSING, STRUCTURAL
from ..nn.fusion import CrossModalFusion
from .multimodal import MultimodalModel, fused_entities, select_features

__all__ = ["CrossModalModel"]


class CrossModalModel(MultimodalModel):
    """A model of translations between structural and multi-modal embeddings."""

    #: The interaction, and whether it needs the sum of both embeddings
    interaction_cls: ClassVar[type[Interaction[Any, Any, Any]]]
    with_sum: ClassVar[bool]

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        missing=dict(type="categorical", choices=list(MISSING)),
    )

    loss_default: ClassVar[type[Loss]] = NSSALoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = dict(margin=12.0, adversarial_temperature=2.0)

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 200,
        modalities: Sequence[str] | None = None,
        missing: str = "random",
        trainable_features: bool = True,
        sparse: bool = False,
        compute_dtype: str | None = None,
        entity_initializer: Hint[Initializer] = None,
        relation_initializer: Hint[Initializer] = None,
        regularizer: HintOrType[Regularizer] = None,
        regularizer_kwargs: OptionalKwargs = None,
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param embedding_dim: The embedding dimension, shared equally by the modalities in the multi-modal embedding.
        :param missing: What to do where an entity misses a modality: ``"random"`` or ``"zero"`` features, cf.
            :class:`pykeen_adamf.nn.ProjectedFeatureRepresentation`; or ``"mask"``, for zeros in place of its embedding,
            and the structural embedding in place of the multi-modal one if the entity misses all.
        :param entity_initializer: The initializer of structural embeddings. Defaults to Glorot's, as in the reference
            code; their length does not matter.
        :param relation_initializer: The initializer of relation embeddings, with the same default.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the triples factory has no features, or not the requested ones, or there are more of them
            than dimensions
        """
        features = select_features(triples_factory, self._choose(triples_factory, modalities), type(self).__name__)
        share, rest = divmod(embedding_dim, len(features))
        if not share:
            raise ValueError(
                f"{len(features)} modalities cannot share {embedding_dim} dimensions. Choose an embedding_dim of at "
                f"least {len(features)}."
            )
        # as equal as possible
        shares = {name: share + (i < rest) for i, name in enumerate(features)}
        super().__init__(
            triples_factory=triples_factory,
            loss=self.make_loss(kwargs),
            interaction=self.interaction_cls,
            **fused_entities(
                features,
                {STRUCTURAL: embedding_dim, **shares},
                structural=dict(initializer=entity_initializer or nn.init.xavier_uniform_),
                fusion=CrossModalFusion,
                fusion_kwargs=dict(with_sum=self.with_sum),
                projection=dict(missing=missing, trainable=trainable_features, compute_dtype=compute_dtype),
                sparse=sparse,
                regularizer=regularizer,
                regularizer_kwargs=regularizer_kwargs,
            ),
            relation_representations_kwargs=dict(
                shape=embedding_dim,
                initializer=relation_initializer or nn.init.xavier_uniform_,
                # the length of embeddings does not matter
                normalizer=F.normalize,
                normalizer_kwargs=dict(dim=-1),
            ),
            **kwargs,
        )

    @classmethod
    def _choose(cls, triples_factory: KGInfo, modalities: Sequence[str] | None) -> Sequence[str] | None:
        """Choose the modalities, if the user did not."""
        return modalities
