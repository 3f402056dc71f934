"""What a run of training was configured with, to be compared with what a checkpoint was written by."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import torch
from pykeen.sampling import negative_sampler_resolver
from pykeen.stoppers import EarlyStopper, Stopper
from pykeen.training import SLCWATrainingLoop, TrainingLoop
from pykeen.training.training_loop import CheckpointMismatchError
from pykeen.triples import CoreTriplesFactory, TriplesFactory
from torch import nn

from ..digests import add_rows, digest_rows
from ..triples import MultimodalTriplesFactory

__all__ = ["check_configuration", "describe", "describe_run", "describe_triples"]

#: The arguments of :meth:`pykeen.training.TrainingLoop.train` that change what is trained. Others may be changed from
#: one run to the next, e.g., the number of epochs.
ARGUMENTS: Final = (
    *("batch_size", "sub_batch_size", "slice_size", "drop_last", "label_smoothing", "sampler", "num_workers"),
    *("gradient_clipping_max_norm", "gradient_clipping_norm_type", "gradient_clipping_max_abs_value"),
)

#: Attributes that change during training, or refer to what is described elsewhere.
CHANGING: Final = frozenset({"training", "updated", "regularization_term", "optimizer", "training_loop"})

#: Up to how many numbers of a tensor are shown rather than a digest of them.
MAX_NUMEL: Final = 16

#: What stands for no argument.
DEFAULTS: Final = {"label_smoothing": 0.0, "num_workers": 0, "drop_last": False}

#: The options of an early stopper that change what it decides.
STOPPER_OPTIONS: Final = ("frequency", "patience", "metric", "relative_delta", "larger_is_better")


def describe(value: object) -> str:
    """Describe anything by what is simple in it, in the same way in another process."""
    return json.dumps(_simplify(value), sort_keys=True)


def _simplify(value: Any, depth: int = 3) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, torch.Tensor):
        return value.tolist() if value.numel() <= MAX_NUMEL else digest_rows(value.reshape(len(value), -1))
    if isinstance(value, Mapping):
        return {str(key): _simplify(x, depth) for key, x in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_simplify(x, depth) for x in value]
    if not depth or not hasattr(value, "__dict__") or (callable(value) and hasattr(value, "__qualname__")):
        return getattr(value, "__qualname__", type(value).__name__)
    public = {name: x for name, x in vars(value).items() if not name.startswith("_") and name not in CHANGING}
    if isinstance(value, nn.Module):
        public |= {name: x for name, x in value.named_buffers(recurse=False) if name not in CHANGING}
    return {"": type(value).__name__, **{name: _simplify(x, depth - 1) for name, x in public.items()}}


def _describe_stopper(stopper: Stopper | None) -> str:
    """Describe a stopper, and what it measures."""
    if not isinstance(stopper, EarlyStopper):
        return describe(stopper)
    evaluator = stopper.evaluator
    options = {name: getattr(stopper, name) for name in STOPPER_OPTIONS}
    # others are found out by the evaluator itself
    kept = {name: getattr(evaluator, name, None) for name in ("filtered", "num_negatives")}
    triples = digest_rows(stopper.evaluation_triples_factory.mapped_triples)
    return describe({**options, "evaluator": type(evaluator).__name__, **kept, "triples": triples})


def _describe_callbacks(callbacks: Any, callbacks_kwargs: Any) -> str:
    """Describe PyKEEN's callbacks, which may clip gradients; those of others may keep anything, and do so."""
    hints = [] if callbacks is None else callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    known = [
        x
        for x in hints
        if isinstance(x, str) or (x if isinstance(x, type) else type(x)).__module__.partition(".")[0] == "pykeen"
    ]
    return describe([known, callbacks_kwargs if any(isinstance(x, str | type) for x in known) else None])


