"""Scores and filtered ranks of triples."""

from collections.abc import Callable
from math import prod
from typing import Final, NamedTuple

import torch
from pykeen.models import ERModel, Model

from ..chunking import row_chunks
from ..models import QueryScoringModel
from ..typing import FloatTensor, LongTensor

__all__ = ["RankedTriples", "Ranker"]

#: The numbers that are calculated at once, if nothing else is said.
MAX_NUMBERS: Final = 2**24


class RankedTriples(NamedTuple):
    """The scores and ranks of triples, all of shape ``(num_triples,)``, in double precision."""

    scores: FloatTensor
    head_ranks: FloatTensor
    tail_ranks: FloatTensor


class Ranker:
    """Ranks the same triples by a model, again and again, in different states of it.

    The rank is the mean of the optimistic and the pessimistic one, PyKEEN's *realistic* rank, among all entities but
    those which make up another known triple.
    """

    def __init__(self, model: Model, triples: LongTensor, known: LongTensor, batch_size: int | None = None) -> None:
        """Find out once what is the same for all states.

        :param model: The model.
        :param triples: shape: ``(num_triples, 3)``, the triples to rank.
        :param known: shape: ``(num_known, 3)``, the triples which are known to be true.
        :param batch_size: >0, how many triples to rank at once; for each of them, there is a score of each entity.
            Defaults to as many as take some 17 million numbers at once: scores, or what the interaction calculates them
            from.
        :raises ValueError: if the batch size is not positive
        """
        if batch_size is None:
            batch_size = max(1, MAX_NUMBERS // (model.num_entities * _count_numbers(model)))
        if batch_size < 1:
            raise ValueError(f"The batch size must be positive, but is {batch_size}.")
        self.model = model
        self.batch_size = batch_size
        self.triples = triples.to(model.device)
        known = known.to(model.device)
        # by column: for each pair of a relation and another entity, sorted, a known entity
        self.known = {}
        for column in (0, 2):
            pairs, order = _number_pairs(known, column, model).sort()
            self.known[column] = pairs, known[order, column]

    def rank(self, advance: Callable[[int], object]) -> RankedTriples:
        """Rank the triples by the model as it is now.

        :param advance: Called with a number of triples as soon as their heads, or tails, are ranked.
        :returns: The scores, and the ranks of heads and of tails.
        :raises ValueError: if a score is no number
        """
        _, head_ranks = self._rank(0, advance)
        scores, tail_ranks = self._rank(2, advance)
        return RankedTriples(scores, head_ranks, tail_ranks)

    def _rank(self, column: int, advance: Callable[[int], object]) -> tuple[FloatTensor, FloatTensor]:
        """Score and rank the entities in one column."""
        pairs = _number_pairs(self.triples, column, self.model)
        # triples with the same pair are neighbors, and share their scores
        order = pairs.argsort()
        scores, ranks = torch.empty(2, len(pairs), dtype=torch.float64, device=pairs.device)
        for start, stop in row_chunks(len(pairs), self.batch_size):
            chosen = order[start:stop]
            scores[chosen], ranks[chosen] = self._rank_batch(column, pairs[chosen], self.triples[chosen])
            advance(stop - start)
        return scores.cpu(), ranks.cpu()

    def _rank_batch(self, column: int, pairs: LongTensor, triples: LongTensor) -> tuple[FloatTensor, FloatTensor]:
        """Score and rank the entities in one column of triples which are sorted by their pairs."""
        distinct, row, count = pairs.unique_consecutive(return_inverse=True, return_counts=True)
        batch = triples[count.cumsum(dim=0) - 1]
        table = self.model.predict_t(batch[:, :2]) if column == 2 else self.model.predict_h(batch[:, 1:])
        if bool(table.isnan().any()):
            raise ValueError("Some of the model's scores are no numbers, hence there are no ranks. Train it anew.")
        scores = table[row, triples[:, column]]
        self._hide_known(column, table, distinct)
        # itself is among the candidates, be it known or not
        is_hidden = table[row, triples[:, column]].isnan()
        candidates = table[row]
        optimistic = (candidates > scores.unsqueeze(dim=-1)).sum(dim=-1) + 1
        pessimistic = (candidates >= scores.unsqueeze(dim=-1)).sum(dim=-1) + is_hidden
        return scores.double(), (optimistic + pessimistic).double() / 2

    def _hide_known(self, column: int, scores: FloatTensor, pairs: LongTensor) -> None:
        """Replace the scores of known entities by NaN, in a row for each pair."""
        known_pairs, entities = self.known[column]
        start = torch.searchsorted(known_pairs, pairs)
        count = torch.searchsorted(known_pairs, pairs, right=True) - start
        row = torch.arange(len(pairs), device=pairs.device).repeat_interleave(count)
        # the first known one of each row, and how many come before
        first = start - (count.cumsum(dim=0) - count)
        position = first[row] + torch.arange(len(row), device=pairs.device)
        scores[row, entities[position]] = float("nan")


def _count_numbers(model: Model) -> int:
    """Return how many numbers there may be at once for each score.

    Some of PyKEEN's interactions keep something as wide as an embedding for each pair of a triple and an entity; those
    which have queries do not.
    """
    if not isinstance(model, ERModel) or (isinstance(model, QueryScoringModel) and model.get_query_form() is not None):
        return 1
    # a complex number is two
    return max([1, *(2 * prod(x.shape) for x in model.entity_representations)])


def _number_pairs(triples: LongTensor, column: int, model: Model) -> LongTensor:
    """Return a number for each pair of a relation and the entity that is *not* in the column."""
    return triples[:, 2 - column] * model.num_real_relations + triples[:, 1]
