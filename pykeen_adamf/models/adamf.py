"""The AdaMF model."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, ClassVar

import torch
from class_resolver import HintOrType, OptionalKwargs
from pykeen.losses import Loss, NSSALoss
from pykeen.regularizers import Regularizer
from pykeen.triples import KGInfo
from pykeen.typing import Hint, Initializer
from torch import nn

from ..constants import ATTENTIONS, FUSIONS, MISSING, STRUCTURAL
from ..nn.adaptive_fusion import AdaptiveFusionRepresentation
from ..nn.interaction import LpRotatEInteraction
from ..nn.phase import PhaseRepresentation
from ..typing import FloatTensor, LongTensor
from .initialization import get_embedding_range
from .multimodal import MultimodalModel, embed_modalities, select_features
from .sparse import use_sparse_gradients

__all__ = ["AdaMFRotatE"]


class AdaMFRotatE(MultimodalModel):
    r"""Adaptive multi-modal fusion with RotatE, the model of AdaMF-MAT (`Zhang et al., 2024`_).

    An entity has a learned structural embedding and, for each modality $m$, a projection of its features (eq. 2, 3):

    .. math ::
        \mathbf{e}_m = \mathbf{W}_m \mathbf{f}_m + \mathbf{b}_m

    They are fused with weights of the entity's own (eq. 4, 5):

    .. math ::
        \alpha_m = \mathrm{softmax}_m(\mathbf{w}_m^T \tanh(\mathbf{e}_m)),
        \qquad \mathbf{e} = \sum_m \alpha_m \mathbf{e}_m

    and, seen as complex numbers, scored as in RotatE, with the sum of moduli as norm (eq. 6):

    .. math ::
        f(h, r, t) = - \sum_i |\mathbf{h}_i \mathbf{r}_i - \mathbf{t}_i|

    The defaults are those of the authors' code. Train it with ``training_loop="MAT"`` for AdaMF-MAT, or with any other
    training loop for AdaMF alone.

    .. _Zhang et al., 2024: https://arxiv.org/abs/2402.15444
    ---
    citation:
        author: Zhang
        year: 2024
        link: https://arxiv.org/abs/2402.15444
        github: zjukg/AdaMF-MAT
    """

    #: The default strategy for optimizing the model's hyper-parameters
    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        attention=dict(type="categorical", choices=list(ATTENTIONS)),
        fusion=dict(type="categorical", choices=list(FUSIONS)),
        missing=dict(type="categorical", choices=list(MISSING)),
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
        modalities: Sequence[str] | None = None,
        use_structural: bool = True,
        attention: str = "shared",
        fusion: str = "adaptive",
        missing: str = "random",
        trainable_features: bool = True,
        sparse: bool = False,
        compute_dtype: str | None = None,
        p: float = 1.0,
        entity_initializer: Hint[Initializer] = None,
        regularizer: HintOrType[Regularizer] = None,
        regularizer_kwargs: OptionalKwargs = None,
        **kwargs,
    ) -> None:
        """Initialize the model.

        :param triples_factory: The training triples, with features.
        :param embedding_dim: The embedding dimension, in complex numbers.
        :param modalities: The modalities to use, in addition to the structural one. Defaults to all of the triples
            factory.
        :param use_structural: Whether to use the structural modality. The ablation without cannot be trained with
            modality adversarial training, since its generators are conditioned on structural embeddings.
        :param attention: ``"shared"`` for one attention vector shared by all modalities as in the reference code, or
            ``"per-modality"`` for one vector each as in the paper.
        :param fusion: ``"adaptive"``, or ``"mean"`` for equal weights.
        :param missing: What to do where an entity misses a modality: ``"random"`` features as in the paper, ``"zero"``
            features, or ``"mask"`` to leave the modality out of the entity's fusion, cf.
            :class:`pykeen_adamf.nn.ProjectedFeatureRepresentation`.
        :param trainable_features: Whether to fine-tune the features, as the reference code does.
        :param sparse: Whether gradients of entity embeddings and features are sparse, such that a step costs what its
            batch costs rather than what all entities cost. To be used for large graphs, together with
            ``optimizer="LazyAdam"``.
        :param compute_dtype: The data type in which features are projected, if not single precision, e.g.,
            ``"bfloat16"``.
        :param p: The norm over coordinates. The reference code sums, i.e., ``p=1``.
        :param entity_initializer: The initializer of structural embeddings. Defaults to the reference code's, i.e.,
            uniform with a range that depends on the loss' margin.
        :param regularizer: The regularizer of the fused entity representations.
        :param regularizer_kwargs: Additional keyword-based parameters passed to the regularizer.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the triples factory has no features, or not the requested ones
        """
        features = select_features(triples_factory, modalities, model="AdaMF")
        bound = get_embedding_range(embedding_dim, kwargs, default_margin=self.loss_default_kwargs["margin"])
        if entity_initializer is None:
            entity_initializer = partial(nn.init.uniform_, a=-bound, b=bound)
        names = [STRUCTURAL, *features] if use_structural else list(features)
        bases, bases_kwargs = embed_modalities(
            features,
            dims=dict.fromkeys(names, 2 * embedding_dim),
            structural=dict(initializer=entity_initializer),
            missing=missing,
            trainable=trainable_features,
            sparse=sparse,
            compute_dtype=compute_dtype,
        )
        super().__init__(
            triples_factory=triples_factory,
            interaction=LpRotatEInteraction,
            interaction_kwargs=dict(p=p),
            entity_representations=AdaptiveFusionRepresentation,
            entity_representations_kwargs=dict(
                bases=bases,
                bases_kwargs=bases_kwargs,
                attention=attention,
                fusion=fusion,
                mask_missing=missing == "mask",
                is_complex=True,
                regularizer=regularizer,
                regularizer_kwargs=regularizer_kwargs,
            ),
            relation_representations=PhaseRepresentation,
            # to look for duplicates would cost more than to calculate them
            relation_representations_kwargs=dict(shape=embedding_dim, phase_scale=bound / torch.pi, unique=False),
            **kwargs,
        )
        use_sparse_gradients(self.fused.bases.values(), sparse)

    @property
    def fused(self) -> AdaptiveFusionRepresentation:
        """Return the representation of entities."""
        representation = self.entity_representations[0]
        assert isinstance(representation, AdaptiveFusionRepresentation)
        return representation

    def modality_weights(self, indices: LongTensor | None = None) -> FloatTensor:
        """Return the weights of the modalities for entities.

        :param indices: shape: ``s``
            The entities, or ``None`` for all.
        :returns: shape: ``(*s, num_modalities)``
            The weights in the order of :attr:`modalities`; for each entity they sum to one.
        """
        with torch.no_grad():
            return self.fused.modality_weights(indices)

    def without_modality(self, name: str) -> AbstractContextManager[None]:
        """Within this context, predict as if the entities had all modalities but one.

        :param name: The name of the modality.
        :returns: The context, cf. :meth:`pykeen_adamf.nn.AdaptiveFusionRepresentation.without`.
        """
        return self.fused.without(name)
