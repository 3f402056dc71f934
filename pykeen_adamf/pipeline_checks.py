"""What is checked of the arguments of PyKEEN's pipeline and studies, before anything is loaded or trained."""

from collections.abc import Collection, Mapping
from typing import Any

from class_resolver import ClassResolver
from pykeen.models import model_resolver
from pykeen.sampling import negative_sampler_resolver
from pykeen.stoppers import EarlyStopper, stopper_resolver
from pykeen.training import training_loop_resolver
from pykeen.triples import CoreTriplesFactory

from .signatures import check_options, constructor_parameters, method_parameters
from .training.resumable import check_checkpoint
from .training.slcwa import SamplingTrainingLoop

__all__ = ["check_arguments", "check_stopper", "training_parameters"]


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Check the arguments of a pipeline or a study, as far as they are for what is of this package.

    :raises CheckpointMismatchError: if there is a checkpoint with something that would be executed, or it is damaged
    :raises TypeError: if the model or the training loop has no such option
    """
    if (cls := _find_ours(model_resolver, arguments.get("model"))) is not None:
        _check(arguments, "model_kwargs", constructor_parameters(cls), f"The model {cls.__name__}")
    if (cls := _find_ours(training_loop_resolver, arguments.get("training_loop"))) is not None:
        _check(arguments, "training_loop_kwargs", constructor_parameters(cls), f"The training loop {cls.__name__}")
        _check(arguments, "training_kwargs", training_parameters(cls), f"The training of {cls.__name__}")
    # of subclasses that others have made, too
    check_checkpoint(arguments.get("training_loop"), arguments.get("training_kwargs") or {})


def _check(arguments: Mapping[str, Any], key: str, known: Collection[str], owner: str) -> None:
    """Check options that are fixed, and those that a study tunes."""
    for given in (arguments.get(key), arguments.get(f"{key}_ranges")):
        check_options(given, known, owner)


def _find_ours(resolver: ClassResolver[Any], hint: Any) -> type | None:
    """Return a class of this package by its name or itself; PyKEEN deals with all others."""
    cls = resolver.lookup_dict.get(resolver.normalize(hint)) if isinstance(hint, str) else hint
    is_ours = isinstance(cls, type) and cls.__module__.partition(".")[0] == __package__
    return cls if is_ours else None


def training_parameters(cls: type) -> set[str]:
    """Return the names of the parameters of a training loop's method ``train``."""
    known = method_parameters(cls, "train")
    if issubclass(cls, SamplingTrainingLoop):
        # it takes options of the sampler, too
        known = known.union(*map(constructor_parameters, negative_sampler_resolver.lookup_dict.values()))
    return known


def check_stopper(stopper: Any, validation: CoreTriplesFactory | None) -> None:
    """Check that early stopping has triples to be decided by.

    :raises ValueError: if it has none
    """
    is_early = isinstance(stopper, EarlyStopper) or (stopper and stopper_resolver.lookup(stopper) is EarlyStopper)
    if is_early and (validation is None or not validation.num_triples):
        raise ValueError(
            "Early stopping needs validation triples, and there are none. Pass validation=... to the pipeline, use a "
            "dataset that has them, or leave the stopper out."
        )
