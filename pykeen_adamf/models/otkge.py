"""OTKGE."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from pykeen.triples import KGInfo
from typing_extensions import Self

from ..checks import check_positive
from ..constants import MISSING, STRUCTURAL, TEXTUAL, VISUAL
from ..nn import ProjectedFeatureRepresentation
from ..nn.transport import average_plan
from .adamf import AdaMF
from .multimodal import select_features

__all__ = ["OTKGE"]

#: The weights of modalities in the authors' code.
WEIGHTS: Mapping[str, float] = {VISUAL: 0.1, TEXTUAL: 0.7}


class OTKGE(AdaMF):
    r"""OTKGE (Cao et al., 2022): features are moved to the space of structural embeddings by optimal transport.

    .. math ::
        \mathbf{e} = \left(1 - \sum_m w_m\right) \mathbf{s}
        + \sum_m w_m \left((\mathbf{T}_m + \mathbf{W}_m) \mathbf{f}_m + \mathbf{b}_m\right)

    with fixed weights $w_m$, and learned $\mathbf{W}_m$ and $\mathbf{b}_m$. Triples are scored as in ComplEx. The plan
    $\mathbf{T}_m$ is the mean of plans for single entities, between the coordinates of their features and those of
    their structural embeddings before training, cf. :func:`pykeen_adamf.nn.transport.average_plan`. It is what the
    projection begins with, which is the same as to add $\mathbf{W}_m$ to it. Needs POT, i.e., the extra ``ot``.

    Train it with ``training_loop="OneVsAll"``, ``n3_weight``, the cross-entropy and Adagrad, as in the paper. The
    authors' code averages the plans of ten entities; so does the default here: each plan is an optimal transport
    problem of its own, and their mean is only what training begins with.

    ---
    citation:
        author: Cao
        year: 2022
        link: https://openreview.net/forum?id=gbXqMdxsZIP
        github: Lion-ZS/OTKGE
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        entropy=dict(type="categorical", choices=[0.003, 0.01, 0.03]),
        missing=dict(type="categorical", choices=list(MISSING)),
    )

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 200,
        feature_weights: Mapping[str, float] | None = None,
        num_plans: int = 10,
        entropy: float = 0.01,
        modalities: Sequence[str] | None = None,
        missing: str = "mask",
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param feature_weights: The weight of each modality; the structural one has the rest of one. Defaults to 0.1 for
            visual and 0.7 for textual features, and for others, to equal shares of 0.8.
        :param num_plans: >0, of how many entities to average the plans.
        :param entropy: The weight of the entropy of plans, relative to the largest cost.
        :param kwargs: Additional keyword-based parameters passed to :class:`AdaMF`.
        :raises ImportError: if POT is not installed
        :raises ValueError: if a weight is not positive, or all are more than one; features are too wide; or for the
            same reasons as :class:`AdaMF`
        """
        features = select_features(triples_factory, modalities, type(self).__name__)
        default = WEIGHTS if WEIGHTS.keys() >= features.keys() else dict.fromkeys(features, 0.8 / len(features))
        weights = {name: (feature_weights or default).get(name, 0.0) for name in features}
        if feature_weights and (unknown := sorted(feature_weights.keys() - features.keys())):
            raise ValueError(f"There are feature_weights of {unknown}, but the modalities are {list(features)}.")
        if min(weights.values()) <= 0 or sum(weights.values()) > 1:
            raise ValueError(
                f"feature_weights must be positive for each of {list(features)}, and not add up to more than one, but "
                f"are {weights}."
            )
        if kwargs.get("hidden_dims"):
            raise ValueError("Transport plans lead from features to embeddings at once: leave hidden_dims out.")
        # parameters are reset at the end of it
        self.num_plans, self.entropy = check_positive("num_plans", num_plans), entropy
        super().__init__(
            triples_factory=triples_factory,
            embedding_dim=embedding_dim,
            interaction="ComplEx",
            fusion="sum",
            fusion_kwargs=dict(initial_scale={STRUCTURAL: 1 - sum(weights.values()), **weights}, trainable=False),
            modalities=list(features),
            missing=missing,
            **kwargs,
        )

    @torch.no_grad()
    def _plan(self) -> None:
        """Let projections begin with the plans to the structural embeddings that there are now."""
        for name, base in self.fused.bases.items():
            if not isinstance(base, ProjectedFeatureRepresentation):
                continue
            x = base.features
            present = x.presence.nonzero().squeeze(dim=-1)
            if len(present):
                order = torch.randperm(len(present), generator=torch.Generator().manual_seed(0))
                chosen = present[order[: self.num_plans]]
                embeddings = self.fused.bases[STRUCTURAL](chosen.to(self.device))
                base.projection.weight += average_plan(x.matrix[chosen], embeddings, self.entropy, name).to(self.device)

    def reset_parameters_(self) -> Self:  # noqa: D102
        super().reset_parameters_()
        self._plan()
        return self
