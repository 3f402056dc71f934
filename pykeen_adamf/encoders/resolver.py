"""Encoders by name."""

import inspect
import typing
from collections.abc import Mapping
from typing import Any

from class_resolver import ClassResolver, HintOrType

from ..suggestions import suggest
from .base import Encoder
from .descriptor import DescriptorEncoder
from .hugging_face import HuggingFaceEncoder
from .numeric import NumericEncoder
from .problems import EncodingError
from .sentence_transformer import SentenceTransformerEncoder
from .timm_model import TimmEncoder

__all__ = ["encoder_resolver", "find_encoder", "make_encoder"]

#: None of the classes needs its optional dependencies before it is instantiated.
encoder_resolver: ClassResolver[Encoder] = ClassResolver(
    [DescriptorEncoder, HuggingFaceEncoder, NumericEncoder, SentenceTransformerEncoder, TimmEncoder],
    base=Encoder,  # type: ignore[type-abstract]
)


def find_encoder(encoder: HintOrType[Encoder] | Encoder) -> type[Encoder]:
    """Return the class of an encoder, without importing what it depends on.

    :raises EncodingError: if there is no encoder of this name
    """
    if isinstance(encoder, Encoder):
        return type(encoder)
    try:
        return encoder_resolver.lookup(encoder)
    except (KeyError, ValueError) as error:
        known = ("descriptor", "huggingface", "numeric", "sentence-transformers", "timm")
        raise EncodingError(
            f"There is no encoder called {encoder!r}. Use one of: {', '.join(known)}.{suggest(encoder, known)}"
        ) from error


def make_encoder(encoder: HintOrType[Encoder] | Encoder, kwargs: Mapping[str, Any] | None = None) -> Encoder:
    """Make an encoder of its name or class and keyword-based parameters, unless it is an instance already.

    :raises EncodingError: if there is no such encoder or parameter, or an optional dependency is missing
    """
    cls, kwargs = find_encoder(encoder), kwargs or {}
    known = inspect.signature(cls).parameters
    unknown = sorted(set(kwargs).difference(known))
    if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        raise EncodingError(
            f"{cls.__name__} has no option {', '.join(map(repr, unknown))}. Its options are: {', '.join(known)}."
        )
    try:
        # not those of the signature, which may be strings
        types = typing.get_type_hints(cls.__init__)
    except (AttributeError, NameError, TypeError):
        # e.g., of what is imported for type checkers only
        types = {}
    for name, value in kwargs.items():
        expected = types.get(name, object)
        if not _is_of_type(value, expected):
            raise EncodingError(
                f"{cls.__name__} cannot use {name}={value!r}: it must be {getattr(expected, '__name__', expected)}."
            )
    return encoder_resolver.make(encoder, kwargs)


def _is_of_type(value: object, expected: Any) -> bool:
    """Return whether a value is of a type; if it is no class, nor a union of them, nothing is known about it."""
    members = typing.get_args(expected) or (expected,)
    # a truth value is an integer in Python, and an integer is fine where a floating point number is
    if isinstance(value, bool) and int in members and bool not in members:
        return False
    if type(value) is int and float in members:
        return True
    try:
        return isinstance(value, expected)
    except TypeError:
        return True
