"""MMKRL."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from pykeen.losses import Loss, NSSALoss
from pykeen.regularizers import PowerSumRegularizer
from pykeen.triples import KGInfo
from pykeen.typing import Hint, Initializer
from torch import nn
from torch.nn import functional as F

from ..checks import check_not_negative, check_positive
from ..constants import MISSING, STRUCTURAL
from ..nn.cross_modal import MMKRLInteraction
from ..nn.fusion.base import Fusion, select
from ..typing import BoolTensor, FloatTensor, LongTensor, SyntheticEmbeddings
from .multimodal import MultimodalModel, fused_entities, select_features

__all__ = ["MMKRL", "AligningFusion"]

#: What the generator of adversarial training makes.
PERTURBATION = "perturbation"


class AligningFusion(Fusion):
    """The parts of entities that MMKRL's energies are between, and what keeps these parts alike.

    Everything is divided by the number of energies, whose sum is the mean then.
    """

    def __init__(self, dims: Mapping[str, int], alignment_weight: float = 1.0) -> None:
        """Initialize the fusion.

        :param dims: The dimension of each modality's embeddings, of which the structural one is the first.
        :param alignment_weight: The weight of the alignment error.
        """
        super().__init__(dims)
        width = dims[STRUCTURAL]
        self.projection = nn.Linear(width, width, bias=False)
        self.head_bias, self.relation_bias, self.tail_bias = (nn.Parameter(torch.zeros(width)) for _ in range(3))
        self.to_multimodal = nn.Linear(width, width, bias=False)
        # PyKEEN's models collect the terms of all regularizers that they have
        self.entity_alignment, self.relation_alignment = (
            PowerSumRegularizer(weight=alignment_weight, p=2.0, normalize=True, apply_only_once=True) for _ in range(2)
        )

    @property
    def dim(self) -> int:  # noqa: D102
        return MMKRLInteraction.num_parts * self.dims[STRUCTURAL]

    def reset_parameters(self) -> None:  # noqa: D102
        for bias in (self.head_bias, self.relation_bias, self.tail_bias):
            nn.init.zeros_(bias)

    def forward(
        self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None, perturbation: FloatTensor | None = None
    ) -> FloatTensor:
        """Return the parts of entities, cf. :class:`pykeen_adamf.nn.MMKRLInteraction`, one after the other.

        :param perturbation: shape: ``(*batch_dims, dim)``, what to add to all parts but the structural one.
        """
        structural, *others = (select(x, mask, i) for i, x in enumerate(embeddings))
        multimodal, projected = torch.stack(others).sum(dim=0), self.projection(structural)
        head, tail = projected + self.head_bias, projected + self.tail_bias
        error = self.to_multimodal(structural) - multimodal
        if mask is not None:
            # who has nothing but the one has it in place of the other
            has_structural, has_others = mask[..., :1], mask[..., 1:].any(dim=-1, keepdim=True)
            error = error * has_others
            multimodal = torch.where(has_others, multimodal, structural)
            structural, head, tail = (torch.where(has_structural, x, multimodal) for x in (structural, head, tail))
        # of heads and of tails
        self.entity_alignment.update(structural - head, structural - tail, error, error)
        if perturbation is not None:
            head, tail, multimodal = (x + perturbation for x in (head, tail, multimodal))
        return torch.cat([self._normalize(x) for x in (head, tail, multimodal, structural)], dim=-1)

    def project_relations(self, x: FloatTensor) -> FloatTensor:
        """Return what triples are scored by instead of relation embeddings, both of shape ``(*batch_dims, dim)``."""
        projected = self.projection(x) + self.relation_bias
        self.relation_alignment.update(x - projected)
        return self._normalize(projected)

    @staticmethod
    def _normalize(x: FloatTensor) -> FloatTensor:
        return F.normalize(x, dim=-1) / len(MMKRLInteraction.left)


class MMKRL(MultimodalModel):
    r"""MMKRL (Lu et al., 2022): translations between projected structural embeddings and those of all modalities.

    .. math ::
        f(h, r, t) = -\frac{1}{4} \left(d(\mathbf{h}', \mathbf{t}') + d(\mathbf{h}_m, \mathbf{t}_m)
            + d(\mathbf{h}_m, \mathbf{t}) + d(\mathbf{h}, \mathbf{t}_m)\right), \qquad
        d(\mathbf{x}, \mathbf{y}) = \|\mathbf{x} + \mathbf{r}' - \mathbf{y}\|_1

    for normalized vectors, where $\mathbf{x}' = \mathbf{W} \mathbf{x} + \mathbf{b}$ with one matrix, and biases of
    their own for heads, relations and tails; and $\mathbf{e}_m$ is a linear layer on the features of all modalities
    together. Alignment errors are added to the loss: the mean squares of $\mathbf{x} - \mathbf{x}'$ for heads,
    relations and tails, and of $\mathbf{V} \mathbf{e} - \mathbf{e}_m$ for heads and tails. They are
    calculated once in a step, for the entities and relations that are needed first, each of which counts once.

    For adversarial training, use ``training_loop="MAT"`` with ``adversarial_weight=0.07`` and
    ``synthetic_kinds=["both"]``: a generator makes a perturbation of each entity's structural embedding and noise,
    which is *added* to $\mathbf{e}'$ and $\mathbf{e}_m$. So does the code with which the AdaMF-MAT paper reports
    MMKRL. Its biases begin with normal random numbers, which are much larger than what they are added to; here, with
    zeros.

    ---
    citation:
        author: Lu
        year: 2022
        link: https://doi.org/10.1007/s10489-021-02693-9
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        alignment_weight=dict(type="categorical", choices=[0.01, 0.1, 1.0]),
        missing=dict(type="categorical", choices=list(MISSING)),
    )

    loss_default: ClassVar[type[Loss]] = NSSALoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = dict(margin=12.0, adversarial_temperature=2.0)

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 200,
        alignment_weight: float = 1.0,
        modalities: Sequence[str] | None = None,
        missing: str = "random",
        trainable_features: bool = True,
        sparse: bool = False,
        compute_dtype: str | None = None,
        entity_initializer: Hint[Initializer] = None,
        relation_initializer: Hint[Initializer] = None,
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param embedding_dim: The embedding dimension.
        :param alignment_weight: >=0, the weight of alignment errors.
        :param missing: What to do where an entity misses a modality: ``"random"`` or ``"zero"`` features, cf.
            :class:`pykeen_adamf.nn.ProjectedFeatureRepresentation`; or ``"mask"``, for no part in the layer, and the
            structural embedding in place of the multi-modal one if the entity misses all.
        :param entity_initializer: The initializer of structural embeddings. Defaults to Glorot's.
        :param relation_initializer: The initializer of relation embeddings, with the same default.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the triples factory has no features, or not the requested ones, or an option is invalid
        """
        embedding_dim = check_positive("embedding_dim", embedding_dim)
        features = select_features(triples_factory, modalities, type(self).__name__)
        dims = dict.fromkeys([STRUCTURAL, *features], embedding_dim)
        fusion = AligningFusion(dims, check_not_negative("alignment_weight", alignment_weight))
        super().__init__(
            triples_factory=triples_factory,
            loss=self.make_loss(kwargs),
            interaction=MMKRLInteraction,
            **fused_entities(
                features,
                dims,
                structural=dict(initializer=entity_initializer or nn.init.xavier_uniform_),
                fusion=fusion,
                fusion_kwargs=None,
                # the layer on all features together is the sum of one on each
                projection=dict(missing=missing, trainable=trainable_features, compute_dtype=compute_dtype),
                sparse=sparse,
            ),
            relation_representations_kwargs=dict(
                shape=embedding_dim,
                initializer=relation_initializer or nn.init.xavier_uniform_,
                # with the matrix of entities
                normalizer=fusion.project_relations,
                unique=True,
            ),
            **kwargs,
        )

    @property
    def synthetic_dims(self) -> Mapping[str, int]:  # noqa: D102
        return {PERTURBATION: self.structural_dim}

    def real_embeddings(self, indices: LongTensor) -> SyntheticEmbeddings:  # noqa: D102
        # real entities are not perturbed
        return {PERTURBATION: torch.zeros_like(self.structural_embeddings(indices))}

    def synthetic_representations(  # noqa: D102
        self, indices: LongTensor, synthetic: SyntheticEmbeddings
    ) -> list[FloatTensor]:
        perturbation, mask = synthetic[PERTURBATION], self.fused.participation(indices)
        parts = [self._modality_embeddings(name, indices) for name in self.modalities]
        rows = [x.unsqueeze(dim=1).expand_as(perturbation) for x in parts]
        return [self.fused.fusion(rows, None if mask is None else mask.unsqueeze(dim=1), perturbation)]
