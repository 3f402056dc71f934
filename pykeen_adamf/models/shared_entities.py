"""The entities of a batch, each of them represented once."""

import dataclasses
from collections.abc import Mapping

import torch
from pykeen.nn.representation import Representation
from torch.nn import functional as F
from typing_extensions import Self

from ..nn.comparison import Comparison
from ..nn.fused import FusedRepresentation
from ..typing import FloatTensor, LongTensor

__all__ = ["SharedEntities"]


class _SelectedParts(dict[str, FloatTensor]):
    """Rows of the parts of representations, selected when they are needed for the first time."""

    def __init__(self, parts: Mapping[str, FloatTensor], rows: LongTensor) -> None:
        super().__init__()
        self._parts, self._rows = parts, rows

    def __missing__(self, name: str) -> FloatTensor:
        self[name] = selected = F.embedding(self._rows, self._parts[name])
        return selected


@dataclasses.dataclass(frozen=True, eq=False)
class SharedEntities:
    """The representations of the entities of a batch."""

    #: shape: ``(num_rows, width)``, the representations as real numbers, as the comparison takes them
    table: FloatTensor

    #: what knows how they are written as real numbers
    comparison: Comparison

    #: the shape of a representation
    shape: tuple[int, ...]

    #: shape of each: ``(num_rows, dim)``, the modality embeddings that they are fused from, by modality
    parts: Mapping[str, FloatTensor]

    #: shape: ``(num_entities,)``, the row of each entity, or a negative number if it has none; ``None`` if there is a
    #: row for each entity
    row_of: LongTensor | None

    @classmethod
    def represent(cls, entities: LongTensor | None, representation: Representation, comparison: Comparison) -> Self:
        """Calculate the representations.

        On the CPU, those of exactly the given entities are calculated. On other devices, their number is not known
        without waiting for the device; hence, one row is calculated for each occurrence, or for each entity.

        :param entities: The entities, in any shape, and possibly more than once; or ``None`` for all.
        :param representation: The entity representation.
        :param comparison: What entities are going to be compared by.
        :returns: The representations of these entities.
        :raises IndexError: if there is no such entity
        """
        num_entities = representation.max_id
        indices = None if entities is None else entities.flatten()
        if indices is None:
            everything = True
        elif indices.device.type == "cpu":
            if len(indices) and int(indices.min()) < 0:
                raise IndexError(f"{int(indices.min())} is no entity. Was a label not found?")
            occurs = torch.zeros(num_entities, dtype=torch.bool)
            occurs[indices] = True
            indices = occurs.nonzero().squeeze(dim=-1)
            everything = len(indices) == num_entities
        else:
            everything = 2 * len(indices) >= num_entities
        # sparse gradients are those of selected rows
        if everything and not any(getattr(part, "sparse", False) for part in representation.modules()):
            indices = None
        parts: Mapping[str, FloatTensor] | None = None
        if isinstance(representation, FusedRepresentation):
            parts = representation.embed(indices)
            x = representation.fuse(parts, representation.participation(indices))
        else:
            x = representation(indices)
        row_of = None if indices is None else _number(indices, num_entities)
        return cls.of(x, comparison, parts, row_of)

    @classmethod
    def of(
        cls,
        x: FloatTensor,
        comparison: Comparison,
        parts: Mapping[str, FloatTensor] | None = None,
        row_of: LongTensor | None = None,
    ) -> Self:
        """Share representations, shape: ``(num_rows, *shape)``, that are calculated already; cf. the attributes."""
        return cls(comparison.to_real(x), comparison, tuple(x.shape[1:]), parts or {}, row_of)

    def select(self, entities: LongTensor) -> Self:
        """Select some of these entities, in any shape, such that gradients with respect to them are small, too."""
        entities = entities.flatten()
        rows = self.rows(entities)
        num_entities = len(self.table) if self.row_of is None else len(self.row_of)
        return dataclasses.replace(
            self,
            table=F.embedding(rows, self.table),
            parts=_SelectedParts(self.parts, rows),
            row_of=_number(entities, num_entities),
        )

    def rows(self, entities: LongTensor) -> LongTensor:
        """Return the rows of entities, both of the shape ``s``.

        :raises ValueError: if some of them are not among the shared ones
        """
        rows = entities if self.row_of is None else self.row_of[entities]
        if rows.device.type == "cuda":
            # looking would make the processor wait
            torch._assert_async(((rows >= 0) & (rows < len(self.table))).all())
        elif self.row_of is not None and rows.numel() and int(rows.min()) < 0:
            raise ValueError("Within a sharing() context, only the entities that it was given can be scored.")
        return rows

    def get(self, entities: LongTensor) -> FloatTensor:
        """Return the representations of entities, shape: ``(*s, *shape)`` for entities of the shape ``s``."""
        return self.get_rows(self.rows(entities))

    def get_rows(self, rows: LongTensor) -> FloatTensor:
        """Return what rows represent, shape: ``(*s, *shape)`` for rows of the shape ``s``."""
        return self.comparison.from_real(F.embedding(rows, self.table), self.shape)

    def get_part(self, name: str, entities: LongTensor) -> FloatTensor:
        """Return the embeddings of one modality, shape: ``(*s, dim)`` for entities of the shape ``s``."""
        return F.embedding(self.rows(entities), self.parts[name])


def _number(entities: LongTensor, num_entities: int) -> LongTensor:
    """Return the last position of each entity; not any, since dropout may have made repeated rows differ."""
    row_of = entities.new_full((num_entities,), -1)
    return row_of.scatter_reduce_(0, entities, torch.arange(len(entities), device=entities.device), "amax")
