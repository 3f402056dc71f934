"""Representations of new entities by their features alone."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import torch
from pykeen.models import Model
from torch import nn

from ..models import MultimodalModel
from ..nn import FusedRepresentation, ProjectedFeatureRepresentation
from ..typing import BoolTensor, FloatTensor

__all__ = ["Absent", "get_fused", "represent_new_entities"]

#: What to fuse instead of what new entities do not have: what is to be expected, or nothing.
Absent: TypeAlias = Literal["average", "left-out"]


@torch.no_grad()
def represent_new_entities(
    model: Model,
    features: Mapping[str, FloatTensor],
    presence: Mapping[str, BoolTensor] | None = None,
    *,
    names: Sequence[str] | None = None,
    absent: Absent = "average",
) -> FloatTensor:
    """Represent new entities by their features alone.

    :param model: A model of multi-modal features.
    :param features: shape of each: ``(num_new, feature_dim)``, the features by modality.
    :param presence: shape of each: ``(num_new,)``, which entities have the modality. Defaults to all.
    :param names: What to call the entities in messages.
    :param absent: What to fuse instead of what new entities do not have.
    :returns: shape: ``(num_new, *shape)``, representations such as those of known entities.
    :raises ValueError: if the model has no modalities that could be fused, there is no such modality, the features have
        another dimension than those that the model was trained with, or an entity has no modality
    """
    if absent not in ("average", "left-out"):
        raise ValueError(f"absent must be 'average' or 'left-out', but is {absent!r}")
    fused = get_fused(model.eval())
    num_new = _check_features(fused, features)
    given, takes_part = [], []
    columns: dict[str, FloatTensor] = {}
    for name, base in fused.bases.items():
        mask = torch.full((num_new,), name in features)
        if presence is not None and name in presence:
            mask &= presence[name].cpu()
        x = _expect(base) if absent == "average" and not bool(mask.all()) else None
        given.append(mask)
        takes_part.append(mask if x is None else torch.ones_like(mask))
        # not of the type of features, which may be another one
        weight = base.projection.weight if isinstance(base, ProjectedFeatureRepresentation) else next(base.parameters())
        dim = fused.fusion.dims[name]
        embeddings = weight.new_zeros(num_new, dim) if x is None else x.repeat(num_new, 1)
        if bool(mask.any()):
            assert isinstance(base, ProjectedFeatureRepresentation)
            embeddings[mask] = base.project(features[name][mask])
        columns[name] = embeddings
    nobody = ~torch.stack(given).any(dim=0)
    if bool(nobody.any()):
        first = int(nobody.nonzero()[0])
        shown = first if names is None else repr(names[first])
        raise ValueError(f"The new entity {shown} has no features of any modality. Leave it out.")
    presence_of_new = torch.stack(takes_part, dim=-1).to(fused.device)
    return fused.fuse(columns, fused.participation(None, presence=presence_of_new))


def get_fused(model: Model) -> FusedRepresentation:
    """Return a model's representation of entities, or raise a ``ValueError`` if it is not fused from modalities."""
    if isinstance(model, MultimodalModel):
        return model.fused
    raise ValueError(
        f"{type(model).__name__} cannot predict anything for entities that it was not trained with. Use a model that "
        f"fuses features, such as AdaMF."
    )


def _check_features(fused: FusedRepresentation, features: Mapping[str, FloatTensor]) -> int:
    """Check the features of new entities, and return the number of these."""
    dims = {name: x.features.dim for name, x in fused.bases.items() if isinstance(x, ProjectedFeatureRepresentation)}
    if not features or not set(features) <= set(dims):
        raise ValueError(f"Features of new entities must be of some of {list(dims)}, but are of {list(features)}.")
    for name, x in features.items():
        if x.ndim != 2 or x.shape[1] != dims[name]:
            raise ValueError(
                f"The {name} features of new entities have the shape {tuple(x.shape)}, but the model was trained with "
                f"{dims[name]} numbers for each entity. Use the same encoder."
            )
    lengths = {name: len(x) for name, x in features.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"There must be one row for each new entity, but the numbers of rows are {lengths}.")
    return next(iter(lengths.values()))


def _expect(base: nn.Module) -> FloatTensor | None:
    """Return the embedding of a modality that an entity does not have, shape: ``(dim,)``; or None if it has no part."""
    if isinstance(base, ProjectedFeatureRepresentation) and base.missing != "random":
        return base.absent() if base.missing == "zero" else None
    embeddings: FloatTensor = base(None)
    if isinstance(base, ProjectedFeatureRepresentation) and base.features.num_present:
        # the others are random
        embeddings = embeddings[base.presence]
    return embeddings.mean(dim=0)
