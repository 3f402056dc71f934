"""The entities of a batch, each of them represented once."""

from typing import NamedTuple

import torch
from pykeen.nn.representation import Representation

from ..typing import FloatTensor, LongTensor

__all__ = ["SharedEntities"]


class SharedEntities(NamedTuple):
    """The representations of the entities of a batch."""

    #: shape: ``(num_rows, *shape)``
    representations: FloatTensor

    #: shape: ``(num_entities,)``, the row of each entity, or a negative number if it has none; ``None`` if there is a
    #: row for each entity
    row_of: LongTensor | None

    @classmethod
    def represent(cls, entities: LongTensor, representation: Representation) -> "SharedEntities":
        """Calculate the representations.

        On the CPU, those of exactly the given entities are calculated. On other devices, their number is not known
        without waiting for the device; hence, at most as many rows are calculated as there are occurrences, some of
        them in vain; or all.

        :param entities: The entities, in any shape, and possibly more than once.
        :param representation: The entity representation.
        :returns: The representations of these entities.
        """
        num_entities = representation.max_id
        entities = entities.flatten()
        if entities.device.type == "cpu":
            occurs = torch.zeros(num_entities, dtype=torch.bool)
            occurs[entities] = True
            distinct = occurs.nonzero().squeeze(dim=-1)
            everything = len(distinct) == num_entities
        else:
            everything = 2 * len(entities) >= num_entities
        if everything and not is_sparse(representation):
            return cls(representation(None), None)
        if entities.device.type != "cpu":
            distinct = first_occurrences(entities)
        # the last one wins where entities are repeated, which is any of several equal rows
        row_of = entities.new_full((num_entities,), -1)
        row_of[distinct] = torch.arange(len(distinct), device=entities.device)
        return cls(representation(distinct), row_of)

    def rows(self, entities: LongTensor) -> LongTensor:
        """Return the rows of entities.

        :param entities: shape: ``s``
            The entities.
        :returns: shape: ``s``
            Their rows.
        :raises ValueError: if some of them are not among the shared ones
        """
        if self.row_of is None:
            return entities
        rows = self.row_of[entities]
        # on a GPU, looking would make the processor wait; there, a negative index is an error, too
        if rows.device.type == "cpu" and len(rows) and int(rows.min()) < 0:
            raise ValueError("Within a sharing() context, only the entities that it was given can be scored.")
        return rows


def is_sparse(representation: Representation) -> bool:
    """Return whether gradients are sparse, and hence the entities that do not occur must be left out."""
    return any(getattr(module, "sparse", False) for module in representation.modules())


def first_occurrences(entities: LongTensor) -> LongTensor:
    """Return the distinct entities, and then repetitions of the last one such that their number is known beforehand.

    :param entities: shape: ``(n,)``
        The entities.
    :returns: shape: ``(n,)``
        The distinct entities, padded.
    """
    ordered = entities.sort().values
    is_first = torch.ones_like(ordered, dtype=torch.bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    return ordered[-1:].repeat(len(ordered)).scatter_(0, is_first.cumsum(dim=0) - 1, ordered)
