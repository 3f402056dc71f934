"""Models whose interaction compares entities with anchors."""

from typing import Any

import torch
from pykeen.models import ERModel
from pykeen.nn.representation import Representation
from pykeen.typing import InductiveMode

from ..nn.anchored import AnchoredInteraction, find_anchors, unique_with_inverse
from ..typing import FloatTensor, LongTensor

__all__ = ["AnchoredScoringModel"]


class AnchoredScoringModel(ERModel[Any, Any, Any]):
    """A model that calculates each representation once for a batch, and scores pairs of anchors and entities.

    If its interaction is an :class:`pykeen_adamf.nn.AnchoredInteraction`, that is; and otherwise as PyKEEN does.
    """

    # docstr-coverage: inherited
    def score_hrt(self, hrt_batch: LongTensor, *, mode: InductiveMode | None = None) -> FloatTensor:  # noqa: D102
        interaction = self.interaction
        if mode is not None or not isinstance(interaction, AnchoredInteraction) or not self._can_share():
            return super().score_hrt(hrt_batch, mode=mode)
        h, r, t = hrt_batch.to(self.device).unbind(dim=-1)
        entities, rows = unique_with_inverse(torch.cat([h, t]))
        relations, r = unique_with_inverse(r)
        h, t = rows.split(len(h))
        anchor_entity, anchor_relation, is_head, anchor_index, entity_index = find_anchors(h, r, t, len(relations))
        entity = self.entity_representations[0](entities)
        relation = self.relation_representations[0](relations)
        anchors = interaction.anchor(entity[anchor_entity], relation[anchor_relation], is_head)
        scores: FloatTensor = interaction.score_pairs(anchors, entity, anchor_index, entity_index)
        return scores.unsqueeze(dim=-1)

    def _can_share(self) -> bool:
        """Return whether all occurrences of an entity or relation in a batch may share one representation."""
        representations: list[Representation] = [*self.entity_representations, *self.relation_representations]
        return len(representations) == 2 and not any(
            # dropout differs between occurrences, and regularizers count them
            representation.regularizer is not None or (representation.dropout is not None and self.training)
            for representation in representations
        )
