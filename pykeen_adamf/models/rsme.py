"""RSME."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, cast

import torch
from pykeen.triples import CoreTriplesFactory, KGInfo
from torch.nn import functional as F

from ..constants import MISSING, STRUCTURAL
from ..features import ModalityFeatures
from ..nn import ProjectedFeatureRepresentation
from ..typing import FloatTensor, LongTensor
from .adamf import AdaMF
from .multimodal import choose_visual, select_features

__all__ = ["RSME", "measure_gates"]

#: Of each relation, that many triples tell whether its heads and tails look alike.
NUM_TRIPLES: Final = 64


class RSME(AdaMF):
    r"""RSME (Wang et al., 2021): ComplEx on structure and images together, and a look at how similar the images are.

    .. math ::
        \mathbf{e} = (1 - \alpha) \mathbf{s} + \alpha (\mathbf{W} \mathbf{v} + \mathbf{b}), \qquad
        f(h, r, t) = \beta \operatorname{Re} \langle \mathbf{h}, \mathbf{r}, \bar{\mathbf{t}} \rangle
        + (1 - \beta) g_r \cos(\mathbf{v}_h, \mathbf{v}_t)

    The second term of $f$ has nothing to learn, and is part of predictions only. Features are frozen. The gate $g_r$ is
    measured on training triples before, cf. :func:`measure_gates`. Entities without an image have no second term.

    Train it with ``training_loop="OneVsAll"``, ``n3_weight`` and the cross-entropy, as in the paper. The code with
    which the AdaMF-MAT paper reports RSME has projected images as further coordinates instead.

    ---
    citation:
        author: Wang
        year: 2021
        link: https://dl.acm.org/doi/10.1145/3474085.3475470
        github: wangmengsd/RSME
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        feature_weight=dict(type=float, low=0.1, high=0.9, q=0.1),
        score_weight=dict(type=float, low=0.5, high=1.0, q=0.05),
        missing=dict(type="categorical", choices=list(MISSING)),
    )

    gates: FloatTensor

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 200,
        feature_weight: float = 0.7,
        score_weight: float = 0.5,
        use_gates: bool = True,
        modalities: Sequence[str] | None = None,
        missing: str = "mask",
        **kwargs,
    ) -> None:
        r"""Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param feature_weight: The weight $\alpha$ of features in embeddings, shared equally by modalities.
        :param score_weight: The weight $\beta$ of what is learned in predictions.
        :param use_gates: Whether to weight similarity by relation, or to have a weight of one for all.
        :param modalities: The modalities. Defaults to the visual one.
        :param kwargs: Additional keyword-based parameters passed to :class:`AdaMF`.
        :raises ValueError: if a weight is not between 0 and 1, or for the same reasons as :class:`AdaMF`
        """
        for name, value in (("feature_weight", feature_weight), ("score_weight", score_weight)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, but is {value}.")
        name = type(self).__name__
        features = select_features(triples_factory, choose_visual(triples_factory, modalities, name), name)
        scales = {STRUCTURAL: 1 - feature_weight, **dict.fromkeys(features, feature_weight / len(features))}
        super().__init__(
            triples_factory=triples_factory,
            embedding_dim=embedding_dim,
            interaction="ComplEx",
            fusion="sum",
            fusion_kwargs=dict(initial_scale=scales, trainable=False),
            modalities=list(features),
            missing=missing,
            **kwargs,
        )
        self.score_weight = score_weight
        num = triples_factory.real_num_relations
        # only a factory with triples has features
        triples = cast(CoreTriplesFactory, triples_factory).mapped_triples
        gates = measure_gates(triples, num, features.values()) if use_gates else torch.ones(num)
        self.register_buffer("gates", gates)

    def _add_similarity(self, scores: FloatTensor, similarity: FloatTensor, relations: LongTensor) -> FloatTensor:
        gates = self.gates[relations.to(self.gates.device)]
        return self.score_weight * scores + (1 - self.score_weight) * gates * similarity

    def _look(self, entities: LongTensor | None) -> Iterator[tuple[FloatTensor, FloatTensor]]:
        """Yield what entities look like in each modality: features, and what makes them one long, or zero if missing.

        They are kept apart, so that the table of all entities is not copied, unless it is in another precision.
        """
        for name, base in self.fused.bases.items():
            if isinstance(base, ProjectedFeatureRepresentation) and name not in self.fused.excluded:
                index = slice(None) if entities is None else entities.to(base.table.device)
                rows = base.table[index].to(self.gates.dtype)
                length = torch.linalg.vector_norm(rows, dim=-1).clamp(min=torch.finfo(rows.dtype).tiny)
                yield rows, base.presence[index] / length

    def predict_hrt(self, hrt_batch: LongTensor, **kwargs: Any) -> FloatTensor:  # noqa: D102
        scores = super().predict_hrt(hrt_batch, **kwargs)
        return self._add_similarity(scores, self._compare_pairs(hrt_batch[:, [0, 2]]), hrt_batch[:, 1:2])

    def predict_t(  # noqa: D102
        self, hr_batch: LongTensor, *, tails: LongTensor | None = None, **kwargs: Any
    ) -> FloatTensor:
        scores = super().predict_t(hr_batch, tails=tails, **kwargs)
        return self._add_similarity(scores, self._compare(hr_batch[:, 0], tails), hr_batch[:, 1:])

    def predict_h(  # noqa: D102
        self, rt_batch: LongTensor, *, heads: LongTensor | None = None, **kwargs: Any
    ) -> FloatTensor:
        scores = super().predict_h(rt_batch, heads=heads, **kwargs)
        return self._add_similarity(scores, self._compare(rt_batch[:, 1], heads), rt_batch[:, :1])

    def predict_r(  # noqa: D102
        self, ht_batch: LongTensor, *, relations: LongTensor | None = None, **kwargs: Any
    ) -> FloatTensor:
        scores = super().predict_r(ht_batch, relations=relations, **kwargs)
        # here, those of PyKEEN's interactions, which are followed by their inverse ones
        relations = torch.arange(self.num_relations) if relations is None else relations
        real = relations // 2 if self.use_inverse_triples else relations
        return self._add_similarity(scores, self._compare_pairs(ht_batch), real)

    def _compare(self, known: LongTensor, others: LongTensor | None) -> FloatTensor:
        """Return the similarity of each known entity with others, shape: ``(batch_size, num_others)``."""
        similarities = []
        for (x, x_scale), (y, y_scale) in zip(self._look(known), self._look(others), strict=True):
            x = x_scale.unsqueeze(dim=-1) * x
            similarities.append(y_scale * (x @ y.t() if y.ndim == 2 else torch.einsum("bd,bnd->bn", x, y)))
        # without any, all are equally similar
        return torch.stack(similarities).mean(dim=0) if similarities else self.gates.new_zeros(1, 1)

    def _compare_pairs(self, pairs: LongTensor) -> FloatTensor:
        """Return the similarity of the entities of each pair, shape: ``(batch_size, 1)``."""
        return self._compare(pairs[:, 0], pairs[:, 1:])


def measure_gates(triples: LongTensor, num_relations: int, features: Iterable[ModalityFeatures]) -> FloatTensor:
    r"""Measure by relation whether heads and tails of training triples look alike.

    .. math ::
        g_r = \sigma(1 - 2 \bar\rho_r)

    where $\bar\rho_r$ is the mean rank of the tail among all others by its similarity with the head, from 0 for the
    most similar to 1 for the least similar. It is our reading of the paper's relation-wise filter.

    :param triples: shape: ``(num_triples, 3)``, the training triples.
    :param num_relations: The number of relations.
    :param features: The features of each modality.
    :returns: shape: ``(num_relations,)``, the gates; as by chance, i.e., one half, for relations without triples whose
        entities have all modalities.
    """
    chance = torch.full((num_relations,), 0.5)
    modalities = list(features)
    there = torch.stack([x.presence for x in modalities]).all(dim=0)
    known = triples[there[triples[:, 0]] & there[triples[:, 2]] & (triples[:, 0] != triples[:, 2])]
    position = torch.empty_like(there, dtype=torch.long)
    position[there] = torch.arange(int(there.sum()))
    if not len(known) or int(there.sum()) < 3:
        return chance
    looks = [F.normalize(x.matrix[there].float(), dim=-1) for x in modalities]
    known = known[torch.randperm(len(known), generator=torch.Generator().manual_seed(0))]
    for relation in known[:, 1].unique().tolist():
        h, t = position[known[known[:, 1] == relation][:NUM_TRIPLES][:, [0, 2]]].unbind(dim=-1)
        similarity = torch.stack([x[h] @ x.t() for x in looks]).sum(dim=0)
        similarity.scatter_(1, h.unsqueeze(dim=1), -torch.inf)
        truth = similarity.gather(1, t.unsqueeze(dim=1))
        # who is as similar counts one half, but for the tail itself
        better = (similarity > truth).sum(dim=1) + ((similarity == truth).sum(dim=1) - 1) / 2
        chance[relation] = (1 - 2 * (better / (similarity.shape[1] - 2)).mean()).sigmoid()
    return chance
