"""The AdaMF model."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from class_resolver import HintOrType, OptionalKwargs
from pykeen.losses import CrossEntropyLoss, Loss, NSSALoss
from pykeen.regularizers import Regularizer
from pykeen.triples import KGInfo
from pykeen.typing import Hint, Initializer

from ..constants import ATTENTIONS, MISSING, STRUCTURAL
from ..nn.fusion import Fusion, fusion_resolver
from ..suggestions import lookup
from .geometry import Geometry
from .multimodal import MultimodalModel, fused_entities, select_features

__all__ = ["AdaMF", "AdaMFRotatE"]


class AdaMF(MultimodalModel):
    """Multi-modal fusion with any fusion, any interaction, and any training loop.

    An entity has a learned structural embedding and, for each modality, a linear projection of its features.
    The fusion makes one embedding of them, and the interaction scores triples of these; the representation of relations
    follows from it. With ``fusion="adaptive"`` and ``interaction="LpRotatE"``, this is the model of AdaMF-MAT
    (Zhang et al., 2024), cf. :class:`AdaMFRotatE`. On dense graphs, ``interaction="ComplEx"`` with
    ``training_loop="OneVsAll"``, batch normalization, dropout and ``fusion="sum"`` finds better links in less time. Use
    ``training_loop="MAT"`` or ``"OneVsAllMAT"`` to add modality adversarial training.

    ---
    citation:
        author: Zhang
        year: 2024
        link: https://arxiv.org/abs/2402.15444
        github: zjukg/AdaMF-MAT
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        # a study can only go on with the same choices
        fusion=dict(type="categorical", choices=["adaptive", "mean", "sum", "gated", "concatenation"]),
        missing=dict(type="categorical", choices=list(MISSING)),
        batch_norm=dict(type="categorical", choices=[False, True]),
        entity_dropout=dict(type=float, low=0.0, high=0.5, q=0.1),
        query_dropout=dict(type=float, low=0.0, high=0.5, q=0.1),
        feature_dropout=dict(type=float, low=0.0, high=0.5, q=0.1),
    )

    loss_default: ClassVar[type[Loss]] = CrossEntropyLoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = {}

    # PyKEEN's command line makes an option of every annotation, hence none for kwargs, here and in other models
    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 200,
        relation_dim: int | None = None,
        interaction: str = "ComplEx",
        interaction_kwargs: OptionalKwargs = None,
        fusion: str = "sum",
        fusion_kwargs: OptionalKwargs = None,
        batch_norm: bool = False,
        entity_dropout: float = 0.0,
        query_dropout: float = 0.0,
        modalities: Sequence[str] | None = None,
        use_structural: bool = True,
        missing: str = "mask",
        trainable_features: bool = False,
        center_features: bool = False,
        scale_features: bool = False,
        feature_dropout: float = 0.0,
        hidden_dims: Sequence[int] | None = None,
        sparse: bool = False,
        compute_dtype: str | None = None,
        entity_initializer: Hint[Initializer] = None,
        entity_initializer_kwargs: OptionalKwargs = None,
        relation_initializer: Hint[Initializer] = None,
        relation_initializer_kwargs: OptionalKwargs = None,
        regularizer: HintOrType[Regularizer] = None,
        regularizer_kwargs: OptionalKwargs = None,
        **kwargs,
    ) -> None:
        """Initialize the model.

        :param triples_factory: The training triples, with features.
        :param embedding_dim: The embedding dimension, in complex numbers or quaternions for interactions of these.
        :param relation_dim: The dimension of relations, where it may be another one, e.g., for TuckER.
        :param interaction: The interaction, its class or its name: any of PyKEEN's or this package's that takes one
            vector for each entity.
        :param interaction_kwargs: Keyword-based parameters of the interaction. Dimensions need not be among them.
        :param fusion: The fusion, its class or its name: ``"adaptive"``, ``"mean"``, ``"sum"``, ``"gated"``,
            ``"concatenation"`` or ``"complementarity"``, cf. :mod:`pykeen_adamf.nn.fusion`.
        :param fusion_kwargs: Keyword-based parameters of the fusion.
        :param batch_norm: Whether to normalize known entities and queries, as TuckER does, cf.
            :class:`pykeen_adamf.nn.RegularizedInteraction`. Needs inverse relations.
        :param entity_dropout: The dropout rate of known entities.
        :param query_dropout: The dropout rate of queries.
        :param modalities: The modalities to use, in addition to the structural one. Defaults to all of the triples
            factory.
        :param use_structural: Whether to use the structural modality. The ablation without cannot be trained with
            modality adversarial training, since its generators are conditioned on structural embeddings.
        :param missing: What to do where an entity misses a modality: ``"mask"`` to leave the modality out of the
            entity's fusion, ``"random"`` features as in the paper, or ``"zero"`` features, cf.
            :class:`pykeen_adamf.nn.ProjectedFeatureRepresentation`.
        :param trainable_features: Whether to fine-tune the features, as the reference code does.
        :param center_features: Whether to subtract the mean from features.
        :param scale_features: Whether to divide features by their standard deviation.
        :param feature_dropout: The dropout rate of features.
        :param hidden_dims: The dimensions of hidden layers between features and their embeddings.
        :param sparse: Whether gradients of entity embeddings and features are sparse, such that a step costs what its
            batch costs rather than what all entities cost. To be used for large graphs, together with
            ``optimizer="LazyAdam"``.
        :param compute_dtype: The data type in which features are projected, if not single precision, e.g.,
            ``"bfloat16"``.
        :param entity_initializer: The initializer of structural embeddings. Defaults to what suits the interaction.
        :param entity_initializer_kwargs: Its keyword-based parameters, if it is given.
        :param relation_initializer: The initializer of relation embeddings, with the same default.
        :param relation_initializer_kwargs: Its keyword-based parameters, if it is given.
        :param regularizer: The regularizer of the fused entity representations.
        :param regularizer_kwargs: Its keyword-based parameters.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the triples factory has no features, or not the requested ones; or the interaction or
            the fusion is unknown, or cannot be used
        """
        features = select_features(triples_factory, modalities, model=type(self).__name__)
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
        names = [STRUCTURAL, *features] if use_structural else list(features)
        super().__init__(
            triples_factory=triples_factory,
            loss=loss,
            **fused_entities(
                features,
                dict.fromkeys(names, geometry.width),
                structural=geometry.entity_initializer,
                fusion=fusion,
                fusion_kwargs=fusion_kwargs,
                projection=dict(
                    missing=missing,
                    trainable=trainable_features,
                    compute_dtype=compute_dtype,
                    center=center_features,
                    scale=scale_features,
                    feature_dropout=feature_dropout,
                    hidden_dims=hidden_dims or (),
                ),
                sparse=sparse,
                shape=geometry.entity_shape,
                is_complex=geometry.is_complex,
                regularizer=regularizer,
                regularizer_kwargs=regularizer_kwargs,
            ),
            **geometry.model_kwargs,
            **kwargs,
        )


