"""Datasets by name."""

import inspect
from collections.abc import Mapping
from typing import Any

from pykeen.datasets import Dataset, dataset_resolver, get_dataset

from ..suggestions import suggest

__all__ = ["load_dataset", "name_dataset"]


def name_dataset(name: str) -> str:
    """Return the name of a benchmark, or of a dataset's class, for any spelling that PyKEEN knows.

    :raises ValueError: if there is no such dataset
    """
    try:
        cls = dataset_resolver.lookup(name)
    except (KeyError, ValueError) as error:
        hint = suggest(dataset_resolver.normalize(name), dataset_resolver.lookup_dict)
        raise ValueError(f"There is no dataset {name!r}.{hint} `pykeen ls datasets` lists them all.") from error
    return getattr(cls, "benchmark_name", cls.__name__)


def load_dataset(name: str, dataset_kwargs: Mapping[str, Any] | None = None, *, progress: bool = True) -> Dataset:
    """Load a dataset by its name and keyword-based parameters; if so wished, without progress bars of its own.

    :raises ValueError: if there is no such dataset, or it has no such parameters
    """
    cls = dataset_resolver.lookup(name_dataset(name))
    known = inspect.signature(cls).parameters
    unknown = sorted(set(dataset_kwargs or {}).difference(known))
    if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        hint = suggest(unknown[0], known)
        raise ValueError(f"{name} has no parameter {unknown[0]!r}: leave it out, or choose another dataset.{hint}")
    if not progress and "progress" in known:
        dataset_kwargs = {**(dataset_kwargs or {}), "progress": False}
    return get_dataset(dataset=name, dataset_kwargs=dataset_kwargs)
