"""The arguments of models, losses and regularizers as JSON, and back."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy
import torch
from class_resolver import ClassResolver
from class_resolver.contrib.torch import margin_activation_resolver
from pykeen.losses import Loss, loss_resolver
from pykeen.nn import interaction_resolver
from pykeen.regularizers import Regularizer, regularizer_resolver
from pykeen.utils import NoRandomSeedNecessary
from torch import nn

from ..models import QueryScoringModel
from ..nn import fusion_resolver
from .layout import BundleError

__all__ = ["describe_arguments", "describe_instance", "restore_arguments", "restore_instance"]

#: How values are told from plain ones, i.e., what JSON does not have.
KEY_DTYPE: Final = "$dtype"
KEY_FLOAT: Final = "$float"
KEY_REGULARIZER: Final = "$regularizer"

#: Where PyKEEN keeps the arguments of losses and regularizers, if not in an attribute of the same name.
ATTRIBUTES: Final[Mapping[str, str]] = {
    "adversarial_temperature": "inverse_softmax_temperature",
    "positive_negative_balance": "positive_weight",
    "total_weight": "weight",
}

#: What neither predictions nor further training depend on.
TRANSIENT: Final = frozenset({"training", "updated", "regularization_term"})


def describe_arguments(model: QueryScoringModel) -> dict[str, Any]:
    """Describe the keyword-based parameters that make another model like this one, such that they can become JSON.

    The defaults are described, too: they may be others in a later version. The loss is not, since it may have been
    given in many ways, cf. :func:`describe_instance`.

    :raises BundleError: if some argument cannot be described
    """
    if model.creation_kwargs is None:
        raise BundleError(
            f"This {type(model).__name__} does not know the arguments that it was created with. It was unpickled from "
            f"a file of an earlier version of pykeen-adamf: create it anew, and load its state_dict."
        )
    given = dict(model.creation_kwargs)
    for name, parameter in inspect.signature(type(model).__init__).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty:
            given.setdefault(name, parameter.default)
    if given.get("random_seed") is NoRandomSeedNecessary:
        given["random_seed"] = None
    return {
        name: _describe(value, f"the argument {name} of {type(model).__name__}")
        for name, value in given.items()
        # they may have been left out, and have done their work
        if "initializer" not in name and name not in {"loss", "loss_kwargs"}
    }


def _describe(value: Any, what: str) -> Any:
    """Describe one value."""
    if isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {KEY_FLOAT: str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.dtype):
        return {KEY_DTYPE: str(value).removeprefix("torch.")}
    if isinstance(value, Regularizer):
        return {KEY_REGULARIZER: describe_instance(value, what)}
    for resolver in (regularizer_resolver, interaction_resolver, fusion_resolver):
        if isinstance(value, type) and issubclass(value, resolver.base):
            return _find_name(resolver, value, what)
    if isinstance(value, Mapping) and all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {key: _describe(x, what) for key, x in value.items()}
    if isinstance(value, Sequence | nn.ModuleList) and not isinstance(value, bytes):
        return [_describe(x, what) for x in value]
    raise BundleError(
        f"{what[0].upper()}{what[1:]} is a {type(value).__name__}, which cannot be written as JSON. Use a name and "
        f"keyword-based parameters instead."
    )


def restore_arguments(value: Any) -> Any:
    """Return what was described by :func:`describe_arguments`, or a part of it.

    :raises BundleError: if there is something in it that this version does not know
    """
    if isinstance(value, list):
        return [restore_arguments(x) for x in value]
    if not isinstance(value, Mapping):
        return value
    if KEY_FLOAT in value:
        return float(value[KEY_FLOAT])
    if KEY_DTYPE in value:
        dtype = getattr(torch, str(value[KEY_DTYPE]), None)
        if not isinstance(dtype, torch.dtype):
            raise BundleError(f"This version of PyTorch has no data type {value[KEY_DTYPE]!r}.")
        return dtype
    if KEY_REGULARIZER in value:
        return restore_instance(value[KEY_REGULARIZER], regularizer_resolver, "regularizer")
    return {key: restore_arguments(x) for key, x in value.items()}


def describe_instance(instance: Loss | Regularizer, what: str) -> dict[str, Any]:
    """Describe a loss or a regularizer by its name and arguments.

    PyKEEN's classes do not remember their arguments: they are read from attributes, and it is checked that they make
    an instance like the given one. Messages call it what it is, ``what``.

    :raises BundleError: if it cannot be described
    """
    resolver: ClassResolver[Any] = loss_resolver if isinstance(instance, Loss) else regularizer_resolver
    name = _find_name(resolver, type(instance), what)
    kwargs = {}
    for key, parameter in inspect.signature(type(instance).__init__).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD and isinstance(instance, Loss):
            key = "reduction"
        value = _read_argument(instance, key)
        if value is not parameter.empty and key != "self":
            kwargs[key] = _describe(value, f"{what}, more precisely its argument {key},")
    description = {"name": name, "kwargs": kwargs}
    if not _is_like(restore_instance(description, resolver, what), instance):
        raise BundleError(
            f"{what[0].upper()}{what[1:]} is a {type(instance).__name__} of which the arguments cannot be told: those "
            f"that it seems to have, {kwargs}, make another one."
        )
    return description


def restore_instance(description: Mapping[str, Any], resolver: ClassResolver[Any], what: str) -> Any:
    """Return a new instance of what was described by :func:`describe_instance`, whose class the resolver knows.

    :raises BundleError: if there is no such class, or it does not take these arguments
    """
    cls = resolver.lookup_dict.get(description["name"])
    if cls is None:
        raise BundleError(f"There is no {what} named {description['name']!r} here. Register its class with PyKEEN.")
    try:
        return cls(**restore_arguments(description["kwargs"]))
    except (TypeError, ValueError) as error:
        raise BundleError(f"{cls.__name__} does not take these arguments: {description['kwargs']}") from error


def _find_name(resolver: ClassResolver[Any], cls: type, what: str) -> str:
    """Return the name of a class."""
    name: str = resolver.normalize_cls(cls)
    if resolver.lookup_dict.get(name) is not cls:
        raise BundleError(
            f"{what[0].upper()}{what[1:]} is a {cls.__name__}, which PyKEEN does not know by name. Register the class "
            f"with the resolver of {resolver.base.__name__}, also before loading."
        )
    return name


def _read_argument(instance: Any, name: str) -> Any:
    """Return an argument that an instance was created with, or the marker of signatures for none."""
    if name == "log_adversarial_temperature":
        return math.log(instance.inverse_softmax_temperature)
    value = _get_state(instance).get(ATTRIBUTES.get(name, name), inspect.Parameter.empty)
    if name == "margin_activation":
        return margin_activation_resolver.normalize_inst(value)
    return value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value


def _is_like(a: Any, b: Any) -> bool:
    """Return whether two things are the same, as far as can be seen."""
    if type(a) is not type(b):
        return False
    if isinstance(a, nn.Module):
        return _is_like(_get_state(a), _get_state(b))
    if isinstance(a, torch.Tensor):
        return a.shape == b.shape and bool(torch.equal(a.cpu(), b.cpu()))
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_is_like(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_is_like, a, b))
    if isinstance(a, float):
        # a logarithm's exponential may be another number
        return math.isclose(a, b, rel_tol=1e-12)
    return bool(a == b)


def _get_state(module: nn.Module) -> dict[str, Any]:
    """Return the attributes of a module, with those that PyTorch keeps, without its own."""
    own = vars(nn.Module())
    plain = {name: value for name, value in vars(module).items() if name not in own}
    parts = {**module._parameters, **module._buffers, **module._modules}
    return {name: value for name, value in {**plain, **parts}.items() if name not in TRANSIENT}
