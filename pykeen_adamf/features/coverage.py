"""Which entities have which modalities."""

import dataclasses
from collections.abc import Mapping

import pandas
import torch
from typing_extensions import Self

from .modality import ModalityFeatures

__all__ = ["CoverageReport"]


@dataclasses.dataclass(frozen=True)
class CoverageReport:
    """How many entities have each modality, all of them, or none."""

    #: the number of entities
    num_entities: int
    #: the number of entities with each modality
    per_modality: Mapping[str, int]
    #: the number of entities that have every modality
    num_complete: int
    #: the number of entities that have no modality at all (beside their place in the graph)
    num_none: int

    @classmethod
    def from_features(cls, features: Mapping[str, ModalityFeatures], num_entities: int) -> Self:
        """Create the report of features, by modality, which are aligned to the same entities."""
        num_modalities = torch.zeros(num_entities, dtype=torch.long)
        for modality in features.values():
            num_modalities += modality.presence
        return cls(
            num_entities=num_entities,
            per_modality={name: modality.num_present for name, modality in features.items()},
            num_complete=int((num_modalities == len(features)).sum()) if features else 0,
            num_none=int((num_modalities == 0).sum()),
        )

    def to_df(self) -> pandas.DataFrame:
        """Return the report as a data frame with the columns ``with``, ``entities`` and ``percent``."""
        rows = [*self.per_modality.items(), ("all modalities", self.num_complete), ("no modality", self.num_none)]
        return pandas.DataFrame(
            data=[(label, count, 100 * count / max(self.num_entities, 1)) for label, count in rows],
            columns=["with", "entities", "percent"],
        )

    def __str__(self) -> str:
        lines = self.to_df().to_string(index=False, float_format=lambda x: f"{x:.1f}")
        return f"{self.num_entities:,} entities\n{lines}"
