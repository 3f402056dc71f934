"""Leaving to the demonstration what is printed."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

#: the loggers that describe each step
LOGGERS = ("pykeen", "torch_max_mem")


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress what PyKEEN and PyTorch say about each step, except for errors; progress bars remain."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        # about pinned memory and arrays that are not writable; nothing that a user could change
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torch\.|pykeen\.")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
