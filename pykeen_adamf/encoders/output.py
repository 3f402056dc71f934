"""Where features are written to, and how: those which are on disk already are not read into memory."""

import json
import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

import numpy

from ..atomic import written_atomically
from ..features.files import KEY_FEATURES, KEY_LABELS, KEY_PRESENCE
from .partial import PartialResult
from .problems import EncodingError

__all__ = ["check_output", "write_safetensors"]

#: The header is padded, such that the numbers behind it are aligned in memory.
ALIGNMENT: Final = 8


def check_output(output: str | Path, report: str | Path | None, sources: Collection[Path]) -> Path:
    """Check that features, and the report if there is to be one, can be written, before hours are spent on them.

    :raises EncodingError: if one of them cannot be written, or is the other or one of the sources; or if the output has
        another suffix than ``.safetensors``
    """
    output = Path(output)
    if output.suffix != ".safetensors":
        raise EncodingError(f"Features are written as .safetensors files, but the output is {output}.")
    try:
        if output.is_dir():
            raise EncodingError(f"Cannot write {output}: it is a folder. Choose another name.")
        if not output.parent.is_dir():
            place = output.parent.absolute()
            raise EncodingError(
                f"Cannot write {output}: the folder {place} does not exist, or is none. Create it first."
            )
        # the only way to know more is to try, with a name as long as that of the partial result
        NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}").close()
    except OSError as error:
        raise EncodingError(
            f"Cannot write {output}: {error.strerror or error}. Choose a folder that you may write to."
        ) from error
    if output.exists() and any(_is_same(output, source) for source in sources):
        raise EncodingError(f"The output cannot be written to {output}, which is to be encoded. Choose another file.")
    if report is not None:
        _check_report(Path(report), output, sources)
    return output


def _check_report(report: Path, output: Path, sources: Collection[Path]) -> None:
    """Check that a report can be written, and that nothing else is lost by it."""
    problem = f"The report cannot be written to {report}"
    try:
        place = report.resolve()
        # an older one is overwritten at its place
        changed = place if place.exists() else place.parent
        is_writable = place.parent.is_dir() and not place.is_dir() and os.access(changed, os.W_OK)
    except (OSError, RuntimeError):
        # names that are too long, and circles of links
        is_writable = False
    if not is_writable:
        raise EncodingError(f"Cannot write the report to {report}. Choose a file in a folder that you may write to.")
    if place == output.resolve() or _is_same(place, output):
        raise EncodingError(f"{problem}, which is the output. Choose another file.")
    if place.parent == PartialResult.directory_of(output).resolve():
        raise EncodingError(f"{problem}: its folder is removed. Choose another one.")
    if place.exists() and any(_is_same(place, source) for source in sources):
        raise EncodingError(f"{problem}, which is to be encoded. Choose another file.")


def _is_same(path: Path, other: Path) -> bool:
    """Return whether two paths lead to one file, be it by links."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False


def write_safetensors(
    output: Path, rows: Path, dim: int, dtype: str, labels: Sequence[str], presence: Sequence[bool], metadata: Any
) -> None:
    """Write a file as :func:`pykeen_adamf.features.write_features` does, but copy the rows from another file."""
    itemsize, num_rows = numpy.dtype(dtype).itemsize, len(labels)
    end = num_rows * dim * itemsize
    entries = {
        "__metadata__": {**metadata, KEY_LABELS: json.dumps(list(labels))},
        KEY_FEATURES: {"dtype": f"F{8 * itemsize}", "shape": [num_rows, dim], "data_offsets": [0, end]},
        KEY_PRESENCE: {"dtype": "BOOL", "shape": [num_rows], "data_offsets": [end, end + num_rows]},
    }
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % ALIGNMENT)
    with written_atomically(output) as temporary, temporary.open("wb") as target, rows.open("rb") as source:
        target.write(len(header).to_bytes(8, "little") + header)
        shutil.copyfileobj(source, target, length=1 << 20)
        target.write(numpy.array(presence, dtype=bool).tobytes())
