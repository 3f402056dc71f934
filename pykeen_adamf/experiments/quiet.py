"""Leaving to a command what is printed."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

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
def quiet(log: Path | None = None) -> Iterator[None]:
    """Be silent for a while, see :func:`silence`; what PyKEEN and this package say is written to the log, if any."""
    with warnings.catch_warnings(), ExitStack() as stack:
        for name in (*LOGGERS, "pykeen_adamf"):
            stack.callback(logging.getLogger(name).setLevel, logging.getLogger(name).level)
        silence()
        if log is not None:
            handler = logging.FileHandler(log, encoding="utf-8")
            stack.callback(handler.close)
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
            for logger in map(logging.getLogger, ("pykeen", "pykeen_adamf")):
                stack.callback(setattr, logger, "propagate", logger.propagate)
                stack.callback(logger.removeHandler, handler)
                logger.addHandler(handler)
                logger.setLevel(logging.INFO)
                logger.propagate = False
        yield
