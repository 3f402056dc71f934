"""JSON that others may have written: only what every reader understands in the same way, and nothing endless."""

import json
import math
from pathlib import Path
from typing import Any, Final

__all__ = ["check_plain", "read_json"]

#: How deep values may be nested, and how many bits whole numbers may have.
MAX_DEPTH: Final = 64
MAX_BITS: Final = 63


def read_json(path: Path, *, finite: bool = True, max_values: int | None = None) -> Any:
    """Read a file, cf. :func:`check_plain`.

    :raises OSError: if it cannot be read
    :raises ValueError: if it is no JSON, or has a key twice; the message does not name the file
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_make_dictionary)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    check_plain(content, finite=finite, max_values=max_values)
    return content


def _make_dictionary(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"it has {next(key for key in keys if keys.count(key) > 1)!r} twice")
    return result


def check_plain(content: Any, *, finite: bool = True, max_values: int | None = None) -> None:
    """Check that nested containers can be gone through, and that their numbers are usual ones.

    :param content: What was read.
    :param finite: Whether all numbers have to be finite.
    :param max_values: How many values there may be, each as often as it is referred to.
    :raises ValueError: if there are more, they are nested too deeply, or a number is too large or not finite
    """
    waiting, num_values = [(content, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        num_values += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        if max_values is not None and num_values > max_values:
            raise ValueError(f"it has more than {max_values:,} values")
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise ValueError(f"it has a whole number of {value.bit_length():,} bits")
        if finite and isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"it has {value}, which is no number in JSON")
        if isinstance(value, dict):
            if unusual := [key for key in value if not isinstance(key, str)]:
                raise ValueError(f"it has the key {unusual[0]!r}, which is no text")
            waiting += [(x, depth + 1) for x in value.values()]
        elif isinstance(value, list):
            waiting += [(x, depth + 1) for x in value]
