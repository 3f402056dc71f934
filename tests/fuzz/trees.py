"""Changes to nested dictionaries and lists of numbers, texts and tensors."""

import json
import random
from itertools import islice
from typing import Any

import torch

from .mutations import NUMBERS, TEXTS

__all__ = ["change_part", "write_json"]

#: How many places are chosen from: what has been copied into itself has no end.
MAX_PLACES = 10**6


def change_part(tree: Any, rng: random.Random) -> None:
    """Change one part at its place: it is removed, copied from elsewhere, nested, repeated, or something else."""
    container, key = rng.choice(list(islice(_places(tree), MAX_PLACES)))
    what = rng.randrange(8)
    if what == 0:
        del container[key]
    elif what == 1:
        other, there = rng.choice(list(islice(_places(tree), MAX_PLACES)))
        container[key] = other[there]
    elif what == 2:
        container[key] = _nest(container[key], rng.choice([1, 2, 70, 300]))
    elif what == 3:
        container[key] = [container[key]] * rng.choice([0, 2, 1000])
    elif what == 4 and isinstance(container, dict):
        container[rng.choice([*TEXTS[:8], f"{key}x"])] = container.pop(key)
    elif isinstance(container[key], torch.Tensor):
        container[key] = _change_tensor(container[key], rng)
    else:
        container[key] = _change_value(container[key], rng)


def _places(tree: Any) -> Any:
    """Iterate over what can be changed: containers, and their keys."""
    waiting = [tree]
    while waiting:
        container = waiting.pop()
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            yield container, key
            if isinstance(value, dict | list):
                waiting.append(value)


def _nest(value: Any, depth: int) -> Any:
    for i in range(depth):
        value = {"a": value} if i % 2 else [value]
    return value


def _change_value(value: Any, rng: random.Random) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.5:
        return rng.choice([*NUMBERS, -value, value + 1, value * 1000, value / 3])
    return rng.choice(
        [
            *(
                None,
                True,
                False,
                0,
                1,
                -1,
                0.5,
                10**6,
                10**9,
                2**63,
                10**40,
                float("nan"),
                float("inf"),
                1e308,
                -1e-308,
            ),
            *([], {}, [[]], [{}], [1], [[1, 2], [3]], {"a": 1}, "x", "0", "cpu", "cuda:9", "float32", "os.system"),
            *({"$float": "x"}, {"$dtype": "load"}, {"$regularizer": {"name": "lp", "kwargs": {}}}, rng.choice(TEXTS)),
        ]
    )


def _change_tensor(x: torch.Tensor, rng: random.Random) -> Any:
    """Give a tensor another shape, data type, layout or content."""
    changes = [
        lambda: x[:0],
        lambda: x[..., :-1].clone() if x.ndim else x[None],
        lambda: x[None].expand(3, *x.shape),
        lambda: x.flatten(),
        lambda: x.flatten()[:1].expand(rng.choice([2**10, 2**40])) if x.numel() else x,
        lambda: x.flatten()[:1].expand(x.numel()).view(x.shape) if x.numel() else x,
        lambda: x.T.contiguous().T if x.ndim == 2 else x,
        lambda: x.to(rng.choice([torch.float64, torch.int64, torch.float16, torch.bool, torch.complex64])),
        lambda: torch.full_like(x, rng.choice([0, 1, 255])),
        lambda: torch.full_like(x, rng.choice([float("nan"), float("inf"), 1e30, -1])) if x.is_floating_point() else ~x,
        lambda: x.to_sparse(),
        lambda: x.to("meta"),
        lambda: torch.empty(2**40, device="meta"),
        lambda: torch.nn.Parameter(x.float()),
        lambda: x.tolist(),
    ]
    return rng.choice(changes)()


def write_json(tree: Any, rng: random.Random) -> bytes:
    """Write a tree, perhaps with a key that is there twice."""
    text = json.dumps(tree)
    if rng.random() < 0.1:
        first, bracket, rest = text.partition("{")
        key = rest.partition(":")[0]
        text = f"{first}{bracket}{key}: null, {rest}"
    return text.encode()
