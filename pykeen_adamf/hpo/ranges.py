"""The paper's grids, as far as PyKEEN would search others."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from class_resolver.contrib.torch import optimizer_resolver
from pykeen.losses import NSSALoss, loss_resolver
from pykeen.models import Model
from torch.optim import Adam, Adamax, AdamW

from ..optimizers import LazyAdam
from ..signatures import constructor_parameters

__all__ = ["add_default_ranges", "is_ours"]

Ranges = Mapping[str, Mapping[str, Any]]

#: Section 4.1 of the paper: the margin, and the temperature, which multiplies scores.
LOSS_RANGES: Final[Ranges] = {
    "margin": dict(type="categorical", choices=[1.0, 2.0, 4.0, 8.0, 12.0]),
    "adversarial_temperature": dict(type="categorical", choices=[0.5, 1.0, 2.0]),
}

#: Section 4.1 of the paper: the learning rate of the model, i.e., of the discriminator.
OPTIMIZER_RANGES: Final[Ranges] = {"lr": dict(type="categorical", choices=[1.0e-5, 1.0e-4, 1.0e-3])}


def is_ours(cls: type) -> bool:
    """Return whether a class is part of this package."""
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]


def add_default_ranges(model: type[Model], kwargs: MutableMapping[str, Any]) -> None:
    """Add the paper's grids for a model of this package to the arguments of a study, which are changed.

    Those of the loss are added if it is self-adversarial negative sampling, and the one of the learning rate if the
    optimizer is Adam or one of its variants. What the user has fixed, or has given a range of, stays as it is. The
    embedding dimension, which the paper does not tune, has the range of the model.
    """
    loss, optimizer = kwargs.get("loss"), kwargs.get("optimizer")
    loss_cls = model.loss_default if loss is None else loss_resolver.lookup(loss)
    if issubclass(loss_cls, NSSALoss):
        known = constructor_parameters(loss_cls)
        _add_ranges(kwargs, "loss_kwargs", {name: x for name, x in LOSS_RANGES.items() if name in known})
    if issubclass(optimizer_resolver.lookup(optimizer), Adam | AdamW | Adamax | LazyAdam):
        _add_ranges(kwargs, "optimizer_kwargs", OPTIMIZER_RANGES)
    missing, name = model.hpo_default.get("missing"), "use_structural"
    fixed, ranges = (kwargs.get(key) or {} for key in ("model_kwargs", "model_kwargs_ranges"))
    if missing is not None and (not fixed[name] if name in fixed else name in ranges):
        # without the structural modality, which every entity has, some may be left without any, which is an error
        choices = [choice for choice in missing["choices"] if choice != "mask"]
        _add_ranges(kwargs, "model_kwargs", {"missing": {**missing, "choices": choices}})


def _add_ranges(kwargs: MutableMapping[str, Any], key: str, ranges: Ranges) -> None:
    """Add ranges of options that are neither fixed nor tuned so far."""
    given, fixed = kwargs.get(f"{key}_ranges") or {}, kwargs.get(key) or {}
    kwargs[f"{key}_ranges"] = {**{name: value for name, value in ranges.items() if name not in fixed}, **given}
