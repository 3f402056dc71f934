"""JSON that others may have written: only what every reader understands in the same way, and nothing endless."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

__all__ = ["check_plain", "read_json"]

#: Which numbers there may be beside finite ones: none, infinite ones, or all that Python writes.
Numbers: TypeAlias = Literal["finite", "infinite", "any"]

#: How deep values may be nested, and how many bits whole numbers may have.
MAX_DEPTH: Final = 64
MAX_BITS: Final = 63


def read_json(path: Path, *, numbers: Numbers = "finite", max_values: int | None = None) -> Any:
    """Read a file, cf. :func:`check_plain`.

    :raises OSError: if it cannot be read
    :raises ValueError: if it is no JSON, or has a key twice; the message does not name the file
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_make_dictionary)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    check_plain(content, numbers=numbers, max_values=max_values)
    return content


def _make_dictionary(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"it has {key!r} twice")
    return result


def check_plain(content: Any, *, numbers: Numbers = "finite", max_values: int | None = None) -> None:
    """Check that nested containers can be gone through, and that their numbers are usual ones.

    :param content: What was read.
    :param numbers: Which numbers there may be.
    :param max_values: How many values there may be, each as often as it is referred to.
    :raises ValueError: if there are more or others than JSON has, or they are nested too deeply
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
        if isinstance(value, float) and not (
            math.isfinite(value) or numbers == "any" or (numbers == "infinite" and math.isinf(value))
        ):
            raise ValueError(f"it has {value}, which is no number in JSON")
        if isinstance(value, dict):
            if unusual := [key for key in value if not isinstance(key, str)]:
                raise ValueError(f"it has the key {unusual[0]!r}, which is no text")
            waiting += [(x, depth + 1) for x in value.values()]
        elif isinstance(value, list):
            waiting += [(x, depth + 1) for x in value]
        elif not isinstance(value, str | int | float | None):
            raise ValueError(f"it has a {type(value).__name__}, which JSON does not have")
