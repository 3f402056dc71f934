"""The weights of the modalities of entities."""

from collections.abc import Iterable

import numpy
import pandas
import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory

from ..constants import STRUCTURAL
from ..triples import MultimodalTriplesFactory
from ..typing import BoolTensor, LongTensor
from .labels import resolve_entities
from .model import check_model, get_weights, predicting

__all__ = ["explain_entities"]


def explain_entities(
    model: Model, triples_factory: TriplesFactory, entities: Iterable[str | int] | LongTensor | None = None
) -> pandas.DataFrame:
    """Explain entities by the weights of their modalities.

    :param model: The model.
    :param triples_factory: The triples factory that it was trained on.
    :param entities: The labels or IDs of the entities, or ``None`` for all.
    :returns: One row for each entity and modality, with the columns

        - ``entity``, the label
        - ``modality``
        - ``weight`` in the fusion, NaN if the model has no weights
        - ``present``, whether the entity really has features of the modality, rather than random or zero ones
    :raises ValueError: if the model has no modalities, the triples factory is none for it, or there is no such entity
    """
    explained = check_model(model, triples_factory)
    indices = resolve_entities(entities, triples_factory)
    with predicting(model):
        weights = get_weights(explained, indices.to(model.device))
    labels = [triples_factory.entity_id_to_label[i] for i in indices.tolist()]
    modalities = list(explained.modalities)
    presence = [_get_presence(triples_factory, name)[indices] for name in modalities]
    return pandas.DataFrame(
        {
            "entity": numpy.repeat(numpy.asarray(labels, dtype=object), len(modalities)),
            "modality": modalities * len(labels),
            "weight": weights.flatten().numpy(),
            "present": torch.stack(presence, dim=-1).flatten().numpy(),
        }
    )


def _get_presence(triples_factory: TriplesFactory, modality: str) -> BoolTensor:
    """Return which entities really have a modality, shape: ``(num_entities,)``."""
    if modality == STRUCTURAL:
        return torch.ones(triples_factory.num_entities, dtype=torch.bool)
    features = triples_factory.features if isinstance(triples_factory, MultimodalTriplesFactory) else {}
    if modality not in features:
        raise ValueError(
            f"The triples factory has no features {modality!r}, but only {list(features)}. Use the one that the model "
            f"was trained on."
        )
    return features[modality].presence
