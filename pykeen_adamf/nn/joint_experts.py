"""The interaction of MoMoK: experts of each modality, which decide jointly."""

from typing import Any

import torch
from class_resolver import OptionalKwargs
from docdata import parse_docdata
from pykeen.nn.modules import TuckERInteraction
from torch import nn

from ..typing import BoolTensor, FloatTensor
from .experts import AttentiveSum, ExpertMixture, MutualInformation
from .joint_decision import MeanProbability
from .query import QueryForm, query_form_of
from .query_forms import TuckERForm
from .relational import RelationalInteraction, temperature

__all__ = ["JointExpertsInteraction"]


@parse_docdata
class JointExpertsInteraction(RelationalInteraction):
    r"""A TuckER for each modality and for all of them fused, and the mean of what they predict, cf. MoMoK.

    Relations have a part for each modality, and a number for the temperature at the end.

    ---
    citation:
        author: Zhang
        year: 2025
        arxiv: 2405.16869
        link: https://arxiv.org/abs/2405.16869
        github: zjukg/MoMoK
    """

    def __init__(
        self,
        num_modalities: int,
        dim: int,
        relation_dim: int,
        num_experts: int = 3,
        information_weight: float = 1.0e-4,
        decoder_kwargs: OptionalKwargs = None,
        **kwargs: Any,
    ) -> None:
        """Initialize the interaction module.

        :param num_modalities: The number of modalities.
        :param dim: The dimension of embeddings.
        :param relation_dim: The dimension of each part of a relation.
        :param num_experts: The number of experts of each modality.
        :param information_weight: >=0, the weight of the mutual information of experts, averaged over modalities.
        :param decoder_kwargs: Keyword-based parameters of :class:`pykeen.nn.modules.TuckERInteraction`.
        :param kwargs: Keyword-based parameters of :class:`.experts.AttentiveSum`.
        """
        super().__init__(num_modalities, dim)
        self.mixtures = nn.ModuleList(ExpertMixture(dim, num_experts) for _ in range(num_modalities))
        self.entity_fusion = AttentiveSum(num_modalities, dim, dim, **kwargs)
        self.relation_fusion = AttentiveSum(num_modalities, relation_dim, relation_dim, **kwargs)
        options = {"core_initializer": nn.init.xavier_uniform_, **(decoder_kwargs or {})}
        self.decoders = nn.ModuleList(
            TuckERInteraction(embedding_dim=dim, relation_dim=relation_dim, **options)
            for _ in range(num_modalities + 1)
        )
        self.information = nn.ModuleList(
            MutualInformation(dim, information_weight / num_modalities)
            for _ in range(num_modalities if information_weight else 0)
        )

    @property
    def numel(self) -> int:  # noqa: D102
        # the core tensor, applied to the relation
        return max(self.width, self.dim**2)

    def represent(self, x: FloatTensor, temperatures: FloatTensor | None = None) -> list[FloatTensor]:
        """Return an embedding for each modality, and a fused one at the end, shape of each: ``(n, dim)``.

        :param x: shape: ``(n, width)``, the entities.
        :param temperatures: shape: ``(n, 1)``, the temperatures of the known entities of queries; or ``None`` for
            candidates.
        """
        embeddings, mask = self.split(x)
        mixed = []
        for i, (mixture, part) in enumerate(zip(self.mixtures, embeddings.unbind(dim=1), strict=True)):
            embedding, outputs = mixture(part, temperatures)
            mixed.append(embedding)
            if self.information and temperatures is not None:
                self.information[i].update(outputs)  # type: ignore[operator]
        return [*mixed, self.entity_fusion(torch.stack(mixed, dim=1), mask)]

    def compare(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:  # noqa: D102
        form = _JointExpertsForm(self)
        dims = torch.broadcast_shapes(h.shape[:-1], r.shape[:-1])
        h, r = (x.expand(*dims, x.shape[-1]).reshape(-1, x.shape[-1]) for x in (h, r))
        candidates = form.candidates(t.reshape(-1, t.shape[-1])).unflatten(0, t.shape[:-1])
        return form.comparison.compare(form.query(h, r, True).unflatten(0, dims), candidates)


@query_form_of(JointExpertsInteraction)
class _JointExpertsForm(QueryForm):
    """The queries of all decoders, one after the other."""

    # candidates are not weighted by the relation
    both_sides = False

    def __init__(self, interaction: JointExpertsInteraction) -> None:
        self.interaction = interaction
        self.comparison = MeanProbability(interaction.num_modalities + 1)
        self.is_stochastic = interaction.training

    def query(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor | bool) -> FloatTensor:
        x = self.interaction
        parts = relation[:, :-1].unflatten(-1, (x.num_modalities, -1))
        relations = [*parts.unbind(dim=1), x.relation_fusion(parts)]
        entities = x.represent(entity, temperature(relation))
        triples = zip(x.decoders, entities, relations, strict=True)
        return torch.cat([TuckERForm(decoder).query(e, r, True) for decoder, e, r in triples], dim=-1)  # type: ignore[arg-type]

    def candidates(self, table: FloatTensor, is_head: bool = True) -> FloatTensor:
        return torch.cat(self.interaction.represent(table), dim=-1)
