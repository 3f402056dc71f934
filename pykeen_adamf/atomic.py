"""Files that are either complete, or not there."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

__all__ = ["written_atomically"]

#: What is raised where there is no space.
FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def written_atomically(path: str | Path, *, concurrently: bool = False) -> Iterator[Path]:
    """Write a file which appears at its place only once it is complete.

    An interruption at any point leaves what has been at the path before. What a killed process leaves beside it is
    overwritten by the next one, unless several processes may write to the path concurrently.

    :yields: The path to write to, in the same directory.
    :raises OSError: if it cannot be written, e.g., the disk is full; the message names the path
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part" if concurrently else f".{path.name}.part")
    try:
        yield temporary
        # also after a loss of power, the name must not be there before the content
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
            # the system does not say which file is too large, or on a disk that is full
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
