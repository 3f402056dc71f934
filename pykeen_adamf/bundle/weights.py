"""The file with the weights of a bundle: what it has limits what is allocated for a model."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from torch.overrides import TorchFunctionMode

from .layout import CONFIGURATION_NAME, BundleError

__all__ = ["Shapes", "limited_allocations", "read_shapes"]

#: Shapes by the names of tensors.
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

#: How many bytes the description of all tensors may have; safetensors itself takes 100 MB.
MAX_HEADER: Final = 4 * 2**20

#: What a new model may allocate beyond several times what is stored: numbers, and tensors.
FACTOR: Final = 4
EXTRA_NUMBERS: Final = 10_000_000
EXTRA_TENSORS: Final = 10_000

#: What allocates memory of any size, by the position of the size among its arguments.
ALLOCATING: Final[Mapping[Any, int]] = {
    **dict.fromkeys((torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn), 0),
    torch.randperm: 0,
    **dict.fromkeys((torch.Tensor.new_empty, torch.Tensor.new_zeros, torch.Tensor.new_ones, torch.Tensor.new_full), 1),
    torch.Tensor.repeat: 1,
}

#: What makes as many numbers as its arguments say together, positions and names alike.
RANGES: Final = frozenset({torch.arange, torch.linspace, torch.logspace, torch.eye})


def read_shapes(path: Path) -> Shapes:
    """Return the shapes of the tensors of a file of safetensors, without reading these.

    :raises BundleError: if it is damaged, or its header is too large
    """
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
        if size > MAX_HEADER:
            raise BundleError(
                f"{path} is damaged: its header would have {size:,} bytes, but {MAX_HEADER:,} are enough for any model."
            )
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise BundleError(f"{path} is damaged: {error}") from error


@contextmanager
def limited_allocations(path: Path, stored: int, num_tensors: int) -> Iterator[None]:
    """Allow no more memory to be allocated than numbers that are stored can fill.

    :param path: The file with the weights.
    :param stored: How many numbers there are in it, and in features.
    :param num_tensors: How many tensors there are in it.
    :raises BundleError: if more would be allocated, rather than to try
    """
    with _Limit(path, FACTOR * stored + EXTRA_NUMBERS, FACTOR * num_tensors + EXTRA_TENSORS):
        yield


class _Limit(TorchFunctionMode):
    def __init__(self, path: Path, numbers: int, tensors: int) -> None:
        super().__init__()
        self.path, self.numbers, self.tensors = path, numbers, tensors

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in ALLOCATING:
            sizes = list(args[ALLOCATING[func] :]) or [kwargs.get("size", kwargs.get("n", ()))]
            shape = list(sizes[0]) if isinstance(sizes[0], Sequence) else [x for x in sizes if isinstance(x, int)]
            self._take(shape)
        elif func in RANGES:
            # how many numbers there will be is known to PyTorch, which needs no memory for them there
            self._take(func(*args, **{**kwargs, "device": "meta"}).shape)
        return func(*args, **kwargs)

    def _take(self, shape: Sequence[int]) -> None:
        self.numbers -= max(0, math.prod(shape))
        self.tensors -= 1
        if self.numbers < 0 or self.tensors < 0:
            raise BundleError(
                f"{self.path} does not fit the model: with the arguments in {CONFIGURATION_NAME}, that would have "
                f"much more weights, e.g., a tensor of the shape {tuple(shape)}."
            )
