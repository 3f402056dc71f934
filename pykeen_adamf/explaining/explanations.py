"""What modalities contribute to entities, to triples, and to relations on average (cf. figure 5 of AdaMF-MAT)."""

from collections.abc import Iterable
from typing import Final

import numpy
import pandas
import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory
from tqdm.auto import tqdm

from ..constants import STRUCTURAL
from ..triples import MultimodalTriplesFactory
from ..typing import LongTensor
from .candidates import Candidates
from .labels import Triples, resolve, resolve_triples
from .model import check_model, get_weights, predicting
from .ranking import Ranker

__all__ = ["ALL_RELATIONS", "explain_entities", "explain_relations", "explain_triples"]

#: What stands in the place of a relation's label for all of them.
ALL_RELATIONS: Final = "(all relations)"


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
    modalities = list(explained.modalities)
    indices = resolve(
        torch.arange(triples_factory.num_entities) if entities is None else entities, triples_factory, "entity"
    )
    features = triples_factory.features if isinstance(triples_factory, MultimodalTriplesFactory) else {}
    presence = []
    for name in modalities:
        if name != STRUCTURAL and name not in features:
            raise ValueError(
                f"The triples factory has no features {name!r}, but only {list(features)}. Use the one that the model "
                f"was trained on."
            )
        presence.append(torch.ones(len(indices)).bool() if name == STRUCTURAL else features[name].presence[indices])
    with predicting(model):
        weights = get_weights(explained, indices.to(model.device))
    labels = [triples_factory.entity_id_to_label[i] for i in indices.tolist()]
    return pandas.DataFrame(
        {
            "entity": numpy.repeat(numpy.asarray(labels, dtype=object), len(modalities)),
            "modality": modalities * len(labels),
            "weight": weights.flatten().numpy(),
            "present": torch.stack(presence, dim=-1).flatten().numpy(),
        }
    )


def explain_triples(
    model: Model,
    triples_factory: TriplesFactory,
    triples: Triples,
    known_triples: Triples = (),
    *,
    candidates: Candidates | None = None,
    batch_size: int | None = None,
    progress: bool = True,
) -> pandas.DataFrame:
    """Explain triples by the weights of modalities, and by what changes without each of them.

    Without a modality means that it is left out of the fusion of *every* entity, such that all candidates are treated
    alike: the weights are those of the other modalities alone. Only entities that have nothing else keep it. The model
    is not trained anew; it has learned to rely on what is taken from it. Scores of all other triples change, too:
    whether a triple is predicted rather than others is what its ranks tell.

    Ranks are PyKEEN's *realistic* ones (the mean of optimistic and pessimistic rank) among all entities but those
    which make up *another* known triple, or among those candidates that are of the right type.

    :param model: The model.
    :param triples_factory: The triples factory that it was trained on; its triples are known.
    :param triples: shape: ``(n, 3)``, the triples to explain, as labels or IDs, or a triples factory with them.
    :param known_triples: shape: ``(num_known, 3)``, further known triples, likewise.
    :param candidates: Which entities to rank. Defaults to all, as published metrics do.
    :param batch_size: >0, how many triples to rank at once; for each of them, there is a score of each entity.
    :param progress: Whether to show a progress bar, if it takes more than a second.
    :returns: One row for each triple and modality, with the columns

        - ``head``, ``relation``, ``tail``, the labels
        - ``modality``
        - ``head_weight``, ``tail_weight``, the modality's weights for both entities, NaN if the model has none
        - ``score``, ``score_without`` the modality, and ``score_change`` from the former to the latter
        - ``head_rank``, ``head_rank_without``, ``tail_rank``, ``tail_rank_without``, the filtered ranks
    :raises ValueError: if the model has no modalities or a single one, the triples factory is none for it, or there are
        no such entities or relations
    """
    explained = check_model(model, triples_factory)
    modalities = list(explained.modalities)
    if len(modalities) < 2:
        raise ValueError(f"Nothing can be left out of a model whose only modality is {modalities[0]!r}.")
    ids = resolve_triples(triples, triples_factory)
    known = torch.cat([triples_factory.mapped_triples, resolve_triples(known_triples, triples_factory)])
    labels = pandas.DataFrame(triples_factory.label_triples(ids), columns=["head", "relation", "tail"])
    frames = []
    with predicting(model):
        ranker = Ranker(model, ids, known, batch_size, candidates)
        head_weights, tail_weights = (get_weights(explained, ids[:, column].to(model.device)) for column in (0, 2))
        total = (len(modalities) + 1) * 2 * len(ids)
        with tqdm(total=total, unit="rank", unit_scale=True, delay=1, leave=False, disable=not progress) as bar:
            before = ranker.rank(bar.update)
            for number, name in enumerate(modalities):
                with explained.without_modality(name):
                    after = ranker.rank(bar.update)
                columns = {
                    "head_weight": head_weights[:, number],
                    "tail_weight": tail_weights[:, number],
                    "score": before.scores,
                    "score_without": after.scores,
                    "score_change": after.scores - before.scores,
                    "head_rank": before.head_ranks,
                    "head_rank_without": after.head_ranks,
                    "tail_rank": before.tail_ranks,
                    "tail_rank_without": after.tail_ranks,
                }
                frames.append(labels.assign(modality=name, **{key: x.numpy() for key, x in columns.items()}))
    # triple by triple, each with all modalities
    return pandas.concat(frames).sort_index(kind="stable", ignore_index=True)


