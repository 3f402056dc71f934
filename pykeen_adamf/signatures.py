"""The parameters of constructors and methods."""

import inspect
from collections.abc import Collection, Mapping
from typing import Any

from .suggestions import suggest

__all__ = ["check_options", "constructor_parameters", "method_parameters"]


def constructor_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Return the parameters of a constructor by name, and of those of the base classes that it passes all others to."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(base).parameters
        found = {**parameters, **found}
        if all(x.kind is not x.VAR_KEYWORD for x in parameters.values()):
            break
    return {name: x for name, x in found.items() if x.kind not in {x.VAR_POSITIONAL, x.VAR_KEYWORD}}


def method_parameters(cls: type, name: str) -> set[str]:
    """Return the names of a method's parameters, where each class passes what it does not know on to the next one."""
    methods = [base.__dict__[name] for base in cls.__mro__ if name in base.__dict__]
    return {x for method in methods for x in inspect.signature(method).parameters}


def check_options(given: Mapping[str, Any] | None, known: Collection[str], owner: str) -> None:
    """Check that there are such options.

    :raises TypeError: if there is one that is unknown; the message says the nearest
    """
    for name in given or {}:
        if name not in known:
            raise TypeError(f"{owner} has no option {name!r}.{suggest(name, known)}")
