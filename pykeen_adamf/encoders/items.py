"""What is to be encoded: entities, with the images or texts of each."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ..constants import VISUAL
from ..suggestions import suggest
from .base import Source
from .problems import EncodingError, Problem

__all__ = ["Item", "Items", "as_items", "checksum_of_items", "group_items", "rename_items"]


@dataclasses.dataclass(frozen=True)
class Item:
    """An entity with its images or texts."""

    #: the entity's label
    entity: str
    #: the paths of its images or of its texts, or the texts themselves, or its attributes in JSON; its vector is the
    #: mean over those
    sources: Sequence[Source] = ()
    #: what is already known to be unusable
    problems: Sequence[Problem] = ()


#: Items, or a mapping from entity to one or several sources.
Items: TypeAlias = Iterable[Item] | Mapping[str, Source | Sequence[Source]]


def as_items(items: Items, modality: str) -> list[Item]:
    """Validate and normalize items; a string is a text, or, for the visual modality, the path of an image.

    :raises EncodingError: if there are none, an entity has no name or occurs twice, or anything is of another type
    """
    if isinstance(items, Mapping):
        items = [Item(entity, _as_list(sources)) for entity, sources in items.items()]
    items = list(items)
    if not items:
        raise EncodingError("There is nothing to encode: pass at least one entity.")
    seen = set()
    for item in items:
        _check_item(item)
        if item.entity in seen:
            raise EncodingError(f"The entity {item.entity!r} occurs twice. Merge its sources into one item.")
        seen.add(item.entity)
    if modality == VISUAL:
        items = [dataclasses.replace(item, sources=[Path(source) for source in item.sources]) for item in items]
    return items


def _as_list(sources: Any) -> list[Source]:
    """Return the source, or the sources, as a list; :func:`_check_item` looks at what is in it."""
    is_one = isinstance(sources, str | bytes | Path) or not isinstance(sources, Iterable)
    return [sources] if is_one else list(sources)


def _check_item(item: Any) -> None:
    """Check the types, since data from elsewhere often have others than those that are declared, and the name."""
    if not isinstance(item, Item):
        raise EncodingError(f"Pass items, or a mapping from each entity to its sources, rather than {item!r}.")
    name = item.entity
    if not isinstance(name, str):
        raise EncodingError(
            f"The name of an entity must be a string, but there is {name!r}, of type {type(name).__name__}. Convert "
            f"it, e.g., by str()."
        )
    for source in _as_list(item.sources):
        if isinstance(item.sources, str) or not isinstance(source, str | Path):
            raise EncodingError(
                f"The sources of an entity must be a list of texts or paths, but {name!r} has {source!r}, of type "
                f"{type(source).__name__}. Pass an empty list if there are none."
            )
    if not name.strip():
        raise EncodingError(f"An entity needs a name, but there is one called {name!r}.")
    if name != name.encode("utf-8", "ignore").decode():
        # from the name of a file that is not in UTF-8; such a label can neither be stored nor be in any graph
        raise EncodingError(f"The name of the entity {name!r} is not in UTF-8. Rename its file.")


def rename_items(items: Iterable[Item], names: Mapping[str, str], where: str) -> list[Item]:
    """Call entities otherwise.

    :param names: The new name of each.
    :param where: Where the items are from, for messages.
    :raises EncodingError: if an entity has no new name
    """
    items = list(items)
    for item in items:
        if item.entity not in names:
            raise EncodingError(
                f"{where} has an entity {item.entity!r}, which is not among the {len(names):,} that have a label."
                f"{suggest(item.entity, names)}"
            )
    return [dataclasses.replace(item, entity=names[item.entity]) for item in items]


def group_items(items: Sequence[Item], batch_size: int) -> list[Sequence[Item]]:
    """Divide items into groups that are encoded together, each of at most as many sources as a batch, or of one item.

    The groups depend on nothing but the items: neither on which of their sources are usable, nor on where an earlier
    run has stopped. Hence, a resumed run computes what an uninterrupted one does.
    """
    groups: list[list[Item]] = []
    room = 0
    for item in items:
        # a missing entity takes room, too: groups are what is written at once
        size = max(len(item.sources), 1)
        if size > room:
            groups.append([])
            room = batch_size
        groups[-1].append(item)
        room -= size
    return list(groups)


def checksum_of_items(items: Sequence[Item]) -> str:
    """Return a checksum that changes when items do, or their files: it knows them by size and time of modification."""
    digest = hashlib.sha256()
    for item in items:
        known = [item.entity, [_describe(source) for source in item.sources], [str(p) for p in item.problems]]
        digest.update(json.dumps(known).encode() + b"\n")
    return digest.hexdigest()


def _describe(source: Source) -> Sequence[str | int]:
    if isinstance(source, str):
        return ["text", source]
    try:
        status = source.stat()
    except (OSError, ValueError):
        # the latter for null characters
        return ["missing", str(source.absolute())]
    return ["file", str(source.absolute()), status.st_size, status.st_mtime_ns]
