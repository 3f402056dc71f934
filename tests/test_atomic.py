"""Files that are complete or not there."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pykeen_adamf.atomic import written_atomically


@contextmanager
def no_space() -> Iterator[None]:
    """Let there be no space for a file of more than 100 bytes, and not longer: it could be that of pytest's output."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_no_space(tmp_path):
    """The error names the file, which is as before."""
    path = tmp_path / "x.json"
    path.write_text("before")
    with no_space(), pytest.raises(OSError, match=r"File too large.*x\.json"), written_atomically(path) as temporary:
        temporary.write_text("x" * 1000)
    assert [x.read_text() for x in tmp_path.iterdir()] == ["before"]
