"""What is in a checkpoint, compared with what it is about to be loaded into."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from types import UnionType
from typing import Any, Final

import torch
from pykeen.training.training_loop import CheckpointMismatchError
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from .checkpoint_file import to_plain

__all__ = [
    "PerEpoch",
    "anything",
    "at_least",
    "attempt",
    "check_state",
    "compare",
    "is_number",
    "kind_of",
    "refusal",
    "same_as",
]

#: How many differences a message names, and how many characters of a value.
MAX_DIFFERENCES: Final = 3
MAX_SHOWN: Final = 50

#: How many bits whole numbers have, with a sign.
MAX_BITS: Final = 64

#: What of an optimizer's options changes, or is another one on other devices; and what cyclic schedules change, too.
VARIABLES: Final = frozenset({"lr", "foreach", "fused", "capturable"})
CYCLIC: Final = frozenset({"betas", "momentum"})

#: What PyTorch's schedules count, and the least number of each; and what else changes.
COUNTERS: Final = {"last_epoch": 0, "_step_count": 0, "T_cur": 0, "T_i": 1, "num_bad_epochs": 0, "cooldown_counter": 0}
CHANGING: Final = frozenset({"_last_lr", "best", "_schedulers"})

#: How many bytes the states of generators have on devices.
GENERATOR_SIZES: Final = frozenset({16, 5056})


class PerEpoch(list[Any]):
    """Numbers, or numbers by name, of each epoch, of which a checkpoint may have more than there are here."""


#: Sizes that are all different, such that it is known which is which.
SIZES: Final = (2, 3, 5, 7, 11, 13)


def check_state(path: Path, stored: Any, present: Mapping[str, Any]) -> None:
    """Check that a state can be loaded into what is here: it is complete, and has the same types and shapes.

    Fused optimizers, e.g., do not look at shapes, and would write where they must not.

    :param path: The file that the state is from.
    :param stored: The state.
    :param present: What the state is to be loaded into, as it is written into a checkpoint: nested dictionaries and
        sequences of tensors, numbers, optimizers and random number generators; or functions that say differences.
    :raises CheckpointMismatchError: if anything is missing, or is another thing; the message says what
    """
    cause = None
    try:
        differences = list(islice(compare(stored, present, ""), MAX_DIFFERENCES + 1))
    except Exception as error:
        # what nobody has thought of; nothing is loaded yet
        differences, cause = [repr(error)], error
    if differences:
        raise refusal(path, differences) from cause


def refusal(path: Path, differences: Sequence[str]) -> CheckpointMismatchError:
    """Return an error that says how a checkpoint differs from what it should be."""
    more = "; and more" if len(differences) > MAX_DIFFERENCES else ""
    return CheckpointMismatchError(
        f"The checkpoint {path} is damaged: {'; '.join(differences[:MAX_DIFFERENCES])}{more}. Choose another "
        f"checkpoint_name, or remove the file to start anew."
    )


def compare(stored: Any, present: Any, name: str) -> Iterator[str]:
    """Say what is different in a part of a state."""
    if inspect.isroutine(present):
        yield from present(stored, name)
    elif isinstance(present, Optimizer):
        yield from _compare_optimizers(stored, present, name)
    elif isinstance(present, LRScheduler):
        yield from compare(stored, _expect_schedule(present), name)
    elif isinstance(present, torch.Generator):
        yield from _compare_generators(stored, present, name)
    elif isinstance(present, torch.Tensor):
        yield from _compare_tensors(stored, present, name)
    elif isinstance(present, Mapping):
        yield from _compare_mappings(stored, present, name)
    elif isinstance(present, list | tuple):
        yield from _compare_sequences(stored, present, name)
    elif not _is_alike(stored, present):
        yield f"{name} is {kind_of(stored)} rather than {kind_of(present)}"


def _is_alike(stored: Any, present: Any) -> bool:
    """Return whether one simple value may take the place of another."""
    if present is None:
        # what is not known yet
        return stored is None or is_number(stored)
    if isinstance(present, bool):
        return isinstance(stored, bool)
    if isinstance(present, int):
        return is_number(stored, int)
    if isinstance(present, float):
        return is_number(stored) and (math.isfinite(stored) or not math.isfinite(present))
    return isinstance(stored, type(present))


def is_number(value: Any, kind: type | UnionType = int | float) -> bool:
    """Return whether this is a number, of a size that PyTorch can store."""
    return isinstance(value, kind) and not isinstance(value, bool) and (isinstance(value, float) or _is_short(value))


def _compare_mappings(stored: Any, present: Mapping[Any, Any], name: str) -> Iterator[str]:
    if not isinstance(stored, Mapping):
        yield f"{name or 'it'} is {kind_of(stored)} rather than a dictionary"
        return
    for key, x in present.items():
        full = f"{name}.{key}".lstrip(".")
        if key in stored:
            yield from compare(stored[key], x, full)
        else:
            yield f"{full} is missing"
    yield from (f"{name or 'it'} has an unknown key, {_show(key)}" for key in stored if key not in present)


def _compare_sequences(stored: Any, present: list[Any] | tuple[Any, ...], name: str) -> Iterator[str]:
    if not isinstance(stored, list | tuple):
        yield f"{name} is {kind_of(stored)} rather than a list"
    elif isinstance(present, PerEpoch):
        values = [x for epoch in stored for x in (epoch.values() if isinstance(epoch, Mapping) and epoch else [epoch])]
        if not all(map(is_number, values)):
            yield f"{name} has something else than numbers"
    elif len(stored) != len(present):
        yield f"{name} has {len(stored):,} parts rather than {len(present):,}"
    else:
        for i, (x, y) in enumerate(zip(stored, present, strict=True)):
            yield from compare(x, y, f"{name}.{i}")


def _compare_tensors(stored: Any, present: torch.Tensor, name: str) -> Iterator[str]:
    if type(stored) is not torch.Tensor or stored.layout != torch.strided or stored.device.type != "cpu":
        yield f"{name} is {kind_of(stored)} rather than a tensor"
    elif stored.shape != present.shape:
        yield f"{name} has the shape {tuple(stored.shape)} rather than {tuple(present.shape)}"
    elif stored.dtype != present.dtype:
        yield f"{name} has the data type {stored.dtype} rather than {present.dtype}"
    elif not stored.is_contiguous() and stored.stride() != present.stride():
        # rows may share their memory
        yield f"{name} has the strides {stored.stride()} rather than {present.stride()}"


def _compare_optimizers(stored: Any, present: Optimizer, name: str) -> Iterator[str]:
    """Compare with what an optimizer has after a step, of which parameters without gradients have nothing."""
    options = list(map(_expect_options, present.state_dict()["param_groups"]))
    states = stored.get("state") if isinstance(stored, Mapping) else None
    differences = list(_compare_mappings(stored, {"state": anything, "param_groups": options}, name))
    if differences or not isinstance(states, Mapping):
        yield from differences or [f"{name}.state is {kind_of(states)} rather than a dictionary"]
        return
    for i, there in enumerate(stored["param_groups"]):
        yield from attempt(partial(_make_like, present), there, f"{name}.param_groups.{i}")
    parameters = [x for group in present.param_groups for x in group["params"]]
    full = {i: _state_after_step(present, x) for i, x in enumerate(parameters)}
    unused = [i for i, x in states.items() if isinstance(x, Mapping) and not x]
    differences = list(
        _compare_mappings(states, {i: {} if i in unused else x for i, x in full.items()}, f"{name}.state")
    )
    yield from differences or _check_states(states, f"{name}.state")


def _check_states(states: Mapping[Any, Any], name: str) -> Iterator[str]:
    """Check numbers of steps, of which some optimizers take powers, and that each tensor has memory of its own."""
    seen: set[int] = set()
    for i, x in states.items():
        if not 0 <= float(x.get("step", 0)) < math.inf or not float(x.get("step", 0)).is_integer():
            yield f"{name}.{i}.step is {float(x['step'])}, which is no number of steps"
        for key, tensor in x.items():
            storage = tensor.untyped_storage() if isinstance(tensor, torch.Tensor) and tensor.numel() else None
            if storage is not None and (storage.nbytes() != tensor.nbytes or storage.data_ptr() in seen):
                yield f"{name}.{i}.{key} shares its memory"
            if storage is not None:
                seen.add(storage.data_ptr())


def _expect_options(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options of an optimizer are compared with: most are those that it has here."""
    free = VARIABLES | CYCLIC if "max_momentum" in group else VARIABLES
    return {key: _as_floats(x) if key in free else same_as(x) for key, x in group.items()}


