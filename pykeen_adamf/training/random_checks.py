"""What a checkpoint says of the states of random number generators."""

import random
from collections.abc import Iterator
from typing import Any, Final

import numpy
import torch

from .checkpoint_checks import anything, attempt, compare, kind_of
from .checkpoint_file import get_random_state

__all__ = ["compare_random_states"]

#: How many positions the state of NumPy's generator has.
NUMPY_POSITIONS: Final = 625


def compare_random_states(stored: Any, name: str) -> Iterator[str]:
    """Compare with the state of all global random number generators, cf. :func:`.checkpoint_file.get_random_state`."""
    here = get_random_state()
    # Python's keeps a number only sometimes, and devices may be others
    parts = {"python": (*here["python"][:-1], None), "cuda": anything}
    differences = list(compare(stored, {**here, **parts}, name))
    yield from differences
    if differences:
        return
    yield from attempt(random.Random().setstate, stored["python"], f"{name}.python")  # noqa: S311
    yield from attempt(torch.Generator().set_state, stored["torch"], f"{name}.torch")
    algorithm, keys, position, *_ = stored["numpy"]
    is_right = algorithm == here["numpy"][0] and 0 <= position < NUMPY_POSITIONS
    if not is_right or not 0 <= keys.min() <= keys.max() < 2**32:
        # NumPy would read whatever is there
        yield f"{name}.numpy is no state of a random number generator"
    else:
        state = (algorithm, keys.numpy(), *stored["numpy"][2:])
        yield from attempt(numpy.random.RandomState().set_state, state, f"{name}.numpy")
    cuda = stored["cuda"]
    states = cuda if isinstance(cuda, list | tuple) else ()
    if not (cuda is None or states) or not all(isinstance(x, torch.Tensor) and x.dtype == torch.uint8 for x in states):
        yield f"{name}.cuda is {kind_of(cuda)} rather than a list of states"
