"""Answers to "which tail has this head and relation?" and the reverse, with what they rest on."""

from collections.abc import Sequence
from typing import Any, Protocol

import pandas
import torch
from pykeen.models import Model
from pykeen.triples import TriplesFactory

from .checks import check_scores
from .explaining.candidates import Allowed, Candidates
from .explaining.labels import Triples, resolve, resolve_triples
from .explaining.model import ModalityModel, get_weights, predicting
from .typing import FloatTensor, LongTensor, NumpyArray

__all__ = ["Calibration", "predict"]


class Calibration(Protocol):
    """Turns scores into probabilities, cf. :class:`pykeen_adamf.calibration.Calibrator`."""

    def probability(self, scores: FloatTensor) -> FloatTensor:
        """Return the probability for each score, shape: ``s`` to ``s``."""


def predict(
    model: Model,
    triples_factory: TriplesFactory,
    *,
    relation: str | int,
    head: str | int | None = None,
    tail: str | int | None = None,
    top: int | None = 10,
    entities: Sequence[str | int] | None = None,
    candidates: Candidates | Allowed | None = None,
    known_triples: Triples = (),
    keep_known: bool = False,
    calibration: Calibration | None = None,
    reasons: bool = True,
) -> pandas.DataFrame:
    """Answer a question: the best tails of a head and a relation, or the best heads of a relation and a tail.

    :param model: The model.
    :param triples_factory: The triples factory that it was trained on; its triples are known.
    :param relation: The label or ID of the relation.
    :param head: The label or ID of the head; or
    :param tail: that of the tail. Just one of both is given, and the other one is asked for.
    :param top: >0, how many answers there are at most, or ``None`` for all.
    :param entities: The labels or IDs of the answers, if it shall be these, rather than the best ones. Each of them is
        ranked, be it known, or a candidate, or not.
    :param candidates: The entities that may be answers, or what says so, cf.
        :class:`pykeen_adamf.explaining.Candidates`: ``"seen"``, types, or labels. Defaults to all.
    :param known_triples: shape: ``(num_known, 3)``, known triples beside those of training, as labels or IDs.
    :param keep_known: Whether to answer what is known, too.
    :param calibration: What turns scores into probabilities, if there shall be any.
    :param reasons: Whether to say what answers rest on, if the model has several modalities.
    :returns: One row for each answer, the best first, or in the order of given entities, with the columns

        - ``rank``, from 1, among the candidates that are not left out; of given entities the realistic one, i.e.,
          amidst those with the same score
        - ``of``, of given entities: among how many they are ranked
        - ``entity``, the label of the answer
        - ``score``, and ``probability`` if there is a calibration
        - ``known``, whether it is a known triple
        - ``weight NAME`` for each modality, its weight in the fusion of the answer, if the model has weights
        - ``rank without NAME`` for each modality: the realistic rank when it is left out of the fusion of every entity
        - ``score change NAME`` for each modality: by how much the score changes then
    :raises ValueError: if not just one of head and tail is given, or there are no such entities or relations; the
        message has the nearest labels
    """
    if (head is None) == (tail is None):
        raise ValueError("Give either a head or a tail; the other one is what is asked for.")
    if top is not None and top < 1:
        raise ValueError(f"There must be at least one answer, but top is {top}.")
    given = resolve([head if tail is None else tail], triples_factory, "entity")  # type: ignore[list-item]
    query = torch.cat([given, resolve([relation], triples_factory, "relation")])
    is_known = _find_known(triples_factory, resolve_triples(known_triples, triples_factory), query, head is not None)
    allowed = torch.ones(triples_factory.num_entities, dtype=torch.bool)
    if candidates is not None:
        if not isinstance(candidates, Candidates):
            candidates = Candidates(triples_factory, candidates)
        allowed = torch.zeros_like(allowed)
        allowed[candidates.get(int(query[1]), "head" if head is None else "tail")] = True
    if not keep_known:
        allowed &= ~is_known
    with predicting(model):
        scores = _score(model, query, head is not None)
        columns: dict[str, Any] = {}
        if entities is None:
            ids = scores.masked_fill(~allowed, float("-inf")).argsort(descending=True, stable=True)
            ids = ids[: min(int(allowed.sum()), len(ids) if top is None else top)]
            columns["rank"] = _rank(scores, ids, allowed)
        else:
            ids = resolve(entities, triples_factory, "entity")
            columns |= {"rank": _rank(scores, ids, allowed), "of": int(allowed.sum()) + (~allowed[ids]).long().numpy()}
        columns |= {
            "entity": [triples_factory.entity_id_to_label[i] for i in ids.tolist()],
            "score": scores[ids].numpy(),
        }
        if calibration is not None:
            columns["probability"] = calibration.probability(scores[ids]).numpy()
        columns["known"] = is_known[ids].numpy()
        if reasons and isinstance(model, ModalityModel) and len(model.modalities) > 1:
            columns |= _explain(model, query, head is not None, ids, scores, allowed)
    return pandas.DataFrame(columns)


def _score(model: Model, query: LongTensor, is_tail: bool) -> FloatTensor:
    """Score all entities, shape: ``(num_entities,)``, in main memory."""
    pair = query.unsqueeze(dim=0).to(model.device)
    scores = check_scores(model.predict_t(pair) if is_tail else model.predict_h(pair.flip(-1)))
    return scores[0].float().cpu()


def _find_known(factory: TriplesFactory, others: LongTensor, query: LongTensor, is_tail: bool) -> torch.Tensor:
    """Find the entities that make up known triples, shape: ``(num_entities,)``."""
    result = torch.zeros(factory.num_entities, dtype=torch.bool)
    side, other = (0, 2) if is_tail else (2, 0)
    for triples in (factory.mapped_triples, others):
        asked = (triples[:, side] == query[0]) & (triples[:, 1] == query[1])
        result[triples[asked, other]] = True
    return result


def _rank(scores: FloatTensor, ids: LongTensor, allowed: torch.Tensor) -> NumpyArray:
    """Rank some entities realistically among those that are allowed and itself, shape: ``(len(ids),)``."""
    ordered, found = scores[allowed].sort().values, scores[ids].contiguous()
    better = len(ordered) - torch.searchsorted(ordered, found, right=True)
    # itself among them, if it is allowed
    others = len(ordered) - torch.searchsorted(ordered, found) - allowed[ids].long()
    result: NumpyArray = (1 + (better + others).double() / 2).numpy()
    return result if (result % 1).any() else result.astype(int)


def _explain(
    model: Any, query: LongTensor, is_tail: bool, ids: LongTensor, scores: FloatTensor, allowed: torch.Tensor
) -> dict[str, Any]:
    """Return the weights of modalities of entities, and their ranks without each of them."""
    weights = get_weights(model, ids.to(model.device))
    ranks: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    for name in model.modalities:
        with model.without_modality(name):
            without = _score(model, query, is_tail)
        ranks[f"rank without {name}"] = _rank(without, ids, allowed)
        changes[f"score change {name}"] = (without - scores)[ids].numpy()
    if bool(weights.isnan().any()):
        return {**ranks, **changes}
    named = zip(model.modalities, weights.T, strict=True)
    return {**{f"weight {name}": x.numpy() for name, x in named}, **ranks, **changes}
