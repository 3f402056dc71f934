r"""Predictions for entities that have features, but were not there when the model was trained (experimental).

A new entity has no structural embedding, and maybe not all of the features. There are two ways to fuse the rest:

- ``"average"``: what is absent is what is known without knowing the entity, i.e., the mean of all structural
  embeddings; and features are missing as they are for known entities (cf.
  :class:`pykeen_adamf.nn.ProjectedFeatureRepresentation`): zero, left out, or, instead of random ones, the mean.
- ``"left-out"``: it has no part in the fusion, whose weights are a softmax over the other modalities alone (eq. 4 and 5
  of the AdaMF-MAT paper). What modalities have in common is multiplied by one over the weight of those that are left,
  and known entities are not: this made predictions of AdaMF-MAT much worse.

.. warning::
    This is no part of the paper, and models are not trained for it: in training, every entity has its structural
    embedding. ``benchmarks/new_entities.py`` measures what it is worth.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy
import pandas
import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory
from torch import nn

from .explaining.candidates import Candidates
from .explaining.labels import resolve
from .explaining.model import check_model
from .features import FeatureSource, ModalityFeatures, as_features
from .models import RSME, MultimodalModel
from .nn import FusedRepresentation, ProjectedFeatureRepresentation, get_query_form
from .typing import BoolTensor, FloatTensor

__all__ = ["Absent", "Target", "predict_new_entities", "represent_new_entities", "score_new_entities"]

#: What to predict for new entities: the tails of triples which they are the heads of, or the heads.
Target: TypeAlias = Literal["head", "tail"]

#: What to fuse instead of what new entities do not have: what is to be expected, or nothing.
Absent: TypeAlias = Literal["average", "left-out"]


def predict_new_entities(
    model: Model,
    triples_factory: TriplesFactory,
    features: Mapping[str, FeatureSource],
    relation: str | int,
    target: Target = "tail",
    *,
    labels: Sequence[str] | None = None,
    k: int | None = None,
    absent: Absent = "average",
    candidates: Candidates | None = None,
) -> pandas.DataFrame:
    """Predict which known entities belong to new ones (experimental, cf. :mod:`pykeen_adamf.new_entities`).

    :param model: A model of multi-modal features.
    :param triples_factory: The triples factory that it was trained on, which knows the labels.
    :param features: The features of the new entities, by modality: a vector of one entity, a matrix with one row for
        each, :class:`pykeen_adamf.features.ModalityFeatures`, or a path. Entities without a row, or with a row of NaN,
        do not have the modality; so do all of them for modalities that are not given.
    :param relation: The label or ID of the relation.
    :param target: ``"tail"`` if the new entities are heads, and tails are to be predicted, or ``"head"``.
    :param labels: The labels of the new entities, in the order of vectors and matrices. Defaults to those which the
        features have, or numbers.
    :param k: >0
        How many known entities to return for each new one. Defaults to all.
    :param absent: What to fuse instead of what new entities do not have, cf. :mod:`pykeen_adamf.new_entities`.
    :param candidates: Which known entities may be predicted. Defaults to all.
    :returns: Columns ``new_entity`` (its label), ``{target}_id``, ``{target}_label`` and ``score``, for each new entity
        with the best score first.
    :raises ValueError: if the model has no modalities that could be fused, there is no such modality or relation, the
        features are invalid, or a new entity has none
    """
    if target not in ("head", "tail"):
        raise ValueError(f"target must be 'head' or 'tail', but is {target!r}")
    if k is not None and k < 1:
        raise ValueError(f"k must be positive, but is {k}")
    check_model(_check_model(model), triples_factory)
    relation_id = int(resolve([relation], triples_factory, "relation"))
    names, aligned = _align(features, labels)
    matrices = {name: modality.matrix for name, modality in aligned.items()}
    presence = {name: modality.presence for name, modality in aligned.items()}
    representations = represent_new_entities(model, matrices, presence, names=names, absent=absent)
    scores = score_new_entities(model, representations, relation_id, target)
    possible = torch.arange(model.num_entities) if candidates is None else candidates.get(relation_id, target)
    values, ids = scores.cpu()[:, possible].topk(min(k or len(possible), len(possible)), dim=-1)
    ids = possible[ids]
    return pandas.DataFrame(
        {
            "new_entity": numpy.repeat(numpy.asarray(names, dtype=object), ids.shape[1]),
            f"{target}_id": ids.flatten().numpy(),
            f"{target}_label": [triples_factory.entity_id_to_label.get(i) for i in ids.flatten().tolist()],
            "score": values.flatten().numpy(),
        }
    )


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
    fused = _check_model(model).fused
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
        columns[name] = weight.new_zeros(num_new, fused.fusion.dims[name]) if x is None else x.repeat(num_new, 1)
        if bool(mask.any()):
            assert isinstance(base, ProjectedFeatureRepresentation)
            columns[name][mask] = base.project(features[name][mask])
    nobody = ~torch.stack(given).any(dim=0)
    if bool(nobody.any()):
        first = int(nobody.nonzero()[0])
        shown = first if names is None else repr(names[first])
        raise ValueError(f"The new entity {shown} has no features of any modality. Leave it out.")
    presence_of_new = torch.stack(takes_part, dim=-1).to(fused.device)
    return fused.fuse(columns, fused.participation(None, presence=presence_of_new))


@torch.no_grad()
def score_new_entities(model: Model, representations: FloatTensor, relation: int, target: Target) -> FloatTensor:
    """Score triples of new entities with all known ones, in evaluation mode.

    As with PyKEEN's ``predict_h``, heads are predicted by the inverse relation if the model has been trained with it.

    :param model: The model.
    :param representations: shape: ``(num_new, *shape)``, what :func:`represent_new_entities` has returned.
    :param relation: The ID of the relation.
    :param target: What to predict, cf. :func:`predict_new_entities`.
    :returns: shape: ``(num_new, num_entities)``, the scores.
    :raises ValueError: if the model has no modalities that could be fused
    """
    model = _check_model(model)
    known = model.represent_all()
    is_head = target == "tail" or model.use_inverse_triples
    index = torch.tensor([[relation]])
    if model.use_inverse_triples:
        index = model.relation_inverter.map(batch=index, index=0, invert=target == "head")
    index = index.flatten().to(model.device)
    parts = [x(index) for x in model.relation_representations]
    form = get_query_form(model.interaction)
    if form is not None and (is_head or form.both_sides):
        queries = form.real_query(representations, parts[0].expand(len(representations), *parts[0].shape[1:]), is_head)
        scores = form.comparison.score_all(queries, form.candidates(known.table, is_head))
    else:
        others = known.get_rows(torch.arange(model.num_entities, device=model.device))
        r = parts[0] if len(parts) == 1 else tuple(parts)
        pairs = [(x, others) if is_head else (others, x) for x in representations.unsqueeze(dim=1)]
        scores = torch.stack([model.interaction(h=h, r=r, t=t) for h, t in pairs])
    return scores.sigmoid() if model.predict_with_sigmoid else scores


def _check_model(model: Model) -> MultimodalModel:
    """Return a model in evaluation mode, or raise a ``ValueError`` if its entities are not fused from modalities."""
    if isinstance(model, RSME) and model.score_weight < 1:
        raise ValueError(
            "RSME compares features of entities that it was trained with, but not yet those of new ones. Train it with "
            "score_weight=1, or use AdaMF."
        )
    if isinstance(model, MultimodalModel):
        return model.eval()
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


def _align(
    features: Mapping[str, FeatureSource], labels: Sequence[str] | None
) -> tuple[list[str], dict[str, ModalityFeatures]]:
    """Return the labels of new entities, and their features in this order."""
    matrices = {
        name: torch.atleast_2d(torch.as_tensor(x))
        for name, x in features.items()
        if isinstance(x, torch.Tensor | numpy.ndarray)
    }
    if labels is None and matrices:
        if len(matrices) < len(features):
            raise ValueError(f"Pass labels=... to tell whose features the rows of {list(matrices)} are.")
        labels = [str(i) for i in range(max(map(len, matrices.values())))]
    parts = {name: as_features(matrices.get(name, x), labels, name) for name, x in features.items()}
    if labels is None:
        labels = list(dict.fromkeys(label for part in parts.values() for label in part.labels))
    return list(labels), {name: part.align(labels, unknown="ignore") for name, part in parts.items()}
