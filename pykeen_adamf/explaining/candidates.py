"""Which entities may be the answer: those of the right type."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

import pandas
import torch
from pykeen.triples import TriplesFactory

from ..suggestions import suggest
from ..tables import has_suffix, read_table
from ..typing import BoolTensor, LongTensor
from .labels import resolve

__all__ = ["SEEN", "Allowed", "Candidates", "Side"]

#: Which entity of a triple is asked for.
Side: TypeAlias = Literal["head", "tail"]

#: Those entities that a relation has had, in training, on the side that is asked for.
SEEN: Final = "seen"

#: What says which entities may be an answer, cf. :class:`Candidates`.
Allowed: TypeAlias = str | Path | Mapping[str, str | Collection[str]] | Collection[str]


class Candidates:
    """The entities that may be the head, or the tail, of a relation.

    By themselves, models rank all entities for any question; published metrics are of that. But nobody who asks for a
    city wants to read of a person.

    PyKEEN's :func:`pykeen.predict.predict_target` takes them as ``targets``::

        candidates = Candidates(training, {"berlin": "city", "paris": "city", "ada": "person"})
        targets = candidates.get("born_in", "tail")
        predict_target(model, head="ada", relation="born_in", triples_factory=training, targets=targets)
    """

    def __init__(self, triples_factory: TriplesFactory, allowed: Allowed = SEEN) -> None:
        """Initialize the candidates.

        :param triples_factory: The triples factory that a model was trained on.
        :param allowed: What says which entities may be an answer:

            - :data:`SEEN`: those which the relation has had on this side in training.
            - the type, or types, of each entity by its label: those with a type that the relation has had on this side.
              What has no type is a candidate where it was seen.
            - the path of a table with an entity and a type in each row, or with an entity only.
            - the labels of some entities: those, for all relations.

            What is not known of a relation, since it has no training triples, does not restrict it.
        :raises ValueError: if there are no such entities, or the file cannot be read
        """
        self.num_entities = triples_factory.num_entities
        self._factory = triples_factory
        self._chosen: LongTensor | None = None
        # by type, the entities that have it
        self._members: dict[str, LongTensor] = {}
        # by entity, the types that it has
        self._types: dict[int, Collection[str]] = {}
        self._found: dict[tuple[int, Side], LongTensor] = {}
        if isinstance(allowed, str | Path) and allowed != SEEN:
            allowed = _read(Path(allowed))
        if isinstance(allowed, Mapping):
            self._set_types(allowed)
        elif allowed != SEEN:
            labels = cast(Iterable[str], allowed)
            self._chosen = resolve(sorted(set(labels)), triples_factory, "entity").sort().values
            if not len(self._chosen):
                raise ValueError("There are no candidates: name at least one entity.")

    def _set_types(self, types: Mapping[str, str | Collection[str]]) -> None:
        """Take over types; those of what is no entity of this graph are of no use."""
        ids = self._factory.entity_to_id
        members: dict[str, list[int]] = {}
        for label, given in types.items():
            i = ids.get(label)
            if i is not None:
                self._types[i] = (given,) if isinstance(given, str) else tuple(given)
                for name in self._types[i]:
                    members.setdefault(name, []).append(i)
        if not members:
            example = next(iter(types), None)
            raise ValueError(
                f"None of the {len(types):,} entities with a type, e.g., {example!r}, is in these triples. Spell them "
                f"as there, e.g., {next(iter(ids))!r}.{suggest(example, ids)}"
            )
        self._members = {name: torch.tensor(given) for name, given in members.items()}

    def get(self, relation: int | str, side: Side) -> LongTensor:
        """Return which entities may be on one side of a relation.

        :param relation: The relation, by ID or label.
        :param side: What is asked for, ``"head"`` or ``"tail"``.
        :returns: shape: ``(num_candidates,)``, the IDs, in ascending order
        :raises ValueError: if there is no such relation or side
        """
        if side not in ("head", "tail"):
            raise ValueError(f"The side must be 'head' or 'tail', but is {side!r}.")
        if self._chosen is not None:
            return self._chosen
        key = int(resolve([relation], self._factory, "relation")), side
        if key not in self._found:
            self._found[key] = self._find(*key)
        return self._found[key]

    def _find(self, relation: int, side: Side) -> LongTensor:
        triples = self._factory.mapped_triples
        seen = triples[triples[:, 1] == relation, 0 if side == "head" else 2].unique()
        if not len(seen):
            return torch.arange(self.num_entities)
        types = sorted({name for i in seen.tolist() for name in self._types.get(i, ())})
        found: LongTensor = torch.cat([seen, *(self._members[name] for name in types)]).unique()
        return found

    def mask(self, relations: LongTensor, side: Side) -> BoolTensor:
        """Return which entities are no candidates.

        :param relations: shape: ``(batch_size,)``, the IDs of relations.
        :param side: What is asked for.
        :returns: shape: ``(batch_size, num_entities)``, true for what is none
        """
        result = torch.ones(len(relations), self.num_entities, dtype=torch.bool, device=relations.device)
        for row, relation in zip(result, relations.tolist(), strict=True):
            row[self.get(relation, side).to(row.device)] = False
        return result


def _read(path: Path) -> Mapping[str, Collection[str]] | Collection[str]:
    """Read the types of entities, or just their labels."""
    # labels may have spaces and commas: without tabs, there is one in each line
    frame = read_table(path, lambda fields: len(fields) == 2 and has_suffix(path, ".csv", ".parquet"))
    if frame.shape[1] > 2:
        raise ValueError(
            f"{path} has {frame.shape[1]} columns. There must be an entity, and its type if there are any."
        )
    columns = [frame.iloc[:, i].astype(str) for i in range(frame.shape[1])]
    if len(columns) == 1:
        return columns[0].tolist()
    untyped = columns[0][columns[1].str.strip() == ""]
    if len(untyped):
        raise ValueError(f"{path} has no type for {untyped.iloc[0]!r}. Complete it, or leave all types out.")
    return _group(*columns)


def _group(labels: "pandas.Series[str]", types: "pandas.Series[str]") -> dict[str, list[str]]:
    """Return the types of each entity."""
    grouped: dict[str, list[str]] = {}
    for label, name in zip(labels, types, strict=True):
        grouped.setdefault(label, []).append(name)
    return grouped
