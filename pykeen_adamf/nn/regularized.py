"""Batch normalization and dropout of what is known, and of the query, for any interaction with queries."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from class_resolver import HintOrType, OptionalKwargs, ResolverKey, update_docstring_with_resolver_keys
from docdata import parse_docdata
from pykeen.nn import interaction_resolver
from pykeen.nn.modules import Interaction
from torch import nn

from ..typing import BoolTensor, FloatTensor
from .query import QueryForm, get_query_form, query_form_of
from .query_forms import apply_batch_norm, is_active

__all__ = ["RegularizedInteraction", "running_statistics"]


@parse_docdata
class RegularizedInteraction(Interaction[FloatTensor, FloatTensor, FloatTensor]):
    r"""An interaction with batch normalization and dropout, as TuckER and ConvE have them.

    For an interaction $f(h, r, t) = c(q(h, r), t)$,

    .. math ::
        f'(h, r, t) = c(\mathrm{DO}_q(\mathrm{BN}_q(q(\mathrm{DO}_e(\mathrm{BN}_e(h)), r))), t)

    Complex numbers are normalized and dropped as pairs of real ones. Heads and tails are not treated alike: train with
    inverse relations, such that heads are predicted as the tails of these.

    ---
    citation:
        author: Balažević
        year: 2019
        arxiv: 1901.09590
        link: https://arxiv.org/abs/1901.09590
        github: ibalazevic/TuckER
    """

    @update_docstring_with_resolver_keys(ResolverKey("base", "pykeen.nn.interaction_resolver"))
    def __init__(
        self,
        base: HintOrType[Interaction[FloatTensor, FloatTensor, FloatTensor]],
        base_kwargs: OptionalKwargs = None,
        shape: int | Sequence[int] = 200,
        entity_batch_norm: bool = True,
        query_batch_norm: bool = True,
        entity_dropout: float = 0.0,
        query_dropout: float = 0.0,
    ) -> None:
        """Initialize the interaction module.

        :param base: The interaction, which must have queries, cf. :func:`pykeen_adamf.nn.query.get_query_form`.
        :param base_kwargs: Keyword-based parameters of the interaction.
        :param shape: The shape of an entity representation.
        :param entity_batch_norm: Whether to normalize the known entity.
        :param query_batch_norm: Whether to normalize the query.
        :param entity_dropout: The dropout rate of the known entity.
        :param query_dropout: The dropout rate of the query.
        :raises ValueError: if the interaction has no queries, or they have weights
        """
        super().__init__()
        self.base = interaction_resolver.make(base, pos_kwargs=base_kwargs)
        form = get_query_form(self.base)
        if form is None:
            raise ValueError(
                f"{type(self.base).__name__} does not compare entities with queries, so that there are none to "
                f"normalize or to drop. Leave batch_norm, entity_dropout and query_dropout out, or use, e.g., ComplEx."
            )
        if form.comparison.is_weighted:
            raise ValueError(
                f"Queries of {type(self.base).__name__} have weights, which cannot be normalized or dropped. Leave "
                f"batch_norm, entity_dropout and query_dropout out, or set scaled=False (for the model OTE) or "
                f"interaction_kwargs=dict(scaled=False)."
            )
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        width = math.prod(self.shape) * (2 if form.comparison.is_complex else 1)
        self.entity_batch_norm = nn.BatchNorm1d(width) if entity_batch_norm else None
        self.query_batch_norm = nn.BatchNorm1d(width) if query_batch_norm else None
        self.entity_dropout, self.query_dropout = nn.Dropout(entity_dropout), nn.Dropout(query_dropout)

    # PyKEEN declares these for classes; here they are those of the base
    @property
    def entity_shape(self) -> Sequence[str]:  # type: ignore[override]
        """Return the symbolic shape of entity representations."""
        return self.base.entity_shape

    @property
    def relation_shape(self) -> Sequence[str]:  # type: ignore[override]
        """Return the symbolic shapes of relation representations."""
        return self.base.relation_shape

    def forward(self, h: FloatTensor, r: FloatTensor, t: FloatTensor) -> FloatTensor:  # noqa: D102
        form = _RegularizedForm(self)
        h_dims, t_dims = h.shape[: -len(self.shape)], t.shape[: -len(self.shape)]
        r_shape = r.shape[len(t_dims) :]
        dims = torch.broadcast_shapes(h_dims, r.shape[: len(t_dims)])
        # before anything is repeated
        h = form.prepare(h.reshape(-1, *self.shape)).view(*h_dims, *self.shape).expand(*dims, *self.shape)
        r = r.expand(*dims, *r_shape)
        query = form.finish(h.reshape(-1, *self.shape), r.reshape(-1, *r_shape), is_head=True)
        candidates = form.candidates(form.comparison.to_real(t.reshape(-1, *self.shape)))
        return form.comparison.compare(query.unflatten(0, dims), candidates.unflatten(0, t_dims))


@query_form_of(RegularizedInteraction)
class _RegularizedForm(QueryForm):
    """The base's queries, normalized and dropped before and after."""

    def __init__(self, interaction: RegularizedInteraction) -> None:
        self.interaction = interaction
        base = get_query_form(interaction.base)
        assert base is not None
        self.base, self.comparison, self.is_sided = base, base.comparison, base.is_sided
        x = interaction
        norms = (x.entity_batch_norm, x.query_batch_norm)
        self.is_stochastic = base.is_stochastic or is_active(*norms, x.entity_dropout, x.query_dropout)
        self.both_sides = base.both_sides and not self.is_stochastic and norms == (None, None)

    def prepare(self, entity: FloatTensor) -> FloatTensor:
        x, shape = self.interaction, entity.shape[1:]
        if x.entity_batch_norm is None and not x.entity_dropout.p:
            return entity
        rows = x.entity_dropout(apply_batch_norm(self.comparison.to_real(entity), x.entity_batch_norm))
        return self.comparison.from_real(rows, tuple(shape))

    def finish(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor | bool) -> FloatTensor:
        query = self.base.real_query(entity, relation, is_head)
        result: FloatTensor = self.interaction.query_dropout(apply_batch_norm(query, self.interaction.query_batch_norm))
        return result

    def query(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor | bool) -> FloatTensor:
        return self.comparison.from_real(self.real_query(entity, relation, is_head), tuple(entity.shape[1:]))

    def real_query(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor | bool) -> FloatTensor:
        return self.finish(self.prepare(entity), relation, is_head)

    def candidates(self, table: FloatTensor, is_head: bool = True) -> FloatTensor:
        return self.base.candidates(table, is_head)


@contextmanager
def running_statistics(module: nn.Module) -> Iterator[None]:
    """Within this context, batch normalization uses its running statistics, and leaves them as they are.

    Adversarial training scores real and synthetic triples side by side: normalized by their own statistics, they could
    not be told apart, and statistics of synthetic ones are of no use for predictions.
    """
    active = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.training]
    for part in active:
        part.training = False
    try:
        yield
    finally:
        for part in active:
            part.training = True
