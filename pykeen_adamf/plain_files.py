"""JSON and YAML that others have written: only what all readers understand in the same way, and nothing endless."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import yaml

from .limits import check_regular

__all__ = ["check_plain", "read_json", "read_yaml"]

#: Which numbers there may be beside finite ones: none, infinite ones, or all that Python writes.
Numbers: TypeAlias = Literal["finite", "infinite", "any"]

#: How deep values may be nested, and how many bits whole numbers may have.
MAX_DEPTH: Final = 64
MAX_BITS: Final = 63

#: How many bytes files may have; YAML takes microseconds for each of them.
MAX_JSON: Final = 2**24
MAX_YAML: Final = 2**20

#: How many values there may be, unless less is asked for.
MAX_VALUES: Final = 1_000_000

#: How long anything in YAML may be that is no text.
MAX_LENGTH: Final = 1_000

#: What tells YAML's texts, and that a dictionary is merged into another one.
TEXT: Final = "tag:yaml.org,2002:str"
MERGE: Final = "tag:yaml.org,2002:merge"


def read_json(path: Path, *, numbers: Numbers = "finite", max_values: int = MAX_VALUES) -> Any:
    """Read a file of JSON, cf. :func:`check_plain`.

    :raises OSError: if it cannot be read
    :raises ValueError: if it is no regular file, no JSON, too large, or has a key twice; the message may not name it
    """
    text = _read_text(path, MAX_JSON)
    # each of these may become hundreds of bytes, and they are there at once
    if text.count("[") + text.count("{") > max_values:
        raise ValueError(f"it has more than {max_values:,} values")
    try:
        content = json.loads(text, object_pairs_hook=_make_dictionary)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    check_plain(content, numbers=numbers, max_values=max_values)
    return content


def read_yaml(path: Path, *, numbers: Numbers = "finite", max_values: int) -> Any:
    """Read a file of YAML, cf. :func:`check_plain`. What is merged counts as often as it is.

    :raises OSError: if it cannot be read
    :raises ValueError: if it is no regular file, no YAML, too large, or has a key twice; the message may not name it
    """
    text = _read_text(path, MAX_YAML)
    try:
        loader = _Loader(text, max_values)
        content = loader.get_single_data()
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    check_plain(content, numbers=numbers, max_values=max_values)
    return content


def _read_text(path: Path, max_bytes: int) -> str:
    # what is not there at all is another error
    if path.exists():
        check_regular(path)
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it has more than {max_bytes:,} bytes")
    return content.decode()


def _make_dictionary(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"it has {key!r} twice")
    return result


class _Loader(yaml.SafeLoader):
    """Reads YAML, of which a few lines may merge a dictionary into others any number of times."""

    def __init__(self, text: str, max_values: int) -> None:
        super().__init__(text)
        self.max_values = self.rest = max_values

    def _take(self, num: int) -> None:
        self.rest -= num
        if self.rest < 0:
            raise ValueError(f"it has more than {self.max_values:,} values")

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._take(1)
        node = super().compose_node(parent, index)
        # numbers of base 60, e.g., take a time that grows with the square of their length
        if isinstance(node, yaml.ScalarNode) and node.tag != TEXT and len(node.value) > MAX_LENGTH:
            raise ValueError(f"it has a number of {len(node.value):,} characters")
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        # before anything is merged, which may have the same keys
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != MERGE]
        _make_dictionary([(key.value, None) for key in keys])
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        for key, value in node.value:
            for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if key.tag == MERGE and isinstance(part, yaml.MappingNode):
                    self.flatten_mapping(part)
                    self._take(len(part.value))
        super().flatten_mapping(node)


def check_plain(content: Any, *, numbers: Numbers = "finite", max_values: int = MAX_VALUES) -> None:
    """Check that nested containers can be gone through, and that their numbers are usual ones.

    :param content: What was read.
    :param numbers: Which numbers there may be.
    :param max_values: How many values there may be, each as often as it is referred to.
    :raises ValueError: if there are more or others than JSON has, or they are nested too deeply
    """
    waiting, num_values = [(content, 0)], 1
    while waiting:
        value, depth = waiting.pop()
        # before they are looked at, or they would take more than the content
        num_values += len(value) if isinstance(value, dict | list) else 0
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        if num_values > max_values:
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
