"""NativE."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from class_resolver import HintOrType, OptionalKwargs
from pykeen.losses import Loss, NSSALoss
from pykeen.regularizers import Regularizer
from pykeen.triples import KGInfo
from pykeen.typing import Hint, Initializer
from torch import nn

from ..checks import check_positive
from ..constants import MISSING, STRUCTURAL
from ..nn.dual_fusion import DualFusionInteraction, WeighedModalities
from ..nn.query import get_query_form, match_negatives, unique_with_inverse
from ..nn.relational import temperature
from ..typing import FloatTensor, LongTensor
from .geometry import DEFAULT_MARGIN, EPSILON
from .multimodal import MultimodalModel, fused_entities, select_features

__all__ = ["NativE"]


class NativE(MultimodalModel):
    r"""NativE (Zhang et al., 2024): RotatE on modalities that are weighted by entity and relation.

    .. math ::
        \mathbf{e}(r) = \sum_m \mathrm{softmax}_m\left(\frac{\mathbf{a}^\top \tanh \mathbf{e}_m}{\sigma(g_r)}\right)
            \mathbf{e}_m, \qquad
        f(h, r, t) = -\|\mathbf{h}(r) \circ \mathbf{r} - \mathbf{t}(r)\|_1

    where $\mathbf{e}_m$ is a structural embedding, or comes out of two layers on an entity's features. The weights that
    ``modality_weights`` returns are those of $\sigma(g_r) = 1$.

    For the paper's collaborative modality adversarial training, train it with ``training_loop="MAT"`` and
    ``joint_generator=True``, ``adversarial_weighting="wasserstein"``, ``gradient_penalty=0.1`` and
    ``adversarial_weight=1e-4``. There, the gradient penalty is one of gradients with respect to modality embeddings. In
    the authors' code, it is of those with respect to $\mathbf{h}(r)$, whose norm is the same for all triples.

    What entities are depends on the relation, so that there is no table of all entities that queries are compared with:
    evaluation takes longer than that of :class:`AdaMFRotatE`, and a step of training needs the embeddings of all
    modalities for each pair of an entity and a relation: use ``sub_batch_size`` if this is too much memory.

    ---
    citation:
        author: Zhang
        year: 2024
        arxiv: 2406.17605
        link: https://arxiv.org/abs/2406.17605
        github: zjukg/NATIVE
    """

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
        embedding_dim: int = 250,
        p: float = 1.0,
        modalities: Sequence[str] | None = None,
        missing: str = "random",
        trainable_features: bool = False,
        hidden_dims: Sequence[int] | None = None,
        sparse: bool = False,
        compute_dtype: str | None = None,
        entity_initializer: Hint[Initializer] = None,
        entity_initializer_kwargs: OptionalKwargs = None,
        regularizer: HintOrType[Regularizer] = None,
        regularizer_kwargs: OptionalKwargs = None,
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param embedding_dim: The embedding dimension, in complex numbers.
        :param p: The norm over coordinates.
        :param missing: What to do where an entity misses a modality; ``"mask"`` leaves it out of the mean.
        :param hidden_dims: The dimensions of hidden layers between features and their embeddings. Defaults to one
            layer of the width of embeddings, as in the authors' code.
        :param entity_initializer: The initializer of structural embeddings. Defaults to that of RotatE, whose range
            depends on the margin of the loss. Relations and their temperatures are always initialized in this way.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the triples factory has no features, or not the requested ones, or an option is invalid
        """
        features = select_features(triples_factory, modalities, type(self).__name__)
        embedding_dim = check_positive("embedding_dim", embedding_dim)
        loss = self.make_loss(kwargs)
        bound = float((getattr(loss, "margin", None) or DEFAULT_MARGIN) + EPSILON) / embedding_dim
        initial = dict(initializer=nn.init.uniform_, initializer_kwargs=dict(a=-bound, b=bound))
        chosen = dict(initializer=entity_initializer, initializer_kwargs=entity_initializer_kwargs)
        names = [STRUCTURAL, *features]
        super().__init__(
            triples_factory=triples_factory,
            loss=loss,
            interaction=DualFusionInteraction(len(names), embedding_dim, bound=bound, p=p),
            **fused_entities(
                features,
                dict.fromkeys(names, 2 * embedding_dim),
                structural=initial if entity_initializer is None else chosen,
                fusion=WeighedModalities,
                fusion_kwargs=None,
                projection=dict(
                    missing=missing,
                    trainable=trainable_features,
                    compute_dtype=compute_dtype,
                    hidden_dims=(2 * embedding_dim,) if hidden_dims is None else hidden_dims,
                ),
                sparse=sparse,
                regularizer=regularizer,
                regularizer_kwargs=regularizer_kwargs,
            ),
            relation_representations_kwargs=dict(shape=embedding_dim + 1, **initial),
            **kwargs,
        )

    def score_corrupted(self, positives: LongTensor, negatives: LongTensor) -> FloatTensor:
        """Score negatives, cf. :meth:`QueryScoringModel.score_corrupted`.

        Each entity is fused once for each relation that it is seen with, rather than for each triple; the rest is
        RotatE on what comes out.
        """
        interaction: Any = self.interaction
        form = get_query_form(interaction.rotation)
        if form is None or not self._can_share():
            return super().score_corrupted(positives, negatives)
        positives, negatives = positives.to(self.device), negatives.to(self.device)
        h, r, t = positives.unbind(dim=-1)
        query, corrupted = match_negatives(positives, negatives)
        entities = torch.cat([h, t, corrupted])
        shared = self._shared or self._represent(entities)
        # the relations, and the pairs of an entity and a relation, without repetitions
        distinct, r = unique_with_inverse(r)
        relations = self.relation_representations[0](distinct)
        of_entities = torch.cat([r, r, r.repeat_interleave(negatives.shape[1])])
        pairs, place = unique_with_inverse(shared.rows(entities) * len(distinct) + of_entities)
        temperatures = temperature(relations)[pairs % len(distinct)]
        fused = interaction.fuse(shared.get_rows(pairs // len(distinct)), temperatures)
        heads, tails, candidates = place.split([len(h), len(t), len(corrupted)])
        rotations = interaction.rotations(relations)[r]
        queries = [form.real_query(fused[heads], rotations, True), form.real_query(fused[tails], rotations, False)]
        scores = form.comparison.score_pairs(torch.cat(queries), form.comparison.to_real(fused), query, candidates)
        return scores.view(negatives.shape[:-1])
