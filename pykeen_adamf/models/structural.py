"""Models without features: the structural baselines of multi-modal ones."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from class_resolver import HintOrType, OptionalKwargs
from pykeen.losses import CrossEntropyLoss, Loss, NSSALoss
from pykeen.regularizers import Regularizer
from pykeen.triples import KGInfo
from pykeen.typing import Hint, Initializer

from ..nn.structural import StructuralEmbedding
from .geometry import Geometry
from .query import QueryScoringModel

__all__ = ["LpRotatE", "Structural"]


class Structural(QueryScoringModel):
    """One learned embedding for each entity, and any interaction: :class:`AdaMF` without features.

    The same scores as of PyKEEN's model of the interaction, calculated faster where it has queries: each entity once in
    a batch, and the scores of all entities by one matrix product, if the interaction is bilinear.
    ---
    citation:
        author: Ali
        year: 2021
        link: https://jmlr.org/papers/v22/20-825.html
        github: pykeen/pykeen
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        batch_norm=dict(type="categorical", choices=[False, True]),
        entity_dropout=dict(type=float, low=0.0, high=0.5, q=0.1),
        query_dropout=dict(type=float, low=0.0, high=0.5, q=0.1),
    )

    loss_default: ClassVar[type[Loss]] = CrossEntropyLoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = {}

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 200,
        relation_dim: int | None = None,
        interaction: str = "ComplEx",
        interaction_kwargs: OptionalKwargs = None,
        batch_norm: bool = False,
        entity_dropout: float = 0.0,
        query_dropout: float = 0.0,
        sparse: bool = False,
        entity_initializer: Hint[Initializer] = None,
        entity_initializer_kwargs: OptionalKwargs = None,
        relation_initializer: Hint[Initializer] = None,
        relation_initializer_kwargs: OptionalKwargs = None,
        regularizer: HintOrType[Regularizer] = None,
        regularizer_kwargs: OptionalKwargs = None,
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param triples_factory: The training triples.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the interaction cannot be used
        """
        loss = self.make_loss(kwargs)
        geometry = Geometry.make(
            interaction,
            interaction_kwargs,
            embedding_dim,
            relation_dim,
            batch_norm=batch_norm,
            entity_dropout=entity_dropout,
            query_dropout=query_dropout,
            margin=getattr(loss, "margin", None),
            entity_initializer=entity_initializer,
            entity_initializer_kwargs=entity_initializer_kwargs,
            relation_initializer=relation_initializer,
            relation_initializer_kwargs=relation_initializer_kwargs,
        )
        super().__init__(
            triples_factory=triples_factory,
            loss=loss,
            entity_representations=StructuralEmbedding,
            entity_representations_kwargs=dict(
                shape=geometry.entity_shape,
                dtype=torch.cfloat if geometry.is_complex else None,
                **geometry.entity_initializer,
                sparse=sparse,
                regularizer=regularizer,
                regularizer_kwargs=regularizer_kwargs,
            ),
            **geometry.model_kwargs,
            **kwargs,
        )


class LpRotatE(Structural):
    """RotatE with any norm over the coordinates' moduli, cf. :class:`pykeen_adamf.nn.LpRotatEInteraction`.

    It has the same initialization and the same loss defaults as :class:`AdaMFRotatE`, and hence is the structural
    baseline for it.
    ---
    citation:
        author: Sun
        year: 2019
        link: https://arxiv.org/abs/1902.10197
        github: DeepGraphLearning/KnowledgeGraphEmbedding
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
    )

    loss_default: ClassVar[type[Loss]] = NSSALoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = dict(margin=12.0, adversarial_temperature=2.0)

    def __init__(  # type: ignore[no-untyped-def]
        self, *, triples_factory: KGInfo, embedding_dim: int = 250, p: float = 1.0, sparse: bool = False, **kwargs
    ) -> None:
        """Initialize the model.

        :param triples_factory: The training triples.
        :param embedding_dim: The embedding dimension, in complex numbers.
        :param p: The norm over coordinates.
        :param sparse: Whether gradients of entity embeddings are sparse, cf. :class:`AdaMF`.
        :param kwargs: Additional keyword-based parameters passed to :class:`Structural`.
        """
        super().__init__(
            triples_factory=triples_factory,
            embedding_dim=embedding_dim,
            interaction="LpRotatE",
            interaction_kwargs=dict(p=p),
            sparse=sparse,
            **kwargs,
        )
