"""Checkpoint files: written atomically, and read without executing anything."""

import pickle
import random
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy
import torch
from pykeen.lr_schedulers import LRScheduler
from pykeen.training.training_loop import CheckpointMismatchError

from ..atomic import written_atomically

__all__ = [
    "get_random_state",
    "load_schedule",
    "load_tensors",
    "read_checkpoint",
    "set_random_state",
    "to_plain",
    "write_checkpoint",
]

#: The version of the format.
FORMAT: Final = 1
KEY_FORMAT: Final = "pykeen_adamf_checkpoint"


def to_plain(value: Any) -> Any:
    """Turn numbers of NumPy, and containers with such, into what can be read without executing anything."""
    if isinstance(value, Mapping):
        return {key: to_plain(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([to_plain(x) for x in value])
    if isinstance(value, numpy.ndarray):
        return torch.from_numpy(value.copy())
    return value.item() if isinstance(value, numpy.generic) else value


def load_schedule(scheduler: LRScheduler | None, state: Mapping[str, Any] | None) -> None:
    """Load the state of a learning rate scheduler, if any, of which counters have been stored as plain dictionaries."""
    if scheduler is None or state is None:
        return
    kinds = {key: type(value) for key, value in vars(scheduler).items() if isinstance(value, Counter)}
    scheduler.load_state_dict({key: kinds[key](value) if key in kinds else value for key, value in state.items()})


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state of tensors, numbers, strings, and containers with such; atomically."""
    with written_atomically(path) as temporary:
        torch.save({KEY_FORMAT: FORMAT, **to_plain(state)}, temporary)


def load_tensors(path: Path) -> dict[str, Any]:
    """Read a file of :func:`torch.save`, refusing anything that would have to be executed.

    :raises CheckpointMismatchError: if it has anything but tensors, numbers, strings, and containers with such
    """
    try:
        with zipfile.ZipFile(path) as file:
            # torch does not look at checksums
            damaged = file.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
        content = torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise CheckpointMismatchError(
            f"{path} is no checkpoint of modality adversarial training: it is damaged, written by another training "
            f"loop, or has more than numbers in it, which is not executed. Choose another checkpoint_name, or remove "
            f"the file to start anew."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointMismatchError(f"{path} is no checkpoint. Choose another checkpoint_name.")
    return content


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state, cf. :func:`write_checkpoint`.

    :raises CheckpointMismatchError: if there is none, or one of another format
    """
    state = load_tensors(path)
    found = state.pop(KEY_FORMAT, None)
    if found != FORMAT:
        raise CheckpointMismatchError(
            f"{path} has the format {found}, but this version of pykeen-adamf reads and writes {FORMAT}. Choose "
            f"another checkpoint_name, or use the version that wrote it."
        )
    return state


def get_random_state() -> dict[str, Any]:
    """Return the states of all global random number generators."""
    algorithm, keys, *position = numpy.random.get_state()  # noqa: NPY002
    return {
        "python": random.getstate(),
        # torch reads neither arrays nor unsigned integers of 32 bits everywhere
        "numpy": (algorithm, torch.from_numpy(numpy.asarray(keys).astype(numpy.int64)), *position),
        "torch": torch.random.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None,
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Set the states of :func:`get_random_state`; those of devices that are not there are ignored."""
    random.setstate(state["python"])
    algorithm, keys, *position = state["numpy"]
    numpy.random.set_state((algorithm, keys.numpy().astype(numpy.uint32), *position))  # noqa: NPY002
    torch.random.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
