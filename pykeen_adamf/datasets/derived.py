"""Datasets derived from others keep their features."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from pykeen.constants import PYKEEN_DATASETS
from pykeen.datasets.base import Dataset, EagerDataset, LazyDataset
from pykeen.triples import CoreTriplesFactory, TriplesFactory
from typing_extensions import Self

from ..features import FeatureSource
from ..triples import MultimodalTriplesFactory, UnknownLabels, select_features
from ..typing import LongTensor

__all__ = ["EagerMultimodalDataset", "LazyMultimodalDataset", "MultimodalDataset"]


class MultimodalDataset(Dataset):
    """A dataset whose triples factories carry features, and so do those of all datasets derived from it."""

    triples_factory_cls = MultimodalTriplesFactory

    def remix(self, *args: Any, **kwargs: Any) -> Dataset:  # noqa: D102
        return _with_features(super().remix(*args, **kwargs))

    def deteriorate(self, *args: Any, **kwargs: Any) -> Dataset:  # noqa: D102
        return _with_features(super().deteriorate(*args, **kwargs))

    def restrict(  # noqa: D102
        self,
        entities: Collection[int] | Collection[str] | None = None,
        relations: Collection[int] | Collection[str] | None = None,
        invert_entity_selection: bool = False,
        invert_relation_selection: bool = False,
    ) -> EagerDataset | Self:
        if entities is None and relations is None:
            return self
        # PyKEEN builds the restricted factories without features, and fails if the largest remaining ID does not occur
        # in an evaluation split
        inversions = invert_entity_selection, invert_relation_selection
        training = self.training.new_with_restriction(entities, relations, *inversions)
        kept = training.mapped_triples[:, [0, 2]].unique(), training.mapped_triples[:, 1].unique()
        # the same metadata as PyKEEN's
        metadata = dict(self.metadata or {})
        restriction: dict[str, Any] = {"base": metadata.pop("name", None) or self.get_normalized_name()}
        if entities:
            restriction |= {"entities": sorted(entities), "invert_entity_selection": invert_entity_selection}
        if relations:
            restriction |= {"relations": sorted(relations), "invert_relation_selection": invert_relation_selection}
        return EagerMultimodalDataset(
            training=_keep(training, *kept),
            testing=_keep(self.testing, *kept),
            validation=None if self.validation is None else _keep(self.validation, *kept),
            metadata={**metadata, "restriction": restriction},
        )


class EagerMultimodalDataset(MultimodalDataset, EagerDataset):
    """A dataset from triples factories with features."""

    @classmethod
    def from_directory_binary(cls, path: str | Path) -> Dataset:  # noqa: D102
        return _with_features(super().from_directory_binary(path))


class LazyMultimodalDataset(MultimodalDataset, LazyDataset):
    """A dataset that loads all of its triples together when they are first used."""

    _create_inverse_triples: bool

    def _set_splits(
        self,
        training: TriplesFactory,
        testing: LongTensor,
        validation: LongTensor,
        features: Mapping[str, FeatureSource],
        unknown_labels: UnknownLabels = "raise",
    ) -> None:
        training = training.clone_and_exchange_triples(
            training.mapped_triples, create_inverse_triples=self._create_inverse_triples
        )
        factory = MultimodalTriplesFactory.from_triples_factory(training, features, unknown_labels)
        # evaluation factories never have inverse triples; this is handled by the evaluation code
        self._testing, self._validation = (
            factory.clone_and_exchange_triples(triples, create_inverse_triples=False)
            for triples in (testing, validation)
        )
        self._training = factory

    def _load_validation(self) -> None:
        pass


def is_cached(dataset: Dataset, path: str | Path) -> bool:
    """Return whether a dataset with features is about to be written to PyKEEN's cache of datasets.

    PyKEEN caches datasets by the text of their keyword arguments. It would not notice that a feature file, an array's
    values, or the data directory have changed, and silently use the old ones. Reading the original files takes no
    longer than reading that cache.
    """
    path = Path(path)
    # the name of the dataset is one that PyKEEN's resolver knows
    is_cache = path.parent.name == "cache" and path.parent.parent.parent == PYKEEN_DATASETS
    return is_cache and isinstance(dataset.training, MultimodalTriplesFactory)


def has_features(path: str | Path) -> bool:
    """Return whether a dataset was saved with features."""
    return (Path(path) / "training" / MultimodalTriplesFactory.file_name_modalities).is_file()


def _with_features(dataset: Dataset) -> EagerMultimodalDataset:
    """Return the same dataset as one that keeps features."""
    return EagerMultimodalDataset(
        training=dataset.training, testing=dataset.testing, validation=dataset.validation, metadata=dataset.metadata
    )


def _keep(factory: CoreTriplesFactory, entities: LongTensor, relations: LongTensor) -> MultimodalTriplesFactory:
    """Restrict a factory to the given IDs of entities and relations, which are sorted, and renumber them."""
    assert isinstance(factory, MultimodalTriplesFactory)
    h, r, t = factory.mapped_triples.T.contiguous()
    is_kept = torch.isin(h, entities) & torch.isin(r, relations) & torch.isin(t, entities)
    new_ids = [torch.searchsorted(*x) for x in ((entities, h), (relations, r), (entities, t))]
    base = TriplesFactory(
        mapped_triples=torch.stack(new_ids, dim=-1)[is_kept],
        entity_to_id={factory.entity_id_to_label[old]: new for new, old in enumerate(entities.tolist())},
        relation_to_id={factory.relation_id_to_label[old]: new for new, old in enumerate(relations.tolist())},
        create_inverse_triples=factory.create_inverse_triples,
        metadata=factory.metadata,
    )
    return MultimodalTriplesFactory.from_triples_factory(base, select_features(factory.features, base))
