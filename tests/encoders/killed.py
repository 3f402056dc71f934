"""A process whose children encode images, and are killed in the middle; started by the tests of resuming."""

import os
import shutil
import signal
import sys
from pathlib import Path

from pykeen_adamf.encoders import encode, partial, read_folder
from pykeen_adamf.encoders.partial import PartialResult

from .cases import PixelEncoder

BATCH_SIZE = 2


def die(*args, **kwargs):
    """Die without any chance to clean up."""
    os.kill(os.getpid(), signal.SIGKILL)


def _at(number, owner, name, instead=die):
    """Let a function do something else when it is called for the n-th time."""
    function = getattr(owner, name)
    calls = []

    def replacement(*args, **kwargs):
        calls.append(args)
        return (instead if len(calls) == number else function)(*args, **kwargs)

    setattr(owner, name, staticmethod(replacement) if owner is PartialResult else replacement)


def _write_half(file, content):
    file.write(content[: len(content) // 2])
    file.flush()
    die()


def _copy_half(source, target, length):
    target.write(source.read()[:10])
    target.flush()
    die()


#: Where to die. The journal's first line is the first thing to be written; after it, rows and journal take turns.
POINTS = {
    "before anything": lambda: _at(1, PixelEncoder, "load"),
    "before the first line": lambda: _at(1, PartialResult, "_write"),
    "in the first line": lambda: _at(1, PartialResult, "_write", _write_half),
    "in the first rows": lambda: _at(2, PartialResult, "_write", _write_half),
    "while loading": lambda: _at(5, PixelEncoder, "load"),
    "while encoding": lambda: _at(3, PixelEncoder, "encode"),
    "in the rows": lambda: _at(6, PartialResult, "_write", _write_half),
    "between rows and journal": lambda: _at(7, PartialResult, "_write"),
    "in the journal": lambda: _at(7, PartialResult, "_write", _write_half),
    "before the output": lambda: _at(1, shutil, "copyfileobj"),
    "in the output": lambda: _at(1, shutil, "copyfileobj", _copy_half),
    "before it is moved": lambda: _at(1, Path, "replace"),
    "after it is moved": lambda: _at(1, PartialResult, "remove", die),
}


def main() -> None:
    """Encode a folder of images once for each point, into a folder of outputs."""
    assert partial.shutil is shutil
    folder, outputs = map(Path, sys.argv[1:])
    items = read_folder(folder, "visual")
    for point, prepare in POINTS.items():
        process = os.fork()
        if process == 0:
            prepare()
            encode(items, PixelEncoder(), outputs / f"{point}.safetensors", batch_size=BATCH_SIZE, progress=False)
            os._exit(0)
        _, status = os.waitpid(process, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            sys.exit(f"{point}: was not killed, but ended with {status}")


if __name__ == "__main__":
    main()
