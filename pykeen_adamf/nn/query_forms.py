"""The query forms of PyKEEN's interactions.

Each is written from the formula of the interaction, and tests compare it with PyKEEN's own.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from pykeen.nn import modules
from torch import nn

from ..typing import BoolTensor, FloatTensor
from .comparison import Comparison, Distance, Dot
from .query import QueryForm, query_form_of

__all__ = ["BilinearForm", "TuckERForm", "apply_batch_norm", "is_active"]

Query = Callable[[FloatTensor, FloatTensor], FloatTensor]


def is_active(*modules_: nn.Module | None) -> bool:
    """Return whether batch normalization or dropout would do anything at random, or depend on the batch."""
    # dropout has a rate
    return any(x is not None and x.training and getattr(x, "p", 1.0) > 0.0 for x in modules_)


def apply_batch_norm(x: FloatTensor, batch_norm: nn.BatchNorm1d | None) -> FloatTensor:
    """Normalize rows, shape: ``(*batch_dims, dim)``, if there is anything to do it.

    :raises ValueError: if there is only one row to take statistics of
    """
    if batch_norm is None:
        return x
    if batch_norm.training and x.shape[:-1].numel() < 2:
        raise ValueError(
            "Batch normalization needs more than one query in a batch, but got one. Choose another batch_size, pass "
            "drop_last=True, or train without batch normalization."
        )
    result: FloatTensor = batch_norm(x.reshape(-1, x.shape[-1])).view(x.shape)
    return result


class BilinearForm(QueryForm):
    """A query form with a function of entities and relations for each side."""

    def __init__(self, comparison: Comparison, from_head: Query, from_tail: Query) -> None:
        self.comparison, self._from_head, self._from_tail = comparison, from_head, from_tail

    def query(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor | bool) -> FloatTensor:  # noqa: D102
        if isinstance(is_head, bool):
            return (self._from_head if is_head else self._from_tail)(entity, relation)
        if entity.device.type != "cpu":
            # to find out which are which would mean to wait
            head, tail = self._from_head(entity, relation), self._from_tail(entity, relation)
            return torch.where(is_head.view(-1, *[1] * (head.ndim - 1)), head, tail)
        heads, tails = is_head.nonzero().squeeze(dim=1), (~is_head).nonzero().squeeze(dim=1)
        parts = [self._from_head(entity[heads], relation[heads]), self._from_tail(entity[tails], relation[tails])]
        return torch.cat(parts)[torch.cat([heads, tails]).argsort()]


@query_form_of(modules.DistMultInteraction)
def _distmult(interaction: Any) -> QueryForm:
    return BilinearForm(Dot(), lambda h, r: h * r, lambda t, r: t * r)


@query_form_of(modules.ComplExInteraction)
def _complex(interaction: Any) -> QueryForm:
    # Re <h r, conj(t)> = Re <t conj(r), conj(h)>
    return BilinearForm(Dot(is_complex=True), lambda h, r: h * r, lambda t, r: t * r.conj())


@query_form_of(modules.RESCALInteraction)
def _rescal(interaction: Any) -> QueryForm:
    return BilinearForm(
        Dot(), lambda h, r: torch.einsum("nd,nde->ne", h, r), lambda t, r: torch.einsum("ne,nde->nd", t, r)
    )


@query_form_of(modules.HolEInteraction)
def _hole(interaction: Any) -> QueryForm:
    # the circular correlation of head and tail, moved to the other side: a convolution, or a correlation
    def combine(x: FloatTensor, r: FloatTensor, conjugate: bool) -> FloatTensor:
        if not x.numel():
            # the transform does not take nothing
            return x * r
        a, b = torch.fft.rfft(x, dim=-1), torch.fft.rfft(r, dim=-1)
        result: FloatTensor = torch.fft.irfft(a * (b.conj() if conjugate else b), n=x.shape[-1], dim=-1)
        return result

    return BilinearForm(Dot(), lambda h, r: combine(h, r, False), lambda t, r: combine(t, r, True))


@query_form_of(modules.QuatEInteraction)
def _quate(interaction: Any) -> QueryForm:
    table = interaction.table
    return BilinearForm(
        Dot(),
        lambda h, r: -torch.einsum("ndi,ndj,ijk->ndk", h, r, table.to(h)),
        lambda t, r: -torch.einsum("ndk,ndj,ijk->ndi", t, r, table.to(t)),
    )


@query_form_of(modules.TransEInteraction)
def _transe(interaction: Any) -> QueryForm | None:
    if not math.isfinite(interaction.p):
        return None
    comparison = Distance(interaction.p, interaction.power_norm)
    return BilinearForm(comparison, lambda h, r: h + r, lambda t, r: t - r)


@query_form_of(modules.RotatEInteraction)
def _rotate(interaction: Any) -> QueryForm:
    # PyKEEN's ignores its parameters
    return BilinearForm(Distance(2.0, is_complex=True), lambda h, r: h * r, lambda t, r: t * r.conj())


class TuckERForm(QueryForm):
    """TuckER, with its own batch normalization and dropout; without any in force, also from tails."""

    comparison = Dot()

    def __init__(self, interaction: modules.TuckERInteraction) -> None:
        self.interaction = interaction
        norms = (interaction.head_batch_norm, interaction.head_relation_batch_norm)
        dropouts = (interaction.head_dropout, interaction.relation_dropout, interaction.head_relation_dropout)
        self.is_stochastic = is_active(*norms, *dropouts)
        self.both_sides = not self.is_stochastic and all(norm is None for norm in norms)

    def query(self, entity: FloatTensor, relation: FloatTensor, is_head: BoolTensor | bool) -> FloatTensor:  # noqa: D102
        x = self.interaction
        if self.both_sides:
            core = x.core_tensor
            form = BilinearForm(
                Dot(),
                lambda h, r: torch.einsum("ijk,nj,ni->nk", core, r, h),
                lambda t, r: torch.einsum("ijk,nj,nk->ni", core, r, t),
            )
            return form.query(entity, relation, is_head)
        h = x.head_dropout(apply_batch_norm(entity, x.head_batch_norm))
        matrices = x.relation_dropout(torch.einsum("ijk,nj->nik", x.core_tensor, relation))
        product = torch.bmm(h.unsqueeze(dim=1), matrices).squeeze(dim=1)
        result: FloatTensor = x.head_relation_dropout(apply_batch_norm(product, x.head_relation_batch_norm))
        return result


query_form_of(modules.TuckERInteraction)(TuckERForm)
