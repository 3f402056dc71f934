"""The representations of all entities, calculated once for many predictions."""

from typing import Any, Final

import torch
from pykeen.nn.representation import Representation

from ..nn.comparison import Comparison
from .shared_entities import SharedEntities

__all__ = ["EntityTable"]

#: How many numbers of each tensor are compared.
NUM_PROBES: Final[int] = 256


class EntityTable:
    """Keeps the representations of all entities until something that they are made of changes.

    That it did not change is known from the tensors' memory, from PyTorch's counters of changes in place, and from some
    of the numbers themselves: there are ways to change numbers that nobody counts, e.g., to assign a moving average to
    ``parameter.data``, or a step of a fused optimizer. Whoever changes only a few numbers in such a way must call
    :meth:`clear`, as the models do wherever PyKEEN may make changes: when training begins or goes on, and after each
    step of it.

    Representations without some modality are others. The latest ones are kept, or more of them, for whoever goes back
    and forth.
    """

    def __init__(self, capacity: int = 1) -> None:
        """Initialize without content.

        :param capacity: For how many choices of modalities that are left out to keep the representations.
        """
        self.capacity = capacity
        # by what is left out, the latest ones last
        self._tables: dict[Any, tuple[tuple[Any, ...], SharedEntities]] = {}

    def is_current(self, representation: Representation) -> bool:
        """Return whether nothing has to be calculated."""
        return self._find(_describe(representation)) is not None

    def _find(self, key: tuple[Any, ...] | None) -> SharedEntities | None:
        found = None if key is None else self._tables.get(key[0])
        return None if found is None or found[0] != key else found[1]

    def get(self, representation: Representation, comparison: Comparison) -> SharedEntities:
        """Return the representations of all entities, with a row for each, to be compared by a comparison."""
        key = _describe(representation)
        known = self._find(key)
        if known is not None:
            return known
        # if possible, no inference tensor, which could not be used outside of inference mode
        with torch.inference_mode(mode=key is None), torch.no_grad():
            entities = SharedEntities.of(representation(None), comparison)
        if key is not None:
            self._tables.pop(key[0], None)
            self._tables[key[0]] = key, entities
            while len(self._tables) > self.capacity:
                del self._tables[next(iter(self._tables))]
        return entities

    def clear(self) -> None:
        """Forget the representations."""
        self._tables.clear()

    def __getstate__(self) -> dict[str, Any]:
        # neither copied nor saved with the model
        return {"capacity": self.capacity, "_tables": {}}


def _describe(representation: Representation) -> tuple[Any, ...] | None:
    """Return something that differs whenever the representations do, or None if there is nothing of that kind."""
    tensors = [*representation.parameters(), *representation.buffers()]
    if any(x.is_inference() for x in tensors):
        return None
    return (
        # what fusion leaves out for now
        tuple(getattr(part, "excluded", None) for part in representation.modules()),
        tuple((x.data_ptr(), x.device, x.dtype, x.shape, x._version, _probe(x)) for x in tensors),
    )


def _probe(x: torch.Tensor) -> tuple[Any, ...]:
    """Return some of a tensor's numbers, from everywhere in it."""
    if x.numel() == 0 or not x.is_contiguous():
        return ()
    return tuple(x.detach().view(-1)[:: max(1, x.numel() // NUM_PROBES)].tolist())