def describe_triples(factory: CoreTriplesFactory, *, inverse: bool | None = None) -> dict[str, str]:
    """Return digests of training triples, of their labels, and of each modality's features, by name.

    They are taken to have inverse ones or not as they do, or as ``inverse`` says.
    """
    state = hashlib.sha256(str(factory.create_inverse_triples if inverse is None else inverse).encode())
    add_rows(state, factory.mapped_triples)
    result = {"training triples": state.hexdigest()}
    if isinstance(factory, TriplesFactory):
        labels = json.dumps([sorted(factory.entity_to_id.items()), sorted(factory.relation_to_id.items())])
        result["labels of entities and relations"] = hashlib.sha256(labels.encode()).hexdigest()
    if isinstance(factory, MultimodalTriplesFactory):
        for name, modality in factory.features.items():
            result[f"{name} features"] = modality.digest()
    return result


def describe_run(
    loop: TrainingLoop[Any], factory: CoreTriplesFactory, arguments: Mapping[str, Any], stopper: Stopper | None
) -> dict[str, str]:
    """Describe everything that decides which numbers are trained, by name; the arguments are those of ``train``."""
    assert loop.optimizer is not None
    parameters = {
        name: f"{tuple(x.shape)}{'' if x.requires_grad else ' frozen'}" for name, x in loop.model.named_parameters()
    }
    # each module by its own attributes, and not by those of its parts
    modules = {
        name: {key: x for key, x in _simplify(module, depth=1).items() if not isinstance(x, dict)}
        for name, module in loop.model.named_modules()
    }
    sampler = {}
    if isinstance(loop, SLCWATrainingLoop):
        # whether it is given by its name or its class
        hint = loop.negative_sampler
        hint = negative_sampler_resolver.lookup(hint) if hint is None or isinstance(hint, str) else hint
        sampler = {"negative sampler": describe([hint, loop.negative_sampler_kwargs or {}])}
    return {
        **{f"version of {name}": version(name) for name in ("pykeen", "pykeen-adamf", "torch")},
        "training loop": type(loop).__name__,
        "model": json.dumps(modules),
        "parameters": json.dumps(parameters),
        "random seed": str(loop.model._random_seed),
        "loss": describe(loop.loss),
        "loss weighter": describe([loop.loss_weighter, loop.loss_weighter_kwargs]),
        # not the optimizer itself, of which schedules change the learning rate
        "optimizer": describe([type(loop.optimizer), loop.optimizer.defaults]),
        "learning rate scheduler": describe(loop.lr_scheduler),
        **sampler,
        "stopper": _describe_stopper(stopper),
        "callbacks": _describe_callbacks(arguments.get("callbacks"), arguments.get("callbacks_kwargs")),
        # whether it is given, or left to the default
        **{name: str(arguments.get(name) or DEFAULTS.get(name)) for name in ARGUMENTS},
        **describe_triples(factory),
    }


def check_configuration(path: Path, stored: Any, current: Mapping[str, str]) -> None:
    """Check that the checkpoint at a path is from a run like the current one, cf. :func:`describe_run`.

    :raises CheckpointMismatchError: if they differ; the message says where
    """
    if not isinstance(stored, Mapping) or not all(isinstance(x, str) for pair in stored.items() for x in pair):
        raise CheckpointMismatchError(
            f"The checkpoint {path} is damaged: it does not say what it was written with. Choose another "
            f"checkpoint_name, or remove the file to start anew."
        )
    differences = [
        "{} ({} there, {} here)".format(name, *_contrast(stored.get(name, "nothing"), current.get(name, "nothing")))
        for name in sorted({*stored, *current})
        if stored.get(name) != current.get(name)
    ]
    if differences:
        raise CheckpointMismatchError(
            f"The checkpoint {path} cannot be continued, since it is of another configuration: "
            f"{'; '.join(differences)}. Use what it was written with, or another checkpoint_name to start anew."
        )


def _contrast(a: str, b: str, limit: int = 60) -> tuple[str, str]:
    """Shorten two different texts to where they differ."""
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
    start = max(0, common - limit // 2)
    stop = start + limit
    first, second = (
        f"{'...' if start else ''}{' '.join(text[start:stop].split())}{'...' if stop < len(text) else ''}"
        for text in (a, b)
    )
    return first, second
