"""What modalities contribute to relations, on average over triples (cf. figure 5 of the AdaMF-MAT paper)."""

from collections.abc import Iterable
from typing import Final

import pandas
import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory

from .labels import Triples, resolve_relations, resolve_triples
from .triples import explain_triples

__all__ = ["ALL_RELATIONS", "explain_relations"]

#: What stands in the place of a relation's label for all of them.
ALL_RELATIONS: Final = "(all relations)"


def explain_relations(
    model: Model,
    triples_factory: TriplesFactory,
    triples: Triples,
    known_triples: Triples = (),
    *,
    relations: Iterable[str | int] | None = None,
    batch_size: int | None = None,
    progress: bool = True,
) -> pandas.DataFrame:
    """Explain relations by averages over triples, cf. :func:`explain_triples`.

    The weights are those of figure 5 of the paper. The mean reciprocal rank is PyKEEN's filtered one of both sides.

    :param model: The model.
    :param triples_factory: The triples factory that it was trained on; its triples are known.
    :param triples: shape: ``(n, 3)``
        The triples to average over, usually test triples, as labels or IDs, or a triples factory with them. They are
        known, too.
    :param known_triples: shape: ``(num_known, 3)``
        Further known triples, likewise, e.g., the validation triples.
    :param relations: The labels or IDs of the relations to explain. Defaults to all that the triples have, and all of
        them together.
    :param batch_size: >0
        How many triples to rank at once; for each of them, there is a score of each entity.
    :param progress: Whether to show a progress bar, if it takes more than a second.
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
        chosen = resolve_relations(relations, triples_factory)
        for i in chosen.tolist():
            if i not in ids[:, 1]:
                label = triples_factory.relation_id_to_label[i]
                raise ValueError(f"There are no triples with the relation {label!r} to average over.")
        ids = ids[torch.isin(ids[:, 1], chosen)]
    if not len(ids):
        raise ValueError("There are no triples to average over.")
    # relations are in the order of their IDs
    ids = ids[ids[:, 1].argsort(stable=True)]
    frame = explain_triples(model, triples_factory, ids, known, batch_size=batch_size, progress=progress)
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
