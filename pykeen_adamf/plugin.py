"""Registration with PyKEEN, without anybody importing this package.

PyKEEN looks for extensions in one place only: while :mod:`pykeen.datasets` is being imported, it loads the entry points
of the group ``pykeen.datasets``. Those of this package point here. At this time most of PyKEEN is not imported yet, or
is in the middle of it, and importing our models would be a circular import. Thus, this module imports only the
datasets, and registers everything else as soon as the PyKEEN module with the respective resolver is complete.
"""

import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

import wrapt

# not from the package: if that is what somebody imports first, it is not complete yet
from .datasets.db15k import DB15K
from .datasets.emojikg import EmojiKG
from .datasets.mkg import MKGW, MKGY
from .datasets.path import MultimodalPathDataset

__all__ = [
    "DB15K",
    "MKGW",
    "MKGY",
    "REGISTRATIONS",
    "EmojiKG",
    "MultimodalPathDataset",
    "Registration",
    "register",
]

logger = logging.getLogger(__name__)


class Registration(NamedTuple):
    """What to register where."""

    #: the PyKEEN module, and the name of its resolver
    host: str
    resolver: str

    #: our module, and the names of its classes
    module: str
    names: Sequence[str]


REGISTRATIONS: Sequence[Registration] = (
    # already done by the entry points, unless this module is imported before PyKEEN
    Registration(
        "pykeen.datasets", "dataset_resolver", "datasets", ["DB15K", "EmojiKG", "MKGW", "MKGY", "MultimodalPathDataset"]
    ),
    Registration("pykeen.sampling", "negative_sampler_resolver", "sampling", ["FilteredBernoulliNegativeSampler"]),
    Registration(
        "pykeen.nn",
        "interaction_resolver",
        "nn",
        [
            *("IKRLInteraction", "LpRotatEInteraction", "MMKRLInteraction", "OTEInteraction", "RegularizedInteraction"),
            "TBKGCInteraction",
        ],
    ),
    Registration(
        "pykeen.nn",
        "representation_resolver",
        "nn",
        [
            "AutoencodedRepresentation",
            "FusedRepresentation",
            "PhaseRepresentation",
            "ProjectedFeatureRepresentation",
            "StructuralEmbedding",
        ],
    ),
    Registration("pykeen.losses", "loss_resolver", "losses", ["EntropyGuidedLoss"]),
    Registration(
        "pykeen.models",
        "model_resolver",
        "models",
        [
            *("AdaMF", "AdaMFRotatE", "GCOTE", "IKRL", "LpRotatE", "MMKRL", "MoCME", "MoMoK", "MoSE", "NativE"),
            *("OTE", "OTKGE", "RSME", "Structural", "TBKGC", "TransAE", "VBKGC"),
        ],
    ),
    Registration("class_resolver.contrib.torch", "optimizer_resolver", "optimizers", ["LazyAdam"]),
    Registration(
        "pykeen.training",
        "training_loop_resolver",
        "training",
        [
            f"{name}TrainingLoop"
            for name in ("KBGAN", "MANS", "MAT", "MMRNS", "OneToN", "OneVsAll", "OneVsAllMAT", "Twins")
        ],
    ),
)


class _WatchedSpec(ModuleSpec):
    """The specification of a module that is being imported, which tells when the import is complete.

    Python keeps this state in the specification's attribute ``_initializing``. A module that is already being imported
    does not pass through import hooks again, so that there is no other way to learn of its completion.
    """

    @property
    def _initializing(self) -> bool:
        initializing: bool = self.__dict__["_initializing"]
        return initializing

    @_initializing.setter
    def _initializing(self, value: bool) -> None:
        self.__dict__["_initializing"] = value
        # the module is removed from sys.modules if its import has failed
        if not value and self.name in sys.modules:
            for callback in self.__dict__.pop("_callbacks", []):
                callback(sys.modules[self.name])


def when_imported(name: str, callback: Callable[[ModuleType], None]) -> None:
    """Call a function once with a module as soon as this is imported: now, at the end of its import, or never."""
    module = sys.modules.get(name)
    if module is None:
        wrapt.register_post_import_hook(callback, name)
        return
    spec = module.__spec__
    if spec is None or not getattr(spec, "_initializing", False):
        callback(module)
        return
    if not isinstance(spec, _WatchedSpec):
        spec.__class__ = _WatchedSpec
    spec.__dict__.setdefault("_callbacks", []).append(callback)


def register() -> None:
    """Register everything with PyKEEN; repeated calls change nothing."""
    for registration in REGISTRATIONS:
        when_imported(registration.host, partial(_register, registration))
    for host, path, wrapper, consequence in ADAPTATIONS:
        when_imported(host, partial(_adapt, path=path, wrapper=wrapper, consequence=consequence))
    when_imported("pykeen.optimizers", _tune_lazy_adam)


def _register(registration: Registration, host: ModuleType) -> None:
    """Register classes with the resolver of a completely imported module."""

    def add(module: ModuleType) -> None:
        resolver = getattr(host, registration.resolver)
        for name in registration.names:
            cls = getattr(module, name)
            if resolver.lookup_dict.get(resolver.normalize_cls(cls)) is not cls:
                resolver.register(cls)

    name = f"{__package__}.{registration.module}"
    try:
        if name in sys.modules:
            # it may be what has triggered the import of PyKEEN, and then is not complete yet
            when_imported(name, add)
        else:
            add(importlib.import_module(name))
    except Exception:
        # this runs at the end of PyKEEN's imports: PyKEEN itself must go on working, whatever is wrong here
        logger.exception("Could not register %s with %s.", registration.names, host.__name__)


def _tune_lazy_adam(host: ModuleType) -> None:
    """Let PyKEEN's hyper-parameter optimization know the ranges of the optimizer, which are Adam's."""
    from .optimizers import LazyAdam

    defaults = getattr(host, "optimizers_hpo_defaults", None)
    if defaults is not None:
        defaults.setdefault(LazyAdam, defaults.get(host.optimizer_resolver.lookup("adam"), {}))


class _Adapted(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """A function of PyKEEN that goes through this package; wrappers of others are not taken for it."""


def _adapt(host: ModuleType, path: str, wrapper: Callable[..., Any], consequence: str) -> None:
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


def _check_checkpoint(wrapped: Callable[..., Any], instance: None, args: Any, kwargs: dict[str, Any]) -> Any:
    """Let nothing be executed when a pipeline continues from a checkpoint of this package's training loops.

    Before there is a training loop, PyKEEN's pipeline unpickles the checkpoint, to find the random seed in it.
    """
    from .training.resumable import check_checkpoint

    check_checkpoint(kwargs.get("training_loop"), kwargs.get("training_kwargs") or {})
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
    ("pykeen.pipeline.api", "pipeline", _check_checkpoint, "do not continue from checkpoints of others."),
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

register()
