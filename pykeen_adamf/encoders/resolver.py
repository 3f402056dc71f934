"""Encoders by name."""

import inspect
from collections.abc import Mapping
from typing import Any

from class_resolver import ClassResolver, HintOrType

from .base import Encoder
from .descriptor import DescriptorEncoder
from .hugging_face import HuggingFaceEncoder
from .problems import EncodingError
from .sentence_transformer import SentenceTransformerEncoder
from .timm_model import TimmEncoder

__all__ = ["encoder_resolver", "find_encoder", "make_encoder"]

#: None of the classes needs its optional dependencies before it is instantiated.
encoder_resolver: ClassResolver[Encoder] = ClassResolver(
    [DescriptorEncoder, HuggingFaceEncoder, SentenceTransformerEncoder, TimmEncoder],
    base=Encoder,  # type: ignore[type-abstract]
)


def find_encoder(encoder: HintOrType[Encoder] | Encoder) -> type[Encoder]:
    """Return the class of an encoder, without importing what it depends on.

    :param encoder: The encoder, or its name or class.
    :returns: The class.
    :raises EncodingError: if there is no encoder of this name
    """
    if isinstance(encoder, Encoder):
        return type(encoder)
    try:
        return encoder_resolver.lookup(encoder)
    except (KeyError, ValueError) as error:
        raise EncodingError(
            f"There is no encoder called {encoder!r}. Use one of: {', '.join(sorted(encoder_resolver.options))}."
        ) from error


def make_encoder(encoder: HintOrType[Encoder] | Encoder, kwargs: Mapping[str, Any] | None = None) -> Encoder:
    """Make an encoder.

    :param encoder: The encoder, or its name or class.
    :param kwargs: The keyword-based parameters of the class, unless it is an instance already.
    :returns: The encoder.
    :raises EncodingError: if there is no such encoder or parameter, or an optional dependency is missing
    """
    cls = find_encoder(encoder)
    known = inspect.signature(cls).parameters
    unknown = set(kwargs or {}).difference(known)
    if unknown:
        raise EncodingError(
            f"{cls.__name__} has no option {', '.join(map(repr, sorted(unknown)))}. Its options are: "
            f"{', '.join(known)}."
        )
    for name, value in (kwargs or {}).items():
        expected = known[name].annotation
        # a truth value is an integer in Python
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is int):
            raise EncodingError(
                f"{cls.__name__} cannot use {name}={value!r}: it must be {getattr(expected, '__name__', expected)}."
            )
    return encoder_resolver.make(encoder, kwargs)
