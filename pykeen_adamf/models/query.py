"""Models whose interaction compares entities with queries."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

import torch
from pykeen.losses import Loss, loss_resolver
from pykeen.models import ERModel
from pykeen.nn.representation import Representation
from pykeen.typing import InductiveMode
from typing_extensions import Self

from ..nn.comparison import Comparison, Dot
from ..nn.query import QueryForm, find_queries, get_query_form, match_negatives, unique_with_inverse
from ..typing import FloatTensor, LongTensor
from .entity_table import EntityTable
from .shared_entities import SharedEntities

__all__ = ["QueryScoringModel"]

#: Predictions for less than one of this many entities do not need the representations of all entities.
FEW: Final = 8


class QueryScoringModel(ERModel[Any, Any, Any]):
    """A model that calculates each representation once for a batch, and scores queries and candidates.

    If its interaction has a :class:`pykeen_adamf.nn.QueryForm`, that is; and otherwise as PyKEEN does.
    """

    _shared: SharedEntities | None = None

    #: the keyword-based parameters that make another model like this one, together with the loss and the triples
    #: factory; or None if this was unpickled from a file of an earlier version
    creation_kwargs: Mapping[str, Any] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Take note of the parameters; initializers have done their work soon, and often cannot be pickled."""
        model: Self = super().__new__(cls)
        # there are none when a model is copied or unpickled
        if "triples_factory" in kwargs:
            model.__dict__["creation_kwargs"] = {
                name: value
                for name, value in kwargs.items()
                if name not in {"triples_factory", "loss", "loss_kwargs"} and "initializer" not in name
            }
        return model

    @property
    def device(self) -> torch.device:
        """Return the device; PyKEEN looks for all that there might be, several times in a step."""
        return next(self.parameters()).device

    @classmethod
    def make_loss(cls, kwargs: MutableMapping[str, Any]) -> Loss:
        """Make the loss, which initial embeddings may depend on.

        :param kwargs: The keyword-based parameters of the model, of which those of the loss are removed.
        :returns: The loss.
        """
        loss, loss_kwargs = kwargs.pop("loss", None), kwargs.pop("loss_kwargs", None)
        if loss is None:
            loss, loss_kwargs = cls.loss_default, {**(cls.loss_default_kwargs or {}), **(loss_kwargs or {})}
        instance: Loss = loss_resolver.make(loss, loss_kwargs)
        return instance

    @contextmanager
    def sharing(self, entities: LongTensor | None) -> Iterator[None]:
        """Within this context, use the same representations of entities for everything that is scored.

        Representations are calculated once rather than once for each call, and so is their gradient: to be used for
        one step of training, since they do not follow changes of parameters. A context within another one selects from
        the outer one's representations: to be used for few of many entities.

        :param entities: All entities that will be needed, in any shape, and possibly more than once; or ``None`` for
            all there are.
        """
        if not self._can_share() or (entities is None and self._shared is not None):
            yield
            return
        entities = None if entities is None else entities.to(self.device)
        outer = self._shared
        self._shared = self._represent(entities) if outer is None or entities is None else outer.select(entities)
        try:
            yield
        finally:
            self._shared = outer

    def _represent(self, entities: LongTensor | None) -> SharedEntities:
        return SharedEntities.represent(entities, self.entity_representations[0], self._comparison)

    @property
    def _comparison(self) -> Comparison:
        form = get_query_form(self.interaction)
        # any will do to share rows
        return (
            Dot(bool(getattr(self.entity_representations[0], "is_complex", False))) if form is None else form.comparison
        )

    def score_hrt(self, hrt_batch: LongTensor, *, mode: InductiveMode | None = None) -> FloatTensor:  # noqa: D102
        form = self._get_pair_form(mode)
        if form is None:
            return super().score_hrt(hrt_batch, mode=mode)
        hrt_batch = hrt_batch.to(self.device)
        shared = self._shared or self._represent(hrt_batch[:, [0, 2]])
        h, t = shared.rows(hrt_batch[:, [0, 2]]).unbind(dim=-1)
        relations, r = unique_with_inverse(hrt_batch[:, 1])
        entity, known_relation, is_head, query, row = find_queries(h, r, t, len(relations))
        relation = self.relation_representations[0](relations)
        queries = form.real_query(shared.get_rows(entity), relation[known_relation], is_head)
        candidates, row = form.select_candidates(shared.table, row, is_head[query])
        scores = form.comparison.score_pairs(queries, candidates, query, row)
        return scores.unsqueeze(dim=-1)

    def represent_entities(self, entities: LongTensor) -> FloatTensor:
        """Return the representations of entities, shape: ``(*s, *shape)`` for entities of the shape ``s``.

        Within :meth:`sharing`, they are the shared ones.
        """
        x: FloatTensor = (
            self.entity_representations[0](entities) if self._shared is None else self._shared.get(entities)
        )
        return x

    def score_representations(self, h: FloatTensor, relations: LongTensor, t: FloatTensor) -> FloatTensor:
        """Score triples of representations of heads and tails, whoever they are of.

        :param h: shape: ``(*batch_dims, *shape)``, the heads.
        :param relations: shape: ``batch_dims``, the IDs of relations.
        :param t: shape: ``(*batch_dims, *shape)``, the tails.
        :returns: shape: ``batch_dims``, broadcast from all, the scores.
        """
        relation = [representation(relations) for representation in self.relation_representations]
        scores: FloatTensor = self.interaction(h=h, r=relation[0] if len(relation) == 1 else relation, t=t)
        return scores

    def score_corrupted(self, positives: LongTensor, negatives: LongTensor) -> FloatTensor:
        """Score negatives, each of which has at least the head or the tail, and the relation, of its positive triple.

        The same as :meth:`score_hrt`, which has to find out itself which triples have something in common.

        :param positives: shape: ``(batch_size, 3)``, the ID-based positive triples.
        :param negatives: shape: ``(batch_size, num_negatives, 3)``, the negatives of each. Only their entities are
            looked at.
        :returns: shape: ``(batch_size, num_negatives)``, the scores.
        """
        positives, negatives = positives.to(self.device), negatives.to(self.device)
        form = self._get_pair_form(None)
        if form is None:
            return self.score_hrt(negatives.reshape(-1, 3)).view(negatives.shape[:-1])
        shared = self._shared
        if shared is None:
            shared = self._represent(torch.cat([positives[:, [0, 2]].flatten(), negatives[..., [0, 2]].flatten()]))
        h, r, t = positives.unbind(dim=-1)
        relation = self.relation_representations[0](r)
        heads, tails = shared.get(torch.cat([h, t])).split(len(h))
        queries = torch.cat([form.real_query(heads, relation, True), form.real_query(tails, relation, False)])
        query, corrupted = match_negatives(positives, negatives)
        candidates, row = form.select_candidates(shared.table, shared.rows(corrupted), query < len(h))
        scores = form.comparison.score_pairs(queries, candidates, query, row)
        return scores.view(negatives.shape[:-1])

    def score_t(  # noqa: D102
        self,
        hr_batch: LongTensor,
        *,
        slice_size: int | None = None,
        mode: InductiveMode | None = None,
        tails: LongTensor | None = None,
    ) -> FloatTensor:
        form = self._get_form(mode, tails)
        if form is None:
            return super().score_t(hr_batch, slice_size=slice_size, mode=mode, tails=tails)
        return self._score_all(form, hr_batch[:, 0], hr_batch[:, 1], is_head=True, others=tails)

    def score_h(  # noqa: D102
        self,
        rt_batch: LongTensor,
        *,
        slice_size: int | None = None,
        mode: InductiveMode | None = None,
        heads: LongTensor | None = None,
    ) -> FloatTensor:
        form = self._get_form(mode, heads)
        if form is None or not form.both_sides:
            return super().score_h(rt_batch, slice_size=slice_size, mode=mode, heads=heads)
        return self._score_all(form, rt_batch[:, 1], rt_batch[:, 0], is_head=False, others=heads)

    def _score_all(
        self, form: QueryForm, entities: LongTensor, relations: LongTensor, *, is_head: bool, others: LongTensor | None
    ) -> FloatTensor:
        """Score pairs of an entity and a relation with all other entities; no slices are needed for it."""
        queries, shared = self.make_queries(form, entities, relations, is_head=is_head)
        table = shared.table if others is None else shared.table[others.to(shared.table.device)]
        return form.comparison.all_pairs(queries, form.candidates(table, is_head))

    def make_queries(
        self, form: QueryForm, entities: LongTensor, relations: LongTensor, *, is_head: bool = True
    ) -> tuple[FloatTensor, SharedEntities]:
        """Make queries of pairs of an entity and a relation.

        :param form: The query form of the interaction.
        :param entities: shape: ``(batch_size,)``, the known entities.
        :param relations: shape: ``(batch_size,)``, the relations.
        :param is_head: Whether the known entities are heads.
        :returns: shape: ``(batch_size, width)``, the queries as real numbers, and all entities.
        """
        shared = self.represent_all()
        known = shared.get(entities.to(shared.table.device))
        return form.real_query(known, self.relation_representations[0](relations), is_head), shared

    def make_parts(
        self, form: QueryForm, entities: LongTensor, relations: LongTensor
    ) -> tuple[Comparison, list[tuple[FloatTensor, FloatTensor]]]:
        """Return what is to have a loss of its own: all, or each part of an ensemble.

        :param form: The query form of the interaction.
        :param entities: shape: ``(batch_size,)``, the heads.
        :param relations: shape: ``(batch_size,)``, the relations.
        :returns: How to compare parts; and for each, its queries, shape: ``(batch_size, width)``, and the part of all
            entities that they are compared with, shape: ``(num_entities, width)``.
        """
        queries, shared = self.make_queries(form, entities, relations)
        candidates, num = form.candidates(shared.table), getattr(self, "num_parts", 1)
        parts = zip(queries.chunk(num, dim=1), candidates.chunk(num, dim=1), strict=True)
        return form.comparison.part if num > 1 else form.comparison, list(parts)

    def get_query_form(self) -> QueryForm | None:
        """Return the form of the interaction, if it and the representations allow to score by queries."""
        return get_query_form(self.interaction) if self._can_share() else None

    def _get_pair_form(self, mode: InductiveMode | None) -> QueryForm | None:
        """Return the form, if queries from both sides are as good as scores of single triples."""
        form = None if mode is not None else self.get_query_form()
        return None if form is None or not form.both_sides or form.is_stochastic else form

    def _get_form(self, mode: InductiveMode | None, others: LongTensor | None) -> QueryForm | None:
        """Return the form, if moreover the other entities are the same for the batch."""
        if mode is not None or (others is not None and others.ndim != 1):
            return None
        few = others is not None and FEW * len(others) < self.num_entities
        if few and (self._is_trained or not self._entity_table.is_current(self.entity_representations[0])):
            # not worth to calculate all
            return None
        return self.get_query_form()

    @property
    def _is_trained(self) -> bool:
        return self.training or torch.is_grad_enabled()

    def represent_all(self) -> SharedEntities:
        """Return the representations of all entities, which are calculated once for many predictions."""
        if not self._is_trained:
            return self._entity_table.get(self.entity_representations[0], self._comparison)
        return self._shared if self._shared is not None and self._shared.row_of is None else self._represent(None)

    def keep_entities(self, number: int) -> None:
        """Keep the representations of all entities for so many choices of modalities that are left out.

        Predictions are made with and without modalities again and again then, and nothing is calculated twice.
        """
        self._entity_table.capacity = number

    @cached_property
    def _entity_table(self) -> EntityTable:
        # also of models which were saved without
        return EntityTable()

    def _get_representations(
        self,
        h: LongTensor | None,
        r: LongTensor | None,
        t: LongTensor | None,
        *,
        mode: InductiveMode | None,
    ) -> tuple[Any, Any, Any]:
        if self._shared is None or h is None or t is None or mode is not None:
            return super()._get_representations(h=h, r=r, t=t, mode=mode)
        return self._shared.get(h), self.relation_representations[0](r), self._shared.get(t)

    def _can_share(self) -> bool:
        """Return whether all occurrences of an entity or relation in a batch may share one representation."""
        representations = [*self.entity_representations, *self.relation_representations]
        # also those that others are made of
        parts = [part for x in representations for part in x.modules() if isinstance(part, Representation)]
        return len(representations) == 2 and not any(
            # dropout differs between occurrences, and regularizers count them
            part.regularizer is not None or (part.dropout is not None and part.dropout.training)
            for part in parts
        )

    # PyTorch may not know of these changes of parameters

    def train(self, mode: bool = True) -> Self:  # noqa: D102
        if mode:
            self._entity_table.clear()
        return super().train(mode)

    def reset_parameters_(self) -> Self:  # noqa: D102
        self._entity_table.clear()
        super().reset_parameters_()  # type: ignore[no-untyped-call]
        return self

    def post_parameter_update(self) -> None:  # noqa: D102
        self._entity_table.clear()
        super().post_parameter_update()
