"""Leaving to the demonstration what is printed."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet", "silence"]

#: the loggers that describe each step
LOGGERS = ("pykeen", "torch_max_mem")


def silence() -> None:
    """Suppress what PyKEEN and PyTorch say about each step, except for errors; progress bars remain."""
    # about pinned memory and arrays that are not writable; nothing that a user could change
    warnings.filterwarnings("ignore", category=UserWarning, module=r"torch\.|pykeen\.")
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def quiet() -> Iterator[None]:
    """Be silent for a while, see :func:`silence`."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    with warnings.catch_warnings():
        silence()
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
