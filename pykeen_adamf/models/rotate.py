"""RotatE with any norm: the structural baseline of AdaMF."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from class_resolver import HintOrType, OptionalKwargs
from pykeen.losses import Loss, NSSALoss
from pykeen.regularizers import Regularizer
from pykeen.triples import KGInfo
from torch import nn

from ..nn.interaction import LpRotatEInteraction
from ..nn.phase import PhaseRepresentation
from .anchored import AnchoredScoringModel
from .initialization import get_embedding_range
from .sparse import use_sparse_gradients

__all__ = ["LpRotatE"]


class LpRotatE(AnchoredScoringModel):
    r"""RotatE with the $L_p$ norm over the coordinates' moduli, i.e., AdaMF without any features.

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
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 250,
        p: float = 1.0,
        sparse: bool = False,
        regularizer: HintOrType[Regularizer] = None,
        regularizer_kwargs: OptionalKwargs = None,
        **kwargs,
    ) -> None:
        """Initialize the model.

        :param triples_factory: The training triples.
        :param embedding_dim: The embedding dimension, in complex numbers.
        :param p: The norm over coordinates.
        :param sparse: Whether gradients of entity embeddings are sparse, such that a step costs what its batch costs
            rather than what all entities cost. To be used for large graphs, together with ``optimizer="LazyAdam"``.
        :param regularizer: The regularizer of entity representations.
        :param regularizer_kwargs: Additional keyword-based parameters passed to the regularizer.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        """
        bound = get_embedding_range(embedding_dim, kwargs, default_margin=self.loss_default_kwargs["margin"])
        super().__init__(
            triples_factory=triples_factory,
            interaction=LpRotatEInteraction,
            interaction_kwargs=dict(p=p),
            entity_representations_kwargs=dict(
                shape=embedding_dim,
                dtype=torch.cfloat,
                initializer=partial(nn.init.uniform_, a=-bound, b=bound),
                regularizer=regularizer,
                regularizer_kwargs=regularizer_kwargs,
            ),
            relation_representations=PhaseRepresentation,
            # to look for duplicates would cost more than to calculate them
            relation_representations_kwargs=dict(shape=embedding_dim, phase_scale=bound / torch.pi, unique=False),
            **kwargs,
        )
        use_sparse_gradients(self.entity_representations, sparse)
