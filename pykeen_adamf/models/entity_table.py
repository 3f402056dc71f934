"""The representations of all entities, calculated once for many predictions."""

from typing import Any

import torch
from pykeen.nn.representation import Representation

from ..nn.distance import as_planar
from ..typing import FloatTensor

__all__ = ["EntityTable"]


class EntityTable:
    """Keeps the representations of all entities until something that they are made of changes.

    What the representations are made of is known by its memory and by PyTorch's count of changes in place. Assignments
    to ``parameter.data`` change neither: whoever makes them must call :meth:`clear`, as the models do wherever PyKEEN
    may make them.
    """

    def __init__(self) -> None:
        """Initialize without content."""
        self._key: tuple[Any, ...] | None = None
        self._table: tuple[FloatTensor, bool] | None = None

    def get(self, representation: Representation) -> tuple[FloatTensor, bool]:
        """Return the representations of all entities.

        :param representation: The entity representation.
        :returns: shape: ``(num_entities, width)``
            The representations; complex numbers as by :func:`pykeen_adamf.nn.distance.as_planar`. And whether they
            are complex numbers.
        """
        tensors = [*representation.parameters(), *representation.buffers()]
        key = tuple((x.data_ptr(), x.device, x.dtype, x.shape, x._version) for x in tensors)
        if self._table is None or key != self._key:
            # not an inference tensor, which could not be used outside of inference mode
            with torch.inference_mode(mode=False), torch.no_grad():
                x = representation(None)
                self._table = (as_planar(x), True) if x.is_complex() else (x.contiguous(), False)
            self._key = key
        return self._table

    def clear(self) -> None:
        """Forget the representations."""
        self._key = self._table = None

    def __getstate__(self) -> dict[str, Any]:
        # neither copied nor saved with the model
        return {"_key": None, "_table": None}
