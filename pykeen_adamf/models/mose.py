"""MoSE."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from class_resolver import OptionalKwargs
from pykeen.losses import CrossEntropyLoss, Loss
from pykeen.nn.modules import ComplExInteraction
from pykeen.nn.representation import Embedding
from pykeen.triples import KGInfo
from pykeen.typing import Hint, Initializer
from torch import nn

from ..checks import check_positive
from ..constants import MISSING, STRUCTURAL
from ..nn.fusion import SideBySide
from ..typing import FloatTensor, LongTensor
from .geometry import DEFAULT_DEVIATION
from .multimodal import MultimodalModel, fused_entities, select_features

__all__ = ["MoSE", "WeightedEmbedding"]


class WeightedEmbedding(Embedding):
    """Relations with a part for each modality, which has a weight in predictions, and none while it is trained."""

    #: shape: ``(max_id, num_parts)``, weights that add up to one
    weights: FloatTensor

    def __init__(self, *args: Any, num_parts: int = 1, **kwargs: Any) -> None:
        """Initialize the representation.

        :param args: Parameters passed to :class:`pykeen.nn.representation.Embedding`.
        :param num_parts: The number of parts.
        :param kwargs: Keyword-based parameters passed to :class:`pykeen.nn.representation.Embedding`.
        """
        super().__init__(*args, **kwargs)
        self.register_buffer("weights", torch.empty(self.max_id, num_parts))
        self.reset_parameters()

    def reset_parameters(self) -> None:  # noqa: D102
        super().reset_parameters()
        # the base class resets itself before there are weights
        if "weights" in self._buffers:
            self.weights.fill_(1 / self.weights.shape[1])

    def _plain_forward(self, indices: LongTensor | None = None) -> FloatTensor:
        x: FloatTensor = super()._plain_forward(indices)
        if self.training:
            return x
        weights = self.weights if indices is None else self.weights[indices]
        weighted: FloatTensor = x.unflatten(-1, (weights.shape[-1], -1)) * weights.unsqueeze(dim=-1)
        return weighted.flatten(start_dim=-2)


class MoSE(MultimodalModel):
    r"""MoSE (Zhao et al., 2022): a model for each modality, with relations of its own, and an ensemble of them.

    .. math ::
        f(h, r, t) = \sum_m w_{rm} \operatorname{Re} \langle \mathbf{h}_m, \mathbf{r}_m, \bar{\mathbf{t}}_m \rangle

    where $\mathbf{e}_m$ is a structural embedding, or the projection of an entity's features. With
    ``training_loop="OneVsAll"``, each part is trained with a cross-entropy of its own, as in the paper; other losses
    and loops train the sum. For predictions, the weights are equal, i.e., the average of scores, or what
    :func:`pykeen_adamf.ensembles.fit_ensemble` has found out on validation triples.

    The paper's code chooses between ensembles on test triples; here, nothing of the kind is possible.

    ---
    citation:
        author: Zhao
        year: 2022
        link: https://aclanthology.org/2022.emnlp-main.719
        github: OreOZhao/MoSE4MKGC
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        missing=dict(type="categorical", choices=list(MISSING)),
    )

    loss_default: ClassVar[type[Loss]] = CrossEntropyLoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = {}

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 200,
        modalities: Sequence[str] | None = None,
        missing: str = "mask",
        trainable_features: bool = False,
        compute_dtype: str | None = None,
        entity_initializer: Hint[Initializer] = None,
        entity_initializer_kwargs: OptionalKwargs = None,
        relation_initializer: Hint[Initializer] = None,
        relation_initializer_kwargs: OptionalKwargs = None,
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param embedding_dim: The embedding dimension of each part, in complex numbers.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the triples factory has no features, or not the requested ones, or an option is unknown
        """
        features = select_features(triples_factory, modalities, type(self).__name__)
        embedding_dim = check_positive("embedding_dim", embedding_dim)
        names = [STRUCTURAL, *features]
        default = dict(initializer=nn.init.normal_, initializer_kwargs=dict(std=DEFAULT_DEVIATION))
        entity = dict(initializer=entity_initializer, initializer_kwargs=entity_initializer_kwargs)
        relation = dict(initializer=relation_initializer, initializer_kwargs=relation_initializer_kwargs)
        super().__init__(
            triples_factory=triples_factory,
            loss=self.make_loss(kwargs),
            interaction=ComplExInteraction,
            **fused_entities(
                features,
                dict.fromkeys(names, 2 * embedding_dim),
                structural=default if entity_initializer is None else entity,
                fusion=SideBySide,
                fusion_kwargs=None,
                projection=dict(missing=missing, trainable=trainable_features, compute_dtype=compute_dtype),
                sparse=False,
                is_complex=True,
            ),
            relation_representations=WeightedEmbedding,
            relation_representations_kwargs=dict(
                shape=embedding_dim * len(names),
                num_parts=len(names),
                dtype=torch.cfloat,
                **(default if relation_initializer is None else relation),
            ),
            **kwargs,
        )
        self.num_parts = len(names)

    @property
    def relations(self) -> WeightedEmbedding:
        """Return the representation of relations, with the weights of the ensemble."""
        representation = self.relation_representations[0]
        assert isinstance(representation, WeightedEmbedding)
        return representation

    @property
    def part_weights(self) -> FloatTensor:
        """Return the weights of parts, shape: ``(num_relations, num_parts)``, with those of inverse relations."""
        return self.relations.weights
