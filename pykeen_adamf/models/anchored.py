"""Models whose interaction compares entities with anchors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
from pykeen.models import ERModel
from pykeen.nn.representation import Representation
from pykeen.typing import InductiveMode
from typing_extensions import Self

from ..nn.anchored import AnchoredInteraction, find_anchors, unique_with_inverse
from ..typing import FloatTensor, LongTensor
from .entity_table import EntityTable
from .shared_entities import SharedEntities

__all__ = ["AnchoredScoringModel"]

#: Predictions for less than one of this many entities do not need the representations of all entities.
FEW: Final = 8


class AnchoredScoringModel(ERModel[Any, Any, Any]):
    """A model that calculates each representation once for a batch, and scores pairs of anchors and entities.

    If its interaction is an :class:`pykeen_adamf.nn.AnchoredInteraction`, that is; and otherwise as PyKEEN does.
    """

    _shared: SharedEntities | None = None

    # created when it is needed, so that models which were saved without still work
    _entity_table: EntityTable | None = None

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
                if name not in {"triples_factory", "loss", "loss_kwargs"} and not name.endswith("initializer")
            }
        return model

    @contextmanager
    def sharing(self, entities: LongTensor) -> Iterator[None]:
        """Within this context, use the same representations of entities for everything that is scored.

        Representations are calculated once rather than once for each call, and so is their gradient: to be used for
        one step of training, since they do not follow changes of parameters. A context within another one selects from
        the outer one's representations: to be used for few of many entities.

        :param entities: All entities that will be needed, in any shape, and possibly more than once.
        """
        if not self._can_share():
            yield
            return
        outer, entities = self._shared, entities.to(self.device)
        if outer is None:
            self._shared = SharedEntities.represent(entities, self.entity_representations[0])
        else:
            self._shared = outer.select(entities)
        try:
            yield
        finally:
            self._shared = outer

    # docstr-coverage: inherited
    def score_hrt(self, hrt_batch: LongTensor, *, mode: InductiveMode | None = None) -> FloatTensor:  # noqa: D102
        interaction = self._get_anchored_interaction(mode)
        if interaction is None:
            return super().score_hrt(hrt_batch, mode=mode)
        hrt_batch = hrt_batch.to(self.device)
        shared = self._shared
        if shared is None:
            shared = SharedEntities.represent(hrt_batch[:, [0, 2]], self.entity_representations[0])
        h, t = shared.rows(hrt_batch[:, [0, 2]]).unbind(dim=-1)
        relations, r = unique_with_inverse(hrt_batch[:, 1])
        anchor_entity, anchor_relation, is_head, anchor_index, row = find_anchors(h, r, t, len(relations))
        relation = self.relation_representations[0](relations)
        anchors = interaction.anchor(shared.get_rows(anchor_entity), relation[anchor_relation], is_head)
        return interaction.score_pairs(anchors, shared.table, anchor_index, row).unsqueeze(dim=-1)

    def score_corrupted(self, positives: LongTensor, negatives: LongTensor) -> FloatTensor:
        """Score negatives, each of which has at least the head or the tail, and the relation, of its positive triple.

        The same as :meth:`score_hrt`, which has to find out itself which triples have something in common.

        :param positives: shape: ``(batch_size, 3)``
            The ID-based positive triples.
        :param negatives: shape: ``(batch_size, num_negatives, 3)``
            The negatives of each. Only their entities are looked at.
        :returns: shape: ``(batch_size, num_negatives)``
            The scores.
        """
        interaction = self._get_anchored_interaction(None)
        if interaction is None:
            return self.score_hrt(negatives.reshape(-1, 3)).view(negatives.shape[:-1])
        positives, negatives = positives.to(self.device), negatives.to(self.device)
        shared = self._shared
        if shared is None:
            entities = torch.cat([positives[:, [0, 2]].flatten(), negatives[..., [0, 2]].flatten()])
            shared = SharedEntities.represent(entities, self.entity_representations[0])
        h, r, t = positives.unbind(dim=-1)
        # an anchor made of each head, and one made of each tail
        is_head = torch.ones_like(h, dtype=torch.bool)
        anchors = interaction.anchor(
            shared.get(torch.cat([h, t])),
            self.relation_representations[0](r).repeat(2, 1),
            torch.cat([is_head, ~is_head]),
        )
        head_is_corrupted = negatives[..., 0] != h.unsqueeze(dim=-1)
        position = torch.arange(len(h), device=h.device).unsqueeze(dim=-1)
        anchor_index = torch.where(head_is_corrupted, position + len(h), position)
        rows = shared.rows(torch.where(head_is_corrupted, negatives[..., 0], negatives[..., 2]))
        scores = interaction.score_pairs(anchors, shared.table, anchor_index.flatten(), rows.flatten())
        return scores.view(negatives.shape[:-1])

    # docstr-coverage: inherited
    def score_t(  # noqa: D102
        self,
        hr_batch: LongTensor,
        *,
        slice_size: int | None = None,
        mode: InductiveMode | None = None,
        tails: LongTensor | None = None,
    ) -> FloatTensor:
        interaction = self._get_predicting_interaction(mode, tails)
        if interaction is None:
            return super().score_t(hr_batch, slice_size=slice_size, mode=mode, tails=tails)
        return self._score_all(interaction, hr_batch[:, 0], hr_batch[:, 1], is_head=True, others=tails)

    # docstr-coverage: inherited
    def score_h(  # noqa: D102
        self,
        rt_batch: LongTensor,
        *,
        slice_size: int | None = None,
        mode: InductiveMode | None = None,
        heads: LongTensor | None = None,
    ) -> FloatTensor:
        interaction = self._get_predicting_interaction(mode, heads)
        if interaction is None:
            return super().score_h(rt_batch, slice_size=slice_size, mode=mode, heads=heads)
        return self._score_all(interaction, rt_batch[:, 1], rt_batch[:, 0], is_head=False, others=heads)

    def _score_all(
        self,
        interaction: AnchoredInteraction,
        entities: LongTensor,
        relations: LongTensor,
        *,
        is_head: bool,
        others: LongTensor | None,
    ) -> FloatTensor:
        """Score pairs of an entity and a relation with all other entities; no slices are needed for it."""
        shared = self.represent_all()
        known = shared.get(entities.to(shared.table.device))
        relation = self.relation_representations[0](relations)
        anchors = interaction.anchor(known, relation, torch.full_like(entities, is_head, dtype=torch.bool))
        return interaction.score_all(
            anchors, shared.table if others is None else shared.table[others.to(shared.table.device)]
        )

    def _get_anchored_interaction(self, mode: InductiveMode | None) -> AnchoredInteraction | None:
        """Return the interaction, if it and the representations allow to score by anchors."""
        interaction = self.interaction
        if mode is not None or not isinstance(interaction, AnchoredInteraction) or not interaction.can_score_pairs:
            return None
        return interaction if self._can_share() else None

    def _get_predicting_interaction(
        self, mode: InductiveMode | None, others: LongTensor | None
    ) -> AnchoredInteraction | None:
        """Return the interaction, if moreover nothing is to be trained, and the others are the same for the batch."""
        if self.training or torch.is_grad_enabled() or (others is not None and others.ndim != 1):
            return None
        few = others is not None and FEW * len(others) < self.num_entities
        if few and not self._get_entity_table().is_current(self.entity_representations[0]):
            # not worth to calculate all
            return None
        return self._get_anchored_interaction(mode)

    def represent_all(self) -> SharedEntities:
        """Return the representations of all entities, which are calculated once for many predictions."""
        return self._get_entity_table().get(self.entity_representations[0])

    def _get_entity_table(self) -> EntityTable:
        if self._entity_table is None:
            self._entity_table = EntityTable()
        return self._entity_table

    # docstr-coverage: inherited
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

    # wherever parameters may change without PyTorch's knowledge

    # docstr-coverage: inherited
    def train(self, mode: bool = True) -> Self:  # noqa: D102
        if mode:
            self._forget_entity_table()
        return super().train(mode)

    # docstr-coverage: inherited
    def reset_parameters_(self) -> Self:  # noqa: D102
        self._forget_entity_table()
        super().reset_parameters_()  # type: ignore[no-untyped-call]
        return self

    # docstr-coverage: inherited
    def post_parameter_update(self) -> None:  # noqa: D102
        self._forget_entity_table()
        super().post_parameter_update()

    def _forget_entity_table(self) -> None:
        if self._entity_table is not None:
            self._entity_table.clear()
