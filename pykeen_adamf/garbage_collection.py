"""Garbage collection at the cost of what was created recently."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["cheap_garbage_collection"]


@contextmanager
def cheap_garbage_collection() -> Iterator[None]:
    """Within this context, garbage is only looked for among objects that are created in it.

    PyKEEN collects garbage after each epoch. With everything that it imports, this takes a quarter of a second, which
    is several times as long as an epoch on a small graph.
    """
    # somebody else may do so already, and is the one to end it
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
