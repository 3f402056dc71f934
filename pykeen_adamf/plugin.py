"""Registration with PyKEEN, without anybody importing this package.

PyKEEN looks for extensions in one place only: while :mod:`pykeen.datasets` is being imported, it loads the entry points
of the group ``pykeen.datasets``. Those of this package point here. At this time most of PyKEEN is not imported yet, or
is in the middle of it, and importing our models would be a circular import. Thus, this module imports only the
datasets, and registers everything else as soon as the PyKEEN module with the respective resolver is complete.
"""

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NamedTuple

import wrapt

from .adaptations import ADAPTATIONS, adapt

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
        when_imported(host, partial(adapt, path=path, wrapper=wrapper, consequence=consequence))
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


register()
