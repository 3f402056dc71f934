"""Models whose interaction compares entities with anchors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from pykeen.models import ERModel
from pykeen.nn.representation import Representation
from pykeen.typing import InductiveMode

from ..nn.anchored import AnchoredInteraction, find_anchors, unique_with_inverse
from ..typing import FloatTensor, LongTensor

__all__ = ["AnchoredScoringModel"]


class _SharedEntities(NamedTuple):
    """The representations of the entities of a batch."""

    #: shape: ``(num_distinct,)``, in order
    entities: LongTensor

    #: shape: ``(num_distinct, *shape)``
    representations: FloatTensor

    def rows(self, entities: LongTensor) -> LongTensor:
        """Return the rows of entities.

        :param entities: shape: ``s``
            The entities.
        :returns: shape: ``s``
            Their rows.
        :raises ValueError: if some of them are not among the shared ones
        """
        rows = torch.searchsorted(self.entities, entities.contiguous()).clamp_(max=len(self.entities) - 1)
        # on a GPU, looking would make the processor wait; the training loops share what they score
        if rows.device.type == "cpu" and not torch.equal(self.entities[rows], entities):
            raise ValueError("Within a sharing() context, only the entities that it was given can be scored.")
        return rows


class AnchoredScoringModel(ERModel[Any, Any, Any]):
    """A model that calculates each representation once for a batch, and scores pairs of anchors and entities.

    If its interaction is an :class:`pykeen_adamf.nn.AnchoredInteraction`, that is; and otherwise as PyKEEN does.
    """

    _shared: _SharedEntities | None = None

    @contextmanager
    def sharing(self, entities: LongTensor) -> Iterator[None]:
        """Within this context, use the same representations of entities for everything that is scored.

        Representations are calculated once rather than once for each call, and so is their gradient: to be used for
        one step of training, since they do not follow changes of parameters.

        :param entities: All entities that will be needed, in any shape, and possibly more than once.
        """
        if self._shared is not None or not self._can_share():
            yield
            return
        distinct, _ = unique_with_inverse(entities.to(self.device).flatten())
        self._shared = _SharedEntities(distinct, self.entity_representations[0](distinct))
        try:
            yield
        finally:
            self._shared = None

    # docstr-coverage: inherited
    def score_hrt(self, hrt_batch: LongTensor, *, mode: InductiveMode | None = None) -> FloatTensor:  # noqa: D102
        interaction = self.interaction
        anchored = isinstance(interaction, AnchoredInteraction) and interaction.can_score_pairs
        if mode is not None or not anchored or not self._can_share():
            return super().score_hrt(hrt_batch, mode=mode)
        assert isinstance(interaction, AnchoredInteraction)
        hrt_batch = hrt_batch.to(self.device)
        with self.sharing(hrt_batch[:, [0, 2]]):
            assert self._shared is not None
            entity = self._shared.representations
            h, t = self._shared.rows(hrt_batch[:, [0, 2]]).unbind(dim=-1)
            relations, r = unique_with_inverse(hrt_batch[:, 1])
            anchor_entity, anchor_relation, is_head, anchor_index, entity_index = find_anchors(h, r, t, len(relations))
        relation = self.relation_representations[0](relations)
        anchors = interaction.anchor(entity[anchor_entity], relation[anchor_relation], is_head)
        scores: FloatTensor = interaction.score_pairs(anchors, entity, anchor_index, entity_index)
        return scores.unsqueeze(dim=-1)

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
        entity = self._shared.representations
        return entity[self._shared.rows(h)], self.relation_representations[0](r), entity[self._shared.rows(t)]

    def _can_share(self) -> bool:
        """Return whether all occurrences of an entity or relation in a batch may share one representation."""
        representations: list[Representation] = [*self.entity_representations, *self.relation_representations]
        return len(representations) == 2 and not any(
            # dropout differs between occurrences, and regularizers count them
            representation.regularizer is not None or (representation.dropout is not None and self.training)
            for representation in representations
        )
