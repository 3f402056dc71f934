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
    """

    def __init__(self) -> None:
        """Initialize without content."""
        self._key: tuple[Any, ...] | None = None
        self._entities: SharedEntities | None = None

    def is_current(self, representation: Representation) -> bool:
        """Return whether nothing has to be calculated."""
        return self._key is not None and self._key == _describe(representation)

    def get(self, representation: Representation, comparison: Comparison) -> SharedEntities:
        """Return the representations of all entities, with a row for each, to be compared by a comparison."""
        key = _describe(representation)
        if key is not None and key == self._key and self._entities is not None:
            return self._entities
        # if possible, no inference tensor, which could not be used outside of inference mode
        with torch.inference_mode(mode=key is None), torch.no_grad():
            entities = SharedEntities.of(representation(None), comparison)
        if key is not None:
            self._key, self._entities = key, entities
        return entities

    def clear(self) -> None:
        """Forget the representations."""
        self._key = self._entities = None

    def __getstate__(self) -> dict[str, Any]:
        # neither copied nor saved with the model
        return {"_key": None, "_entities": None}


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
