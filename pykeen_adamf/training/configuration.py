"""What a run of training was configured with, to be compared with what a checkpoint was written by."""

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import torch
from pykeen.stoppers import EarlyStopper, Stopper
from pykeen.training.training_loop import CheckpointMismatchError, TrainingLoop
from pykeen.triples import CoreTriplesFactory, TriplesFactory

from ..chunking import row_chunks, rows_per_chunk
from ..triples import MultimodalTriplesFactory

__all__ = [
    "check_configuration",
    "describe_object",
    "describe_run",
    "describe_schedule",
    "describe_triples",
]

#: The arguments of :meth:`pykeen.training.TrainingLoop.train` that change what is trained. Others may be changed from
#: one run to the next, e.g., the number of epochs.
ARGUMENTS: Final = (
    *("batch_size", "sub_batch_size", "slice_size", "drop_last", "label_smoothing", "sampler", "num_workers"),
    *("gradient_clipping_max_norm", "gradient_clipping_norm_type", "gradient_clipping_max_abs_value"),
)

#: Attributes of modules and regularizers that change during training.
CHANGING: Final = frozenset({"training", "updated"})

#: The options of an early stopper that change what it decides.
STOPPER_OPTIONS: Final = ("frequency", "patience", "metric", "relative_delta", "larger_is_better")


def describe_object(obj: object, names: Iterable[str] | None = None) -> str:
    """Describe an object by its class and simple attributes.

    :param obj: The object.
    :param names: The attributes; all public ones, if ``None``.
    :returns: The description, which is the same in another process.
    """
    if obj is None:
        return "none"
    if isinstance(obj, type | str):
        return obj if isinstance(obj, str) else obj.__name__
    if names is None:
        names = sorted(name for name in vars(obj) if not name.startswith("_") and name not in CHANGING)
    simple = {name: value for name in names if _is_simple(value := getattr(obj, name))}
    return f"{type(obj).__name__} {json.dumps(simple)}"


def _is_simple(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_simple, value))
    return value is None or isinstance(value, bool | int | float | str)


def _digest(x: torch.Tensor, state: Any) -> None:
    """Add a matrix to a digest, without a copy of all of it."""
    state.update(f"{tuple(x.shape)} {x.dtype}".encode())
    x = x.detach().cpu()
    for start, stop in row_chunks(len(x), rows_per_chunk(max(1, x[:1].numel()), x.device)):
        state.update(x[start:stop].contiguous().view(torch.uint8).numpy().tobytes())


def describe_triples(factory: CoreTriplesFactory) -> dict[str, str]:
    """Describe triples, labels and features by digests.

    :param factory: The training triples.
    :returns: A digest of the triples, of the labels, and of each modality's features.
    """
    state = hashlib.sha256(str(factory.create_inverse_triples).encode())
    _digest(factory.mapped_triples, state)
    result = {"training triples": state.hexdigest()}
    if isinstance(factory, TriplesFactory):
        labels = json.dumps([sorted(factory.entity_to_id.items()), sorted(factory.relation_to_id.items())])
        result["labels of entities and relations"] = hashlib.sha256(labels.encode()).hexdigest()
    if isinstance(factory, MultimodalTriplesFactory):
        for name, modality in factory.features.items():
            state = hashlib.sha256()
            _digest(modality.presence.unsqueeze(dim=-1), state)
            _digest(modality.matrix, state)
            result[f"{name} features"] = state.hexdigest()
    return result


def describe_run(
    loop: TrainingLoop[Any], factory: CoreTriplesFactory, arguments: Mapping[str, Any], stopper: Stopper | None
) -> dict[str, str]:
    """Describe everything that decides which numbers are trained.

    :param loop: The training loop.
    :param factory: The training triples.
    :param arguments: The arguments of :meth:`pykeen.training.TrainingLoop.train`.
    :param stopper: The stopper.
    :returns: What is configured by the name of it.
    """
    assert loop.optimizer is not None
    parameters = {
        name: f"{tuple(x.shape)}{'' if x.requires_grad else ' frozen'}" for name, x in loop.model.named_parameters()
    }
    stopper_options = STOPPER_OPTIONS if isinstance(stopper, EarlyStopper) else ()
    return {
        "version of PyKEEN": version("pykeen"),
        "training loop": type(loop).__name__,
        "model": "; ".join(f"{name} {describe_object(x)}".strip() for name, x in loop.model.named_modules()),
        "parameters": json.dumps(parameters),
        "random seed": str(loop.model._random_seed),
        "loss": describe_object(loop.loss),
        # not the optimizer itself, of which schedulers change the learning rate
        "optimizer": f"{type(loop.optimizer).__name__} {json.dumps(loop.optimizer.defaults, default=str)}",
        "learning rate scheduler": describe_schedule(loop.lr_scheduler),
        "stopper": describe_object(stopper, stopper_options),
        **{name: str(arguments.get(name)) for name in ARGUMENTS},
        **describe_triples(factory),
    }


def describe_schedule(scheduler: Any) -> str:
    """Describe a learning rate scheduler by its parameters, which do not change from step to step."""
    if scheduler is None:
        return "none"
    parameters = set(inspect.signature(type(scheduler)).parameters) - {"optimizer", "last_epoch"}
    return describe_object(scheduler, sorted(parameters.intersection(vars(scheduler))))


def check_configuration(path: Path, stored: Mapping[str, str], current: Mapping[str, str]) -> None:
    """Check that a checkpoint is from a run like the current one.

    :param path: The path of the checkpoint.
    :param stored: What it was written by.
    :param current: What is about to be trained.
    :raises CheckpointMismatchError: if they differ; the message says where
    """
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
    return _shorten(a, start, limit), _shorten(b, start, limit)


def _shorten(text: str, start: int, limit: int) -> str:
    stop = start + limit
    return f"{'...' if start else ''}{' '.join(text[start:stop].split())}{'...' if stop < len(text) else ''}"
