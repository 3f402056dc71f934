"""What somebody may have meant by a name that is unknown."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from class_resolver import ClassResolver, HintOrType
from typing_extensions import Self

__all__ = ["LabelIds", "UnknownLabelError", "bare", "lookup", "suggest"]

#: Among more names, those that are spelled a bit differently are not searched for: it would take seconds.
MAX_NAMES: Final = 50_000


def suggest(name: object, names: Iterable[str]) -> str:
    """Return a sentence, after a space, with the known names that an unknown one is near to, or nothing.

    These are the ones that differ in case, spaces, Unicode form or angle brackets alone, or else in a few letters.
    """
    names, wanted = list(names), bare(str(name))
    matches = [x for x in names if bare(x) == wanted][:3]
    if not matches and len(names) <= MAX_NAMES:
        matches = difflib.get_close_matches(str(name), names)
    return f" Did you mean {' or '.join(map(repr, matches))}?" if matches else ""


def bare(name: str) -> str:
    """Return what is left of a name without the differences that are easily overlooked."""
    return re.sub(r"[\s_]+", "", unicodedata.normalize("NFKC", name).casefold().strip().strip("<>"))


class UnknownLabelError(KeyError, ValueError):
    """Raised for a label that no entity or relation has; the message says which ones are near to it."""

    def __str__(self) -> str:
        # a KeyError would show its message in quotation marks
        return str(self.args[0])


class LabelIds(dict[str, int]):
    """The IDs of labels, which tells what is known when an unknown label is looked up."""

    #: what has the labels, an entity or a relation
    kind: str

    @classmethod
    def of(cls, kind: str, ids: Mapping[str, int]) -> Self:
        """Return a mapping as one of these, which it may be already."""
        if isinstance(ids, cls) and ids.kind == kind:
            return ids
        result = cls(ids)
        result.kind = kind
        return result

    def __missing__(self, label: object) -> NoReturn:
        raise UnknownLabelError(f"There is no {self.kind} {label!r} in these triples.{suggest(label, self)}")


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
