"""What of PyKEEN goes through this package: functions of it that are wrapped, each as long as its fault is there."""

import importlib
import inspect
import logging
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import wrapt

__all__ = ["ADAPTATIONS", "adapt"]

logger = logging.getLogger(__name__)


class _Adapted(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """A function of PyKEEN that goes through this package; wrappers of others are not taken for it."""


def adapt(host: ModuleType, path: str, wrapper: Callable[..., Any], consequence: str) -> None:
    """Let a function or a method of PyKEEN go through this package, once.

    :param host: The module.
    :param path: The name of the function in it, or of a class and its method.
    :param wrapper: Called with the function, the instance, and its positional and keyword arguments.
    :param consequence: What to tell if a version of PyKEEN has no such function.
    """
    *owners, name = path.split(".")
    owner: Any = host
    for part in owners:
        owner = getattr(owner, part, None)
    # not what a class binds: a class method has to stay one of subclasses, too
    function = inspect.getattr_static(owner, name, None)
    if isinstance(function, _Adapted):
        return
    if function is None:
        logger.warning("This version of PyKEEN is not known: %s", consequence)
        return
    setattr(owner, name, _Adapted(function, wrapper))


def _hpo(name: str) -> Callable[..., Any]:
    """Return a wrapper by a function of :mod:`pykeen_adamf.hpo`, which is imported when it is called."""

    def wrapper(wrapped: Callable[..., Any], instance: None, args: Any, kwargs: dict[str, Any]) -> Any:
        return getattr(importlib.import_module(f"{__package__}.hpo"), name)(wrapped, args, kwargs)

    return wrapper


def _use_default_loss(wrapped: Callable[..., Any], instance: None, args: Any, kwargs: dict[str, Any]) -> Any:
    """Use the default loss of this package's models.

    PyKEEN's pipeline replaces an unspecified loss by the loss resolver's default, a margin ranking loss, before it
    creates the model, which hence never uses its own ``loss_default``. PyKEEN's hyper-parameter optimization does use
    it. Other models are left as they are.
    """
    from pykeen.models import Model, model_resolver

    model = kwargs.get("model")
    unspecified = kwargs.get("loss") is None and "loss" not in (kwargs.get("model_kwargs") or {})
    if unspecified and not isinstance(model, Model):
        cls = model_resolver.lookup(model)
        if cls.__module__.partition(".")[0] == __package__:
            kwargs["loss"] = cls.loss_default
            kwargs["loss_kwargs"] = {**(cls.loss_default_kwargs or {}), **(kwargs.get("loss_kwargs") or {})}
    return wrapped(*args, **kwargs)


def _check_pipeline(wrapped: Callable[..., Any], instance: None, args: Any, kwargs: dict[str, Any]) -> Any:
    """Let mistakes be found before anything is loaded, and nothing be executed that is in a checkpoint.

    Before there is a training loop, PyKEEN's pipeline unpickles the checkpoint, to find the random seed in it.
    """
    from .pipeline_checks import check_arguments

    check_arguments(kwargs)
    return wrapped(*args, **kwargs)


def _check_stopper(wrapped: Callable[..., Any], instance: None, args: Any, kwargs: dict[str, Any]) -> Any:
    """Let early stopping without validation triples be refused before training."""
    from .pipeline_checks import check_stopper

    stopper = kwargs.get("stopper")
    given = kwargs.get("training_kwargs") or {}
    check_stopper(given.get("stopper") if stopper is None else stopper, kwargs.get("validation"))
    return wrapped(*args, **kwargs)


def _refuse_checkpoint(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Let PyKEEN's own training loops say whose a checkpoint of this package's loops is, and not unpickle it."""
    from .training.resumable import refuse_checkpoint

    refuse_checkpoint(instance, *args, **kwargs)
    return wrapped(*args, **kwargs)


def _save_bundle(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Let the result of a pipeline save a model of this package as a bundle, too, which needs no unpickling."""
    from .bundle.saving import save_result

    save_result(wrapped, instance, *args, **kwargs)


def _cache_no_features(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Let PyKEEN's cache of datasets leave out those with features, whoever wrote their class."""
    from .datasets.derived import is_cached

    if not is_cached(instance, *args, **kwargs):
        wrapped(*args, **kwargs)


def _read_features(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Let a dataset that was saved with features be read with them, whoever wrote its class."""
    from .datasets.derived import EagerMultimodalDataset, has_features

    if issubclass(instance, EagerMultimodalDataset) or not has_features(*args, **kwargs):
        return wrapped(*args, **kwargs)
    return EagerMultimodalDataset.from_directory_binary(*args, **kwargs)


#: What of PyKEEN goes through this package: the module, the name in it, the wrapper, and what is missing without it
ADAPTATIONS: Sequence[tuple[str, str, Callable[..., Any], str]] = (
    ("pykeen.pipeline.api", "_build_model_helper", _use_default_loss, "pass loss='NSSA' to the pipeline."),
    ("pykeen.pipeline.api", "PipelineResult.save_to_directory", _save_bundle, "save models by pykeen_adamf.bundle."),
    ("pykeen.pipeline.api", "pipeline", _check_pipeline, "do not continue from checkpoints of others."),
    ("pykeen.pipeline.api", "_handle_training", _check_stopper, "early stopping needs validation triples."),
    (
        "pykeen.training.training_loop",
        "TrainingLoop._load_state",
        _refuse_checkpoint,
        "its loops do not know checkpoints of others.",
    ),
    (
        "pykeen.datasets.base",
        "Dataset.to_directory_binary",
        _cache_no_features,
        "delete PyKEEN's cache of datasets with features.",
    ),
    ("pykeen.datasets.base", "Dataset.from_directory_binary", _read_features, "saved datasets lose features."),
    ("pykeen.hpo.hpo", "hpo_pipeline", _hpo("adapt_hpo_pipeline"), "searches know nothing of MAT's options."),
    (
        "pykeen.ablation.ablation",
        "prepare_ablation",
        _hpo("adapt_prepare_ablation"),
        "studies ignore negative samplers.",
    ),
)
