"""MoMoK."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from class_resolver import HintOrType, OptionalKwargs
from pykeen.losses import BCEWithLogitsLoss, Loss
from pykeen.regularizers import Regularizer
from pykeen.triples import KGInfo
from pykeen.typing import Hint, Initializer
from torch import nn

from ..checks import check_not_negative, check_positive
from ..constants import MISSING, STRUCTURAL
from ..nn.fusion import SideBySide
from ..nn.joint_experts import JointExpertsInteraction
from .multimodal import MultimodalModel, fused_entities, select_features

__all__ = ["MoMoK"]


class MoMoK(MultimodalModel):
    r"""MoMoK (Zhang et al., 2025): experts of each modality, gated by the relation, and a decoder for each modality.

    .. math ::
        \mathbf{h}_m = \sum_k \mathrm{softmax}_k\left(\frac{\mathbf{U}_m \mathbf{e}_m + \boldsymbol{\delta}}{\tau_r}
            \right) E_{mk}(\mathbf{e}_m), \qquad
        f_m(h, r, t) = \mathcal{W}_m \times_1 \mathbf{h}_m \times_2 \mathbf{r}_m \times_3 \mathbf{t}_m, \qquad
        p(h, r, t) = \frac{1}{M + 1} \sum_m \sigma(f_m(h, r, t))

    for the structural embedding, for the projected features of each modality, and for what an attention over modalities
    fuses of the $\mathbf{h}_m$ (:class:`pykeen_adamf.nn.experts.AttentiveSum`). $\tau_r$ is a temperature between 0 and
    1, and $\boldsymbol{\delta}$ is noise in training (:class:`pykeen_adamf.nn.experts.ExpertMixture`). The score is the
    logit of $p$. The mutual information between experts, estimated for the known entities of a batch
    (:class:`pykeen_adamf.nn.experts.MutualInformation`), is a regularization term.

    Train it with inverse triples and ``training_loop="OneToN"``, which has a loss for each decoder, as in the paper.
    Other loops train the score, at the price of a matrix for each of their triples; with ``"OneVsAll"`` and the
    cross-entropy, each decoder has a softmax of its own.

    Where the paper says little, the authors' code is followed: the $\mathbf{t}_m$ are mixed with $\tau = 1$ whatever
    the relation, so that there is one candidate for each entity; and relations have a part for each modality, which are
    fused as entities are. There is an optimizer for everything: the networks that estimate mutual information learn at
    the same time as the model, rather than after each of its steps, and in their likelihood there is also the logarithm
    of the variance, which the code leaves out. Features are projected to the embedding dimension, where the code pools
    them, and not fine-tuned, unless ``trainable_features=True``. In each step, two experts of each modality are
    compared, where the code compares two triples of the batch. If a modality is left out of an entity's fusion, its own
    decoder sees a zero embedding.

    ---
    citation:
        author: Zhang
        year: 2025
        arxiv: 2405.16869
        link: https://arxiv.org/abs/2405.16869
        github: zjukg/MoMoK
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        num_experts=dict(type=int, low=2, high=5),
        information_weight=dict(type="categorical", choices=[1.0e-5, 1.0e-4, 1.0e-3]),
        missing=dict(type="categorical", choices=list(MISSING)),
    )

    loss_default: ClassVar[type[Loss]] = BCEWithLogitsLoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = {}

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 200,
        relation_dim: int | None = None,
        num_experts: int = 3,
        information_weight: float = 1.0e-4,
        num_heads: int = 2,
        fusion_dropout: float = 0.2,
        decoder_kwargs: OptionalKwargs = None,
        modalities: Sequence[str] | None = None,
        missing: str = "mask",
        trainable_features: bool = False,
        compute_dtype: str | None = None,
        entity_initializer: Hint[Initializer] = None,
        entity_initializer_kwargs: OptionalKwargs = None,
        relation_initializer: Hint[Initializer] = None,
        relation_initializer_kwargs: OptionalKwargs = None,
        regularizer: HintOrType[Regularizer] = None,
        regularizer_kwargs: OptionalKwargs = None,
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param embedding_dim: >1, the embedding dimension of each modality.
        :param relation_dim: The dimension of each part of a relation. Defaults to the embedding dimension.
        :param num_experts: >1, the number of experts of each modality.
        :param information_weight: >=0, the weight of the mutual information between experts.
        :param num_heads: >0, the number of heads of the attention over modalities.
        :param fusion_dropout: The dropout rate before this attention.
        :param decoder_kwargs: Keyword-based parameters of :class:`pykeen.nn.modules.TuckERInteraction`.
        :param entity_initializer: The initializer of structural embeddings. Defaults to Glorot's normal one.
        :param relation_initializer: The initializer of relations, with the same default.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the triples factory has no features, or not the requested ones, or an option is invalid
        """
        features = select_features(triples_factory, modalities, type(self).__name__)
        relation_dim = embedding_dim if relation_dim is None else relation_dim
        for name, value, least in (
            ("embedding_dim", embedding_dim, 2),
            ("relation_dim", relation_dim, 1),
            # one expert would have a weight of one, whatever the relation
            ("num_experts", num_experts, 2),
            ("num_heads", num_heads, 1),
        ):
            check_positive(name, value, least)
        check_not_negative("information_weight", information_weight)
        names = [STRUCTURAL, *features]
        super().__init__(
            triples_factory=triples_factory,
            loss=self.make_loss(kwargs),
            interaction=JointExpertsInteraction(
                num_modalities=len(names),
                dim=embedding_dim,
                relation_dim=relation_dim,
                num_experts=num_experts,
                information_weight=information_weight,
                decoder_kwargs=decoder_kwargs,
                num_heads=num_heads,
                dropout=fusion_dropout,
            ),
            **fused_entities(
                features,
                dict.fromkeys(names, embedding_dim),
                structural=dict(
                    initializer=entity_initializer or nn.init.xavier_normal_,
                    initializer_kwargs=entity_initializer_kwargs,
                ),
                fusion=SideBySide,
                fusion_kwargs=dict(with_mask=True),
                projection=dict(missing=missing, trainable=trainable_features, compute_dtype=compute_dtype),
                sparse=False,
                regularizer=regularizer,
                regularizer_kwargs=regularizer_kwargs,
            ),
            relation_representations_kwargs=dict(
                shape=len(names) * relation_dim + 1,
                initializer=relation_initializer or nn.init.xavier_normal_,
                initializer_kwargs=relation_initializer_kwargs,
            ),
            **kwargs,
        )
        #: the number of decoders, which have a loss each
        self.num_parts = len(names) + 1
