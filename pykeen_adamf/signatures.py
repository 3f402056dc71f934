"""The parameters of constructors."""

import inspect

__all__ = ["constructor_parameters"]


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