def explain_relations(
    model: Model,
    triples_factory: TriplesFactory,
    triples: Triples,
    known_triples: Triples = (),
    *,
    relations: Iterable[str | int] | None = None,
    candidates: Candidates | None = None,
    batch_size: int | None = None,
    progress: bool = True,
) -> pandas.DataFrame:
    """Explain relations by averages over triples.

    The weights are those of figure 5 of the paper. The mean reciprocal rank is PyKEEN's filtered one of both sides.
    Parameters that are not described here are those of :func:`explain_triples`.

    :param triples: shape: ``(n, 3)``, the triples to average over, usually test triples. They are known, too.
    :param known_triples: shape: ``(num_known, 3)``, further known triples, e.g., the validation triples.
    :param relations: The labels or IDs of the relations to explain. Defaults to all that the triples have, and all of
        them together.
    :returns: One row for each relation and modality, with the columns

        - ``relation``, the label, or :data:`ALL_RELATIONS` for the average over all triples
        - ``modality``
        - ``num_triples``
        - ``weight``, the modality's average weight for heads and tails, ``head_weight``, ``tail_weight``; NaN if the
          model has no weights
        - ``score_change`` without the modality
        - ``mrr``, the mean reciprocal rank, ``mrr_without`` the modality, and ``mrr_change`` from the former to the
          latter
    :raises ValueError: as :func:`explain_triples`, or if there are no triples to average over
    """
    ids = resolve_triples(triples, triples_factory)
    known = torch.cat([resolve_triples(known_triples, triples_factory), ids])
    if relations is not None:
        chosen = resolve(relations, triples_factory, "relation")
        for i in chosen.tolist():
            if i not in ids[:, 1]:
                label = triples_factory.relation_id_to_label[i]
                raise ValueError(f"There are no triples with the relation {label!r} to average over.")
        ids = ids[torch.isin(ids[:, 1], chosen)]
    if not len(ids):
        raise ValueError("There are no triples to average over.")
    # relations are in the order of their IDs
    ids = ids[ids[:, 1].argsort(stable=True)]
    frame = explain_triples(
        model, triples_factory, ids, known, candidates=candidates, batch_size=batch_size, progress=progress
    )
    frame = frame.assign(
        weight=(frame["head_weight"] + frame["tail_weight"]) / 2,
        mrr=(1 / frame["head_rank"] + 1 / frame["tail_rank"]) / 2,
        mrr_without=(1 / frame["head_rank_without"] + 1 / frame["tail_rank_without"]) / 2,
    )
    result = _average(frame)
    if relations is None:
        result = pandas.concat([result, _average(frame.assign(relation=ALL_RELATIONS))], ignore_index=True)
    return result


def _average(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Average over the triples of each relation."""
    grouped = frame.groupby(["relation", "modality"], sort=False)
    columns = ["weight", "head_weight", "tail_weight", "score_change", "mrr", "mrr_without"]
    result = grouped[columns].mean()
    result.insert(0, "num_triples", grouped.size())
    return result.assign(mrr_change=result["mrr_without"] - result["mrr"]).reset_index()
