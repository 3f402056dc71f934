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
    r"""One learned embedding for each entity, and any interaction: :class:`AdaMF` without features.

    The same scores as of PyKEEN's model of the interaction, calculated faster where it has queries: each entity once in
    a batch, and the scores of all entities by one matrix product, if the interaction is bilinear.
    ---
    citation:
        author: Ali
        year: 2021
        link: https://jmlr.org/papers/v22/20-825.html
        github: pykeen/pykeen
    """

    #: The default strategy for optimizing the model's hyper-parameters
    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        batch_norm=dict(type="categorical", choices=[False, True]),
        entity_dropout=dict(type=float, low=0.0, high=0.5, q=0.1),
        query_dropout=dict(type=float, low=0.0, high=0.5, q=0.1),
    )

    #: The default loss function class
    loss_default: ClassVar[type[Loss]] = CrossEntropyLoss
    #: The default parameters for the default loss function class
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = {}

    # PyKEEN's command line makes an option of every annotation, hence none for kwargs
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
        """Initialize the model.

        :param triples_factory: The training triples.
        :param embedding_dim: The embedding dimension, in complex numbers or quaternions for interactions of these.
        :param relation_dim: The dimension of relations, where it may be another one.
        :param interaction: The interaction, cf. :class:`AdaMF`.
        :param interaction_kwargs: Keyword-based parameters of the interaction.
        :param batch_norm: Whether to normalize entities and queries, cf.
            :class:`pykeen_adamf.nn.RegularizedInteraction`.
        :param entity_dropout: The dropout rate of known entities.
        :param query_dropout: The dropout rate of queries.
        :param sparse: Whether gradients of entity embeddings are sparse, such that a step costs what its batch costs
            rather than what all entities cost. To be used for large graphs, together with ``optimizer="LazyAdam"``.
        :param entity_initializer: The initializer of entity embeddings. Defaults to what suits the interaction.
        :param entity_initializer_kwargs: Keyword-based parameters of this initializer, if it is given.
        :param relation_initializer: The initializer of relation embeddings, with the same default.
        :param relation_initializer_kwargs: Keyword-based parameters of this initializer, if it is given.
        :param regularizer: The regularizer of entity representations.
        :param regularizer_kwargs: Additional keyword-based parameters passed to the regularizer.
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
            **geometry.model_kwargs(),
            **kwargs,
        )


class LpRotatE(Structural):
    r"""RotatE with the $L_p$ norm over the coordinates' moduli, i.e., AdaMFRotatE without any features.

    .. math ::
        f(h, r, t) = - \left(\sum_i |\mathbf{h}_i \mathbf{r}_i - \mathbf{t}_i|^p\right)^{1/p}

    The code of the papers of RotatE and AdaMF-MAT sums the moduli, i.e., $p = 1$, and learns angles; PyKEEN's
    :class:`pykeen.models.RotatE` uses $p = 2$, and normalizes complex numbers. This model is the former, with the same
    initialization and the same loss defaults as :class:`AdaMFRotatE`, and hence the structural baseline for it.
    ---
    citation:
        author: Sun
        year: 2019
        link: https://arxiv.org/abs/1902.10197
        github: DeepGraphLearning/KnowledgeGraphEmbedding
    """

    #: The default strategy for optimizing the model's hyper-parameters
    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
    )

    #: The default loss function class
    loss_default: ClassVar[type[Loss]] = NSSALoss
    #: The default parameters for the default loss function class
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = dict(margin=12.0, adversarial_temperature=2.0)

    # PyKEEN's command line makes an option of every annotation, hence none for kwargs
    def __init__(  # type: ignore[no-untyped-def]
        self, *, triples_factory: KGInfo, embedding_dim: int = 250, p: float = 1.0, sparse: bool = False, **kwargs
    ) -> None:
        """Initialize the model.

        :param triples_factory: The training triples.
        :param embedding_dim: The embedding dimension, in complex numbers.
        :param p: The norm over coordinates.
        :param sparse: Whether gradients of entity embeddings are sparse, cf. :class:`Structural`.
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
