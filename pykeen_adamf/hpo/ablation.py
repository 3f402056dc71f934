"""Ablation studies use the negative sampler that they are given.

PyKEEN's ablation studies write a configuration for each combination, with the options of the negative sampler, but
without the negative sampler itself: a study is run with the default one, whatever was asked for.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pykeen.models import model_resolver
from pykeen.training import SLCWATrainingLoop, training_loop_resolver
from pykeen.utils import upgrade_to_sequence

from .ranges import is_ours

__all__ = ["adapt_prepare_ablation"]

Directories = list[tuple[Path, Path]]


def adapt_prepare_ablation(
    wrapped: Callable[..., Directories], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Directories:
    """Write the configurations of an ablation study, with the negative sampler.

    All configurations of a study get it, such that its models and training loops can be compared, if one of these is
    of this package. All other studies are left as they are.

    :raises ValueError: if there are options of a negative sampler, but it is not named
    """
    arguments = inspect.signature(wrapped).bind(*args, **kwargs).arguments
    if not _is_involved(arguments):
        return wrapped(*args, **kwargs)
    negative_sampler = arguments.get("negative_sampler")
    for name in ("model_to_neg_sampler_to_neg_sampler_kwargs", "model_to_neg_sampler_to_neg_sampler_kwargs_ranges"):
        if negative_sampler is None and arguments.get(name):
            raise ValueError(
                f"The ablation study has options of negative samplers, {arguments[name]!r}, but does not say which "
                f"sampler to use. Pass its name as negative_sampler.",
            )
    directories = wrapped(*args, **kwargs)
    for _, path in directories if negative_sampler is not None else ():
        config = json.loads(path.read_text(encoding="utf-8"))
        if issubclass(training_loop_resolver.lookup(config["pipeline"]["training_loop"]), SLCWATrainingLoop):
            config["pipeline"]["negative_sampler"] = negative_sampler
            path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return directories


def _is_involved(arguments: Mapping[str, Any]) -> bool:
    """Return whether a model or a training loop of an ablation study is of this package."""
    return any(
        is_ours(resolver.lookup(name))
        for key, resolver in (("models", model_resolver), ("training_loops", training_loop_resolver))
        for name in upgrade_to_sequence(arguments[key])
    )
