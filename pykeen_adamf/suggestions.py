"""What somebody may have meant by a name that is unknown."""

import difflib
from collections.abc import Iterable
from typing import Any, TypeVar

from class_resolver import ClassResolver, HintOrType

__all__ = ["lookup", "suggest"]

X = TypeVar("X")


def suggest(name: object, names: Iterable[str]) -> str:
    """Return a sentence, after a space, with the known names that an unknown one is near to, or nothing."""
    matches = difflib.get_close_matches(str(name), list(names))
    return f" Did you mean {' or '.join(map(repr, matches))}?" if matches else ""


def lookup(resolver: ClassResolver[Any], hint: HintOrType[Any]) -> Any:
    """Look a class up by its name, itself, or ``None`` for the default.

    :raises ValueError: if the name is unknown; the message says what there is
    """
    try:
        return resolver.lookup(hint)
    except (KeyError, TypeError) as error:
        kind, known = resolver.base.__name__.lower(), sorted(resolver.lookup_dict)
        hint_ = suggest(resolver.normalize(hint), known) if isinstance(hint, str) else ""
        raise ValueError(f"There is no {kind} {hint!r}, but there are {', '.join(known)}.{hint_}") from error
