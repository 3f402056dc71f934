"""Scores and filtered ranks of triples."""

from collections.abc import Callable
from math import prod
from typing import Final, NamedTuple

import torch
from pykeen.models import ERModel, Model

from ..checks import check_scores
from ..chunking import row_chunks
from ..models import QueryScoringModel
from ..typing import FloatTensor, LongTensor
from .candidates import Candidates, Side

__all__ = ["RankedTriples", "Ranker"]

#: The numbers that are calculated at once, if nothing else is said.
MAX_NUMBERS: Final = 2**24


class RankedTriples(NamedTuple):
    """The scores and ranks of triples, all of shape ``(num_triples,)``, in double precision; NaN on the other side."""

    scores: FloatTensor
    head_ranks: FloatTensor
    tail_ranks: FloatTensor


class Ranker:
    """Ranks the same triples by a model, again and again, in different states of it.

    The rank is the mean of the optimistic and the pessimistic one, PyKEEN's *realistic* rank, among all entities, or
    candidates, but those which make up another known triple.
    """

    def __init__(
        self,
        model: Model,
        triples: LongTensor,
        known: LongTensor,
        batch_size: int | None = None,
        candidates: Candidates | None = None,
    ) -> None:
        """Initialize the ranker with triples to rank, and with known ones, both by ID.

        :param batch_size: >0, how many triples to rank at once; for each of them, there is a score of each entity.
            Defaults to as many as take some 17 million numbers at once: scores, or what the interaction calculates them
            from.
        :param candidates: Which entities to rank, beside the one in question. Defaults to all.
        :raises ValueError: if the batch size is not positive
        """
        if batch_size is None:
            batch_size = max(1, MAX_NUMBERS // (model.num_entities * _count_numbers(model)))
        if batch_size < 1:
            raise ValueError(f"The batch size must be positive, but is {batch_size}.")
        self.model = model
        self.batch_size = batch_size
        self.candidates = candidates
        self.triples, self.known = triples.to(model.device), known.to(model.device)
        # by column; the same in all states of the model
        self._orders: dict[int, tuple[LongTensor, LongTensor, LongTensor, LongTensor]] = {}

    def rank(self, advance: Callable[[int], object], side: Side | None = None) -> RankedTriples:
        """Rank the triples by the model as it is now.

        :param advance: Called with a number of triples as soon as their heads, or tails, are ranked.
        :param side: The side to rank and to score. Defaults to both, and scores of tails.
        :raises ScoreError: if a score is no number
        """
        nothing = torch.full((len(self.triples),), float("nan"), dtype=torch.float64)
        scores, head_ranks = (nothing, nothing) if side == "tail" else self._rank(0, advance)
        tail_ranks = nothing
        if side != "head":
            scores, tail_ranks = self._rank(2, advance)
        return RankedTriples(scores, head_ranks, tail_ranks)

    def _order(self, column: int) -> tuple[LongTensor, LongTensor, LongTensor, LongTensor]:
        """Return pairs and an order of the triples, and sorted pairs of known ones with the entities in the column."""
        if column not in self._orders:
            # a number for each pair of a relation and the entity that is not in the column
            number = self.model.num_real_relations
            pairs, known = (x[:, 2 - column] * number + x[:, 1] for x in (self.triples, self.known))
            known, known_order = known.sort()
            # triples with the same pair are neighbors, and share their scores
            self._orders[column] = pairs, pairs.argsort(), known, self.known[known_order, column]
        return self._orders[column]

    def _rank(self, column: int, advance: Callable[[int], object]) -> tuple[FloatTensor, FloatTensor]:
        """Score and rank the entities in one column."""
        pairs, order, known, entities = self._order(column)
        scores, ranks = torch.empty(2, len(pairs), dtype=torch.float64, device=pairs.device)
        for start, stop in row_chunks(len(pairs), self.batch_size):
            chosen = order[start:stop]
            distinct, row, count = pairs[chosen].unique_consecutive(return_inverse=True, return_counts=True)
            triples = self.triples[chosen]
            batch = triples[count.cumsum(dim=0) - 1]
            table = self.model.predict_t(batch[:, :2]) if column == 2 else self.model.predict_h(batch[:, 1:])
            check_scores(table)
            found = table[row, triples[:, column]]
            # known entities are hidden
            first, last = torch.searchsorted(known, torch.stack([distinct[0], distinct[-1] + 1])).tolist()
            place = torch.searchsorted(distinct, known[first:last])
            is_asked = distinct[place] == known[first:last]
            table[place[is_asked], entities[first:last][is_asked]] = float("nan")
            if self.candidates is not None:
                mask = self.candidates.mask(batch[:, 1], "head" if column == 0 else "tail")
                table.masked_fill_(mask, float("nan"))
            # itself is among the candidates, be it known or not
            candidates, is_hidden = table[row], table[row, triples[:, column]].isnan()
            optimistic = (candidates > found.unsqueeze(dim=-1)).sum(dim=-1) + 1
            pessimistic = (candidates >= found.unsqueeze(dim=-1)).sum(dim=-1) + is_hidden
            scores[chosen], ranks[chosen] = found.double(), (optimistic + pessimistic).double() / 2
            advance(stop - start)
        return scores.cpu(), ranks.cpu()


def _count_numbers(model: Model) -> int:
    """Return how many numbers there may be at once for each score.

    Some of PyKEEN's interactions keep something as wide as an embedding for each pair of a triple and an entity; those
    which have queries do not.
    """
    if not isinstance(model, ERModel) or (isinstance(model, QueryScoringModel) and model.get_query_form() is not None):
        return 1
    # a complex number is two
    return max([1, *(2 * prod(x.shape) for x in model.entity_representations)])
