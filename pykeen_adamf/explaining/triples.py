"""What modalities contribute to the scores and ranks of triples."""

from typing import Any

import numpy
import pandas
import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory
from tqdm.auto import tqdm

from ..typing import FloatTensor, LongTensor
from .labels import Triples, resolve_triples
from .model import ModalityModel, check_model, get_weights, predicting
from .ranking import RankedTriples, Ranker

__all__ = ["explain_triples"]


def explain_triples(
    model: Model,
    triples_factory: TriplesFactory,
    triples: Triples,
    known_triples: Triples = (),
    *,
    batch_size: int | None = None,
    progress: bool = True,
) -> pandas.DataFrame:
    """Explain triples by the weights of modalities, and by what changes without each of them.

    Without a modality means that it is left out of the fusion of *every* entity, such that all candidates are treated
    alike: the other modalities' weights are renormalized. Only entities that have nothing else keep it. The model is
    not trained anew; it has learned to rely on what is taken from it. Scores of all other triples change, too: whether
    a triple is predicted rather than others is what its ranks tell.

    Ranks are PyKEEN's *realistic* ones (the mean of optimistic and pessimistic rank) among all entities but those
    which make up *another* known triple.

    :param model: The model.
    :param triples_factory: The triples factory that it was trained on; its triples are known.
    :param triples: shape: ``(n, 3)``
        The triples to explain, as labels or IDs, or a triples factory with them.
    :param known_triples: shape: ``(num_known, 3)``
        Further known triples, likewise.
    :param batch_size: >0
        How many triples to rank at once; for each of them, there is a score of each entity.
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
    with predicting(model):
        ranker = Ranker(model, ids, known, batch_size=batch_size)
        head_weights, tail_weights = (get_weights(explained, ids[:, column].to(model.device)) for column in (0, 2))
        everything, without = _rank(explained, ranker, progress)

    def once(x: FloatTensor) -> Any:
        return x.repeat_interleave(len(modalities)).numpy()

    def each(field: str) -> Any:
        return torch.stack([getattr(ranked, field) for ranked in without], dim=-1).flatten().numpy()

    score, score_without = once(everything.scores), each("scores")
    return pandas.DataFrame(
        {
            **{
                name: numpy.repeat(labels, len(modalities))
                for name, labels in zip(("head", "relation", "tail"), _label(ids, triples_factory), strict=True)
            },
            "modality": modalities * len(ids),
            "head_weight": head_weights.flatten().numpy(),
            "tail_weight": tail_weights.flatten().numpy(),
            "score": score,
            "score_without": score_without,
            "score_change": score_without - score,
            "head_rank": once(everything.head_ranks),
            "head_rank_without": each("head_ranks"),
            "tail_rank": once(everything.tail_ranks),
            "tail_rank_without": each("tail_ranks"),
        }
    )


def _rank(model: ModalityModel, ranker: Ranker, progress: bool) -> tuple[RankedTriples, list[RankedTriples]]:
    """Rank triples with everything, and without each modality."""
    total = (len(model.modalities) + 1) * ranker.num_steps
    with tqdm(total=total, unit="rank", unit_scale=True, delay=1, leave=False, disable=not progress) as bar:
        everything = ranker.rank(bar.update)
        without = []
        for name in model.modalities:
            with model.without_modality(name):
                without.append(ranker.rank(bar.update))
    return everything, without


def _label(ids: LongTensor, factory: TriplesFactory) -> list[Any]:
    """Return the labels in each column, shape of each: ``(num_triples,)``."""
    id_to_label = [factory.entity_id_to_label, factory.relation_id_to_label, factory.entity_id_to_label]
    return [
        numpy.asarray([labels[i] for i in column.tolist()], dtype=object)
        for labels, column in zip(id_to_label, ids.T, strict=True)
    ]
