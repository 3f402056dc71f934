"""Checkpoint files: written atomically, and read without executing anything."""

import random
import zipfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy
import torch
from filelock import FileLock
from pykeen.training.training_loop import CheckpointMismatchError
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ..archives import list_members
from ..atomic import written_atomically
from ..features.torch_files import check_memory, check_torch_archive
from ..limits import SizeLimit, check_regular

__all__ = [
    "get_random_state",
    "is_checkpoint",
    "load_schedule",
    "load_tensors",
    "read_checkpoint",
    "set_random_state",
    "to_plain",
    "write_checkpoint",
]

#: The longest text, e.g., of what a run was configured with.
MAX_TEXT: Final = 2**18

#: The version of the format.
FORMAT: Final = 2
KEY_FORMAT: Final = "pykeen_adamf_checkpoint"


def to_plain(value: Any) -> Any:
    """Turn a state into what can be read without executing anything.

    :param value: Nested dictionaries and sequences of tensors, numbers, also of NumPy, optimizers, schedules, and
        random number generators.
    """
    if isinstance(value, Optimizer):
        state = value.state_dict()
        # that a parameter has nothing, since it has no gradients, is told from what is lost
        return to_plain({**state, "state": {i: {} for i in _parameters(state)} | state["state"]})
    if isinstance(value, LRScheduler):
        return to_plain(value.state_dict())
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, Mapping):
        return {key: to_plain(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return (list if isinstance(value, list) else tuple)(to_plain(x) for x in value)
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
    """Write a state, cf. :func:`to_plain`, atomically, also if several processes do.

    :raises OSError: if there is no space for it; what was there before is kept
    """
    content = {KEY_FORMAT: FORMAT, **to_plain(state)}
    lock = FileLock(path.with_name(f".{path.name}.lock"), blocking=False)
    # who cannot have it writes beside those who have
    with suppress(OSError):
        lock.acquire()
    try:
        with written_atomically(path, concurrently=not lock.is_locked) as temporary:
            torch.save(content, temporary)
    except RuntimeError as error:
        # what torch says is where in its own code something went wrong
        raise OSError(f"The checkpoint {path} cannot be written: free some space, and train again.") from error
    finally:
        if lock.is_locked:
            # those who wait for it look whether it is still there
            with suppress(OSError):
                Path(lock.lock_file).unlink()
            lock.release()


def _parameters(state: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the parameters of an optimizer's state."""
    return [i for group in state["param_groups"] for i in group["params"]]


def is_checkpoint(path: Path) -> bool:
    """Return whether a file was written by :func:`write_checkpoint`, as far as its name for the format says."""
    try:
        check_regular(path)
        limit = SizeLimit(path)
        members = [x for x in list_members(path, limit).values() if x.filename.endswith("/data.pkl")]
        limit.check_header(sum(x.file_size for x in members))
        with zipfile.ZipFile(path) as file:
            return any(KEY_FORMAT.encode() in file.read(x) for x in members)
    except Exception:
        # readers of damaged files raise almost anything
        return False


def load_tensors(path: Path) -> dict[str, Any]:
    """Read a file of :func:`torch.save`, refusing anything that would have to be executed.

    :raises CheckpointMismatchError: if it has anything but tensors, numbers, strings, and containers with such
    """
    try:
        check_torch_archive(path, SizeLimit(path), max_text=MAX_TEXT)
        content = torch.load(path, weights_only=True, map_location="cpu")
        check_memory(content, path)
    except OSError:
        raise
    except Exception as error:
        # readers of damaged files raise almost anything
        raise CheckpointMismatchError(
            f"{path} is no checkpoint of a training loop of pykeen-adamf: it is damaged, written by another training "
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
    if found == 1:
        # what is damaged is found when it is compared with what it is to be loaded into
        with suppress(AttributeError, LookupError, TypeError):
            _complete_optimizers(state)
    elif found != FORMAT:
        raise CheckpointMismatchError(
            f"{path} has the format {found}, but this version of pykeen-adamf reads and writes {FORMAT}. Choose "
            f"another checkpoint_name, or use the version that wrote it."
        )
    return state


def _complete_optimizers(state: Mapping[str, Any]) -> None:
    """Add parameters without gradients, which optimizers of the first format left out."""
    extra = state.get("extra")
    generators = extra.get("generators") if isinstance(extra, dict) else None
    for owner in (state, extra, generators):
        optimizer = owner.get("optimizer") if isinstance(owner, Mapping) else None
        if isinstance(optimizer, dict) and optimizer.keys() == {"state", "param_groups"}:
            optimizer["state"] = {i: {} for i in _parameters(optimizer)} | optimizer["state"]


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