def _expect_schedule(scheduler: LRScheduler) -> dict[str, Any]:
    """Return what the state of a schedule is compared with: options of PyTorch's are those that it has here."""
    state = scheduler.state_dict()
    if type(scheduler).__module__ != LRScheduler.__module__:
        # what others count is not known
        return {key: _as_floats(x) for key, x in state.items()}
    expected: dict[str, Any] = {key: _as_floats(x) for key, x in state.items() if key in CHANGING}
    for key in COUNTERS.keys() & state.keys():
        # PyTorch divides this one
        expected[key] = at_least(COUNTERS[key], int | float if key == "T_cur" else int)
    return {key: expected.get(key, same_as(to_plain(x))) for key, x in state.items()}


def _as_floats(value: Any) -> Any:
    """Return whole numbers as others: a learning rate of 1 becomes one of 0.9."""
    if isinstance(value, list | tuple):
        return [_as_floats(x) for x in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _make_like(optimizer: Optimizer, options: Mapping[str, Any], parameter: torch.Tensor | None = None) -> Optimizer:
    """Make an optimizer of a small parameter, which checks its options."""
    known = inspect.signature(type(optimizer)).parameters
    # some take matrices only
    parameter = torch.nn.Parameter(torch.zeros(1, 1)) if parameter is None else parameter
    return type(optimizer)([parameter], **{key: x for key, x in options.items() if key in known and key != "params"})


def _state_after_step(optimizer: Optimizer, parameter: torch.Tensor) -> dict[str, Any]:
    """Return what an optimizer keeps for a parameter: tensors of its shape, or of a part of it."""
    shape = SIZES[: parameter.ndim]
    small = torch.nn.Parameter(torch.zeros(shape, dtype=parameter.dtype, device=parameter.device))
    probe = _make_like(optimizer, optimizer.param_groups[0], small)
    try:
        small.grad = torch.zeros_like(small)
        probe.step()
    except RuntimeError:
        # it takes sparse gradients only
        small.grad = torch.zeros_like(small).to_sparse(1)
        probe.step()
    sizes = dict(zip(shape, parameter.shape, strict=True))
    state: dict[str, Any] = dict(probe.state[small])
    for key, x in state.items():
        if isinstance(x, torch.Tensor) and (x.shape, x.dtype) == (small.shape, small.dtype):
            state[key] = parameter
        elif isinstance(x, torch.Tensor):
            # without memory
            state[key] = torch.empty([sizes.get(size, size) for size in x.shape], dtype=x.dtype, device="meta")
    return state


def _compare_generators(stored: Any, present: torch.Generator, name: str) -> Iterator[str]:
    here = present.get_state()
    sizes = {*GENERATOR_SIZES, len(here)}
    if type(stored) is not torch.Tensor or stored.dtype != torch.uint8 or stored.shape not in {(n,) for n in sizes}:
        yield f"{name} is no state of a random number generator"
    elif len(stored) == len(here):
        yield from attempt(torch.Generator(present.device).set_state, stored, name)


def same_as(value: Any) -> Callable[[Any, str], Iterator[str]]:
    """Return a comparison with an option, which must be the same in a checkpoint."""

    def check(stored: Any, name: str) -> Iterator[str]:
        if not _is_same(stored, value):
            yield f"{name} is {_show(stored)} rather than {value!r}"

    return check


def _is_same(stored: Any, value: Any) -> bool:
    """Return whether two options are the same: numbers, texts, or containers of them."""
    if isinstance(value, Mapping):
        alike = isinstance(stored, Mapping) and stored.keys() == value.keys()
        return alike and all(_is_same(stored[key], x) for key, x in value.items())
    if isinstance(value, list | tuple):
        return isinstance(stored, list | tuple) and len(stored) == len(value) and all(map(_is_same, stored, value))
    return _is_alike(stored, value) and bool(stored == value)


def at_least(minimum: int, kind: type | UnionType = int) -> Callable[[Any, str], Iterator[str]]:
    """Return a comparison of something that is counted, by default in whole numbers."""

    def check(stored: Any, name: str) -> Iterator[str]:
        if not is_number(stored, kind) or not minimum <= stored < math.inf:
            yield f"{name} is {_show(stored)} rather than a {'whole ' if kind is int else ''}number from {minimum}"

    return check


def anything(stored: Any, name: str) -> Iterator[str]:
    """Take whatever is there."""
    return iter(())


def attempt(function: Callable[[Any], object], value: Any, name: str) -> Iterator[str]:
    """Say why something cannot be set."""
    try:
        function(value)
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        yield f"{name} cannot be used: {error}"


def _show(value: Any) -> str:
    """Return what a message says of a value: PyTorch imports modules to show a tensor."""
    return repr(value)[:MAX_SHOWN] if isinstance(value, float | str) or _is_short(value) else kind_of(value)


def kind_of(value: Any) -> str:
    """Return what a message calls something that should be something else."""
    if isinstance(value, int) and not _is_short(value):
        return f"a whole number of {value.bit_length():,} bits"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return "nothing" if value is None else f"a {type(value).__name__}"


def _is_short(value: Any) -> bool:
    """Return whether this is a whole number that PyTorch can store, and Python can write, in a short time."""
    return isinstance(value, int) and value.bit_length() < MAX_BITS
