r"""Interactions that compare one entity of a triple with a query made of the others.

RotatE, for instance, is $-\|\mathbf{h} \mathbf{r} - \mathbf{t}\|$. With the query $\mathbf{h} \mathbf{r}$, all tails
of a head and relation are compared to one vector; and since rotations keep lengths, all heads are compared to
$\mathbf{t} \bar{\mathbf{r}}$. ComplEx is a dot product with the same queries. A batch with many negatives for each
positive has few queries, so that the relation is applied once for each positive, and what remains are comparisons of
pairs of rows; and the scores of all entities are one matrix product, if the comparison is a dot product.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from pykeen.nn.modules import Interaction

from ..typing import BoolTensor, FloatTensor, LongTensor
from .comparison import Comparison

__all__ = [
    "QueryForm",
    "find_queries",
    "get_query_form",
    "match_negatives",
    "query_form_of",
    "unique_with_inverse",
]


class QueryForm(ABC):
    r"""An interaction as $f(h, r, t) = c(q(h, r), t)$ and, possibly, $= c(\bar q(t, r), h)$."""

    #: how queries are compared with candidates
    comparison: Comparison

    #: whether there are queries from tails, too
    both_sides: bool = True

    #: whether queries are at random, or depend on each other, as with dropout and batch normalization in training
    is_stochastic: bool = False

    #: whether heads are compared otherwise than tails, such that it matters which of them candidates are
    is_sided: bool = False

    @abstractmethod
    def query(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor | bool) -> FloatTensor:
        r"""Return the queries.

        :param entity: shape: ``(num_queries, *shape)``, the representations of the known entities.
        :param relation: shape: ``(num_queries, *relation_shape)``, the representations of the relations.
        :param is_head: shape: ``(num_queries,)``, whether the known entity is the head, i.e., whether to return $q(h,
            r)$ rather than $\bar q(t, r)$. All are, unless :attr:`both_sides`.
        :returns: shape: ``(num_queries, *shape)``, what the other entity is compared with.
        """

    def candidates(self, table: FloatTensor, is_head: bool = True) -> FloatTensor:
        """Return what queries are compared with, as real numbers, shape: ``(num_entities, candidate_width)``.

        :param table: shape: ``(num_entities, width)``, the entities, cf. :meth:`.comparison.Comparison.to_real`.
        :param is_head: Whether queries are made of heads, i.e., candidates are tails. It matters if :attr:`is_sided`.
        """
        return table

    def select_candidates(
        self, table: FloatTensor, rows: LongTensor, is_head: BoolTensor
    ) -> tuple[FloatTensor, LongTensor]:
        """Return the candidates of pairs with queries of both sides, cf. :meth:`candidates`, and which each pair has.

        :param rows: shape: ``(num_pairs,)``, the entities.
        :param is_head: shape: ``(num_pairs,)``, whether the query is made of a head.
        :returns: shapes: ``(num_candidates, candidate_width)`` and ``(num_pairs,)``
        """
        if not self.is_sided:
            return self.candidates(table), rows
        sides = [self.candidates(table, is_head=side) for side in (True, False)]
        return torch.cat(sides), torch.where(is_head, rows, rows + len(table))

    def real_query(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor | bool) -> FloatTensor:
        """Return the queries as real numbers, cf. :meth:`query`."""
        return self.comparison.to_real(self.query(entity, relation, is_head))


#: how to make query forms
_FORMS: dict[type, Callable[[Any], QueryForm | None]] = {}


def query_form_of(cls: type) -> Callable[[Callable[[Any], QueryForm | None]], Callable[[Any], QueryForm | None]]:
    """Register how to make a query form of an interaction's exact class; subclasses may calculate something else.

    :param cls: The class of the interaction.
    :returns: A decorator of a function which takes the interaction, and returns its form, or None if it has none.
    """

    def register(function: Callable[[Any], QueryForm | None]) -> Callable[[Any], QueryForm | None]:
        _FORMS[cls] = function
        return function

    return register


def get_query_form(interaction: Interaction[Any, Any, Any]) -> QueryForm | None:
    """Return the query form of an interaction, or None if there is none."""
    make = _FORMS.get(type(interaction))
    return None if make is None else make(interaction)


def unique_with_inverse(keys: LongTensor) -> tuple[LongTensor, LongTensor]:
    """Return the sorted distinct keys, shape: ``(num_distinct,)``, and the position of each key among them, ``(n,)``.

    The same as :func:`torch.unique`, which takes several times as long on the CPU.
    """
    if keys.device.type != "cpu":
        distinct, inverse = keys.unique(return_inverse=True)
        return distinct, inverse
    ordered, order = keys.sort()
    is_first = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=is_first[1:])
    inverse = torch.empty_like(order)
    inverse[order] = is_first.cumsum(dim=0) - 1
    return ordered[is_first], inverse


def find_queries(
    h: LongTensor, r: LongTensor, t: LongTensor, num_relations: int
) -> tuple[LongTensor, LongTensor, BoolTensor, LongTensor, LongTensor]:
    """Choose for each triple whether its tail is compared with a query made of its head, or the other way round.

    The side that more triples share is chosen: for corrupted triples, the one that was not corrupted. No knowledge of
    how the triples were made is needed, so that this works for every negative sampler, and for any other triples.

    :param h: shape: ``(n,)``, the heads; and so are relations and tails.
    :param r: The relations.
    :param t: The tails.
    :param num_relations: A number greater than all relations.
    :returns: shapes: ``(num_queries,)`` thrice, and ``(n,)`` twice, the queries' entities and relations, and whether
        the entity is a head; and for each triple its query, and the candidate to compare with it.
    """
    tail_keys, tail_row = unique_with_inverse(h * num_relations + r)
    head_keys, head_row = unique_with_inverse(t * num_relations + r)
    from_head = tail_row.bincount()[tail_row] >= head_row.bincount()[head_row]
    # number those that are used; there may be as many again which are not
    used, query = unique_with_inverse(torch.where(from_head, tail_row, head_row + len(tail_keys)))
    keys = torch.cat([tail_keys, head_keys])[used]
    return keys // num_relations, keys % num_relations, used < len(tail_keys), query, torch.where(from_head, t, h)


def match_negatives(positives: LongTensor, negatives: LongTensor) -> tuple[LongTensor, LongTensor]:
    """Return what to compare for negatives, of each of which the head or the tail was corrupted.

    :param positives: shape: ``(batch_size, 3)``, the positive triples.
    :param negatives: shape: ``(batch_size, num_negatives, 3)``, the negatives of each.
    :returns: shape of each: ``(batch_size * num_negatives,)``, the number of the query, if there is one made of each
        positive triple's head and then one made of each tail, and the entity to compare it with.
    """
    head_is_corrupted = negatives[..., 0] != positives[:, :1]
    position = torch.arange(len(positives), device=positives.device).unsqueeze(dim=-1)
    query = torch.where(head_is_corrupted, position + len(positives), position)
    return query.flatten(), torch.where(head_is_corrupted, negatives[..., 0], negatives[..., 2]).flatten()
