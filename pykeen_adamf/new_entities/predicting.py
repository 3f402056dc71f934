"""Predictions for new entities."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy
import pandas
import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory

from ..features import FeatureSource, ModalityFeatures, as_features
from ..models import QueryScoringModel
from ..nn import get_query_form
from ..suggestions import suggest
from ..typing import FloatTensor
from .representing import Absent, get_fused, represent_new_entities

__all__ = ["Target", "predict_new_entities", "score_new_entities"]

#: What to predict for new entities: the tails of triples which they are the heads of, or the heads.
Target: TypeAlias = Literal["head", "tail"]


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
    :returns: Columns ``new_entity`` (its label), ``{target}_id``, ``{target}_label`` and ``score``, for each new entity
        with the best score first.
    :raises ValueError: if the model has no modalities that could be fused, there is no such modality or relation, the
        features are invalid, or a new entity has none
    """
    if target not in ("head", "tail"):
        raise ValueError(f"target must be 'head' or 'tail', but is {target!r}")
    if k is not None and k < 1:
        raise ValueError(f"k must be positive, but is {k}")
    for name in ("num_entities", "num_relations"):
        known, other = getattr(model, name), getattr(triples_factory, name)
        if known != other:
            raise ValueError(
                f"The model has {name}={known}, but the triples factory {name}={other}. Use the one that the model was "
                f"trained on."
            )
    relation_id = _find_relation(relation, triples_factory)
    names, aligned = _align(features, labels)
    matrices = {name: modality.matrix for name, modality in aligned.items()}
    presence = {name: modality.presence for name, modality in aligned.items()}
    representations = represent_new_entities(model, matrices, presence, names=names, absent=absent)
    scores = score_new_entities(model, representations, relation_id, target)
    values, ids = scores.cpu().topk(min(k or model.num_entities, model.num_entities), dim=-1)
    return pandas.DataFrame(
        {
            "new_entity": numpy.repeat(numpy.asarray(names, dtype=object), ids.shape[1]),
            f"{target}_id": ids.flatten().numpy(),
            f"{target}_label": [triples_factory.entity_id_to_label.get(i) for i in ids.flatten().tolist()],
            "score": values.flatten().numpy(),
        }
    )


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
    get_fused(model.eval())
    assert isinstance(model, QueryScoringModel)
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
        scores = form.comparison.score_all(queries, form.candidates(known.table))
    else:
        others = known.get_rows(torch.arange(model.num_entities, device=model.device))
        r = parts[0] if len(parts) == 1 else tuple(parts)
        pairs = [(x, others) if is_head else (others, x) for x in representations.unsqueeze(dim=1)]
        scores = torch.stack([model.interaction(h=h, r=r, t=t) for h, t in pairs])
    return scores.sigmoid() if model.predict_with_sigmoid else scores


def _find_relation(relation: str | int, triples_factory: TriplesFactory) -> int:
    """Return the ID of a relation."""
    if isinstance(relation, str) and relation in triples_factory.relation_to_id:
        return triples_factory.relation_to_id[relation]
    if not isinstance(relation, str) and 0 <= relation < triples_factory.real_num_relations:
        return relation
    hint = suggest(relation, triples_factory.relation_to_id)
    raise ValueError(f"There is no relation {relation!r} in the triples that the model was trained on.{hint}")


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