class AdaMFRotatE(AdaMF):
    """The model of AdaMF-MAT (Zhang et al., 2024), with the defaults of the authors' code.

    Modalities are fused with weights of the entity's own (eq. 4, 5; :class:`pykeen_adamf.nn.fusion.AdaptiveFusion`).
    What comes out of it, seen as complex numbers, is scored as in RotatE, with the sum of moduli as norm (eq. 6;
    :class:`pykeen_adamf.nn.LpRotatEInteraction`).

    Train it with ``training_loop="MAT"`` for AdaMF-MAT, or with any other training loop for AdaMF alone. It is
    :class:`AdaMF` with other defaults.

    ---
    citation:
        author: Zhang
        year: 2024
        link: https://arxiv.org/abs/2402.15444
        github: zjukg/AdaMF-MAT
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        attention=dict(type="categorical", choices=list(ATTENTIONS)),
        fusion=dict(type="categorical", choices=["adaptive", "mean"]),
        missing=dict(type="categorical", choices=list(MISSING)),
    )

    loss_default: ClassVar[type[Loss]] = NSSALoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = dict(margin=12.0, adversarial_temperature=2.0)

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
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param embedding_dim: The embedding dimension, in complex numbers.
        :param attention: The attention vectors of adaptive fusion, cf. :class:`pykeen_adamf.nn.fusion.AdaptiveFusion`.
        :param fusion: ``"adaptive"``, ``"mean"`` for the paper's ablation with equal weights, or any other.
        :param p: The norm over coordinates. The reference code sums, i.e., ``p=1``.
        :param kwargs: Additional keyword-based parameters passed to :class:`AdaMF`.
        :raises ValueError: if an option is unknown, or for the same reasons as :class:`AdaMF`
        """
        if attention not in ATTENTIONS:
            raise ValueError(f"attention must be one of {ATTENTIONS}, but is {attention!r}")
        cls = type(fusion) if isinstance(fusion, Fusion) else lookup(fusion_resolver, fusion)
        if cls is fusion_resolver.lookup("adaptive"):
            kwargs["fusion_kwargs"] = {"attention": attention, **(kwargs.get("fusion_kwargs") or {})}
        super().__init__(
            triples_factory=triples_factory,
            embedding_dim=embedding_dim,
            interaction="LpRotatE",
            interaction_kwargs=dict(p=p),
            fusion=fusion,
            modalities=modalities,
            use_structural=use_structural,
            missing=missing,
            trainable_features=trainable_features,
            sparse=sparse,
            compute_dtype=compute_dtype,
            **kwargs,
        )
