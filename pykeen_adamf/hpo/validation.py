"""Nothing is tuned on a validation split that leaks, unless somebody asks for it."""

from collections.abc import Mapping
from typing import Any

from pykeen.datasets import dataset_resolver
from pykeen.datasets.base import Dataset

from ..datasets.base import MultimodalBenchmark
from ..datasets.published import BENCHMARKS

__all__ = ["refuse_leaking_validation"]


def refuse_leaking_validation(dataset: Any, dataset_kwargs: Mapping[str, Any] | None) -> None:
    """Refuse a dataset whose validation triples are in part training or test triples.

    Only datasets with such a published split are refused, and only if nobody has chosen the split. To choose is to
    pass ``validation``, be it ``"holdout"`` or ``"published"``: in ``dataset_kwargs`` for a dataset given by its name
    or its class, or to the constructor of an instance. Triples factories, and datasets made from others, e.g., by
    :meth:`pykeen.datasets.Dataset.remix`, are not refused, since nothing is known of where they come from.

    :param dataset: The dataset as given to PyKEEN: its name, its class, an instance, or anything else.
    :param dataset_kwargs: Its keyword-based parameters.
    :raises ValueError: if the dataset is refused
    """
    cls = _find_class(dataset)
    if cls is None or not issubclass(cls, MultimodalBenchmark):
        return
    warning = BENCHMARKS[cls.benchmark_name].validation_warning
    if warning is None:
        return
    if isinstance(dataset, MultimodalBenchmark):
        # PyKEEN does not use dataset_kwargs then
        if not dataset.validation_chosen:
            name = cls.__name__
            raise ValueError(
                f"{warning} For an instance that is {name}(validation='holdout'), or {name}(validation='published') to "
                f"tune on the published split all the same.",
            )
    elif (dataset_kwargs or {}).get("validation") is None:
        raise ValueError(
            f"{warning} To tune on the published split all the same, pass dataset_kwargs=dict(validation='published').",
        )


def _find_class(dataset: Any) -> type[Dataset] | None:
    """Return the class of a dataset, or None if it is none, or a file."""
    if isinstance(dataset, str):
        try:
            return dataset_resolver.lookup(dataset)
        except KeyError:
            return None
    if isinstance(dataset, Dataset):
        return type(dataset)
    return dataset if isinstance(dataset, type) and issubclass(dataset, Dataset) else None
