"""What explanations need of a model."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory

from ..typing import FloatTensor, LongTensor

__all__ = ["ModalityModel", "ModalityWeighting", "check_model", "get_weights", "predicting"]


@runtime_checkable
class ModalityModel(Protocol):
    """A model that can predict without one of its modalities; this, and to be one of PyKEEN's, is all that it takes."""

    @property
    def modalities(self) -> Sequence[str]:
        """Return the names of the modalities."""

    def without_modality(self, name: str) -> AbstractContextManager[None]:
        """Return a context within which the model predicts as if the entities had all modalities but one."""


@runtime_checkable
class ModalityWeighting(ModalityModel, Protocol):
    """A model which moreover weights the modalities of each entity."""

    def modality_weights(self, indices: LongTensor | None = None) -> FloatTensor | None:
        """Return the weights of the modalities of entities, shapes: ``s`` to ``(*s, num_modalities)``.

        They are in the order of :attr:`modalities`, and sum to one for each entity. No indices stand for all entities.
        There may be none after all.
        """


def check_model(model: Model, triples_factory: TriplesFactory) -> ModalityModel:
    """Check that a model can be explained, and that the triples factory is one for it, and return the model.

    :raises ValueError: if the model has no modalities, or other entities or relations than the triples factory
    """
    if not isinstance(model, ModalityModel) or not model.modalities:
        raise ValueError(
            f"{type(model).__name__} cannot be explained by modality: this takes a model with `modalities` and "
            f"`without_modality`, such as AdaMFRotatE."
        )
    if not isinstance(triples_factory, TriplesFactory):
        raise ValueError(
            f"A {type(triples_factory).__name__} has no labels. Use the triples factory that the model was trained on."
        )
    sizes = (
        f"{model.num_entities:,} entities and {model.num_real_relations:,} relations",
        f"{triples_factory.num_entities:,} entities and {triples_factory.real_num_relations:,} relations",
    )
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"The model has {sizes[0]}, but the triples factory {sizes[1]}. Use the one that the model was trained on."
        )
    return model


def get_weights(model: ModalityModel, indices: LongTensor) -> FloatTensor:
    """Return the weights of modalities of entities in double precision and main memory, NaN if there are none.

    The shape is ``(n, num_modalities)``; the entities are those of indices on the model's device.
    """
    weights = model.modality_weights(indices) if isinstance(model, ModalityWeighting) else None
    if weights is None:
        return torch.full((len(indices), len(model.modalities)), float("nan"), dtype=torch.float64)
    return weights.double().cpu()


@contextmanager
def predicting(model: Model) -> Iterator[None]:
    """Within this context, the model predicts, and nothing has gradients; afterwards it is trained further, or not."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)
