"""Entities, relations and triples by label or ID."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy
import pandas
import torch
from pykeen.triples import CoreTriplesFactory, TriplesFactory

from ..labeled_triples import read_labeled_triples
from ..suggestions import suggest
from ..typing import LongTensor, NumpyArray

__all__ = ["Triples", "resolve", "resolve_triples"]

#: Triples of IDs or labels, shape: ``(n, 3)``, a data frame of labels, or a triples factory.
Triples: TypeAlias = LongTensor | NumpyArray | pandas.DataFrame | CoreTriplesFactory | Sequence[Sequence[str | int]]

Kind: TypeAlias = Literal["entity", "relation"]


def resolve(values: Iterable[str | int] | LongTensor, factory: TriplesFactory, kind: Kind) -> LongTensor:
    """Return the IDs of entities or relations from labels or IDs, shape: ``(n,)``.

    :raises ValueError: if the factory knows no such entity or relation
    """
    if isinstance(values, (torch.Tensor, numpy.ndarray)) and len(values):
        array = values.numpy(force=True) if isinstance(values, torch.Tensor) else values
        if array.dtype.kind in "iu":
            for extremum in (array.min(), array.max()):
                _find(extremum, factory, kind)
            return torch.as_tensor(array, dtype=torch.long)
        values = array.tolist()
    # a label is no sequence of labels
    values = [values] if isinstance(values, (str, int)) else values
    return torch.as_tensor([_find(value, factory, kind) for value in values], dtype=torch.long)


def resolve_triples(triples: Triples, factory: TriplesFactory) -> LongTensor:
    """Return the IDs of triples in a factory, shape: ``(n, 3)``, from labels, IDs, or a factory with other IDs.

    :raises ValueError: if there is no such entity or relation, or the shape is another one
    """
    if isinstance(triples, TriplesFactory) and (
        triples.entity_to_id != factory.entity_to_id or triples.relation_to_id != factory.relation_to_id
    ):
        triples = triples.label_triples(triples.mapped_triples)
    elif isinstance(triples, CoreTriplesFactory):
        triples = triples.mapped_triples
    elif isinstance(triples, pandas.DataFrame):
        triples = read_labeled_triples(triples)
    if isinstance(triples, (torch.Tensor, numpy.ndarray)):
        shape = tuple(triples.shape)
        columns = list(triples.T) if triples.ndim == 2 else []
    else:
        rows = [(row,) if isinstance(row, (str, int)) else tuple(row) for row in triples]
        shape = (len(rows), *{len(row) for row in rows}) if rows else (0, 3)
        columns = list(zip(*rows, strict=True)) if len(shape) == 2 else []
    if len(shape) != 2 or shape[1] != 3:
        raise ValueError(f"Triples must have three columns, head, relation and tail, but their shape is {shape}.")
    if not shape[0]:
        return torch.zeros(0, 3, dtype=torch.long)
    kinds: tuple[Kind, ...] = ("entity", "relation", "entity")
    return torch.stack([resolve(x, factory, kind) for x, kind in zip(columns, kinds, strict=True)], dim=-1)


def _find(value: Any, factory: TriplesFactory, kind: Kind) -> int:
    """Find the ID of a label or ID."""
    if kind == "entity":
        ids, num = factory.entity_to_id, factory.num_entities
    else:
        ids, num = factory.relation_to_id, factory.real_num_relations
    if isinstance(value, str):
        if value in ids:
            return ids[value]
        hint = suggest(value, ids)
        raise ValueError(f"There is no {kind} {value!r} in the triples that the model was trained on.{hint}")
    if isinstance(value, (int, numpy.integer)) and not isinstance(value, bool):
        if 0 <= value < num:
            return int(value)
        raise ValueError(f"There is no {kind} with the ID {value}: IDs are at least 0 and less than {num:,}.")
    raise ValueError(f"The {kind} {value!r} must be a label or an ID, but is a {type(value).__name__}.")
