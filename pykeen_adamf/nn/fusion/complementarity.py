"""Fusion by complementarity, our reading of MoCME."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias, get_args

import torch
from docdata import parse_docdata
from torch import nn
from torch.nn import functional as F

from ...typing import BoolTensor, FloatTensor
from .base import Fusion
from .formulas import fuse, mean_weights

__all__ = ["ComplementarityFusion", "complementarity"]

#: How to measure what a vector adds to others, cf. :func:`complementarity`.
Measure: TypeAlias = Literal["cosine", "information"]
MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)

#: Shorter vectors have no direction, also in half precision.
EPSILON: Final = 1e-4


def complementarity(x: FloatTensor, mask: BoolTensor | None = None, measure: Measure = "cosine") -> FloatTensor:
    r"""Measure how much each of several vectors adds to the others.

    - ``"cosine"``, the novelty of its direction, between 0 and 2. It is symmetric: of two vectors, none adds more.

      .. math ::
          c_i = 1 - \cos(\mathbf{x}_i, \sum_{j \neq i} \mathbf{x}_j / \|\mathbf{x}_j\|)

    - ``"information"``, between 0 and log 2: the Jensen-Shannon divergence between it and the others' mixture, where
      each vector stands for a distribution over coordinates. That is what a coordinate tells about whether it was drawn
      from this one or from the others, in nats. The length of vectors does not matter, as with ``"cosine"``: short ones
      would all be nearly uniform.

      .. math ::
          c_i = \mathrm{JS}\left(\mathbf{p}_i \,\Big\|\, \tfrac{1}{n - 1} \sum_{j \neq i} \mathbf{p}_j\right),
          \qquad \mathbf{p}_i = \mathrm{softmax}\left(\sqrt{d}\, \mathbf{x}_i / \|\mathbf{x}_i\|\right)

    :param x: shape: ``(*batch_dims, n, dim)``, the vectors.
    :param mask: shape: ``(*batch_dims, n)``, which of them are there.
    :param measure: The measure.
    :returns: shape: ``(*batch_dims, n)``, finite also where there are no others, which is the same for all then.
    """
    dtype = x.dtype
    # the difference of entropies would lose all digits of half precision
    x = x.to(torch.promote_types(dtype, torch.float32))
    there = x.new_ones(x.shape[:-1]) if mask is None else mask.to(x.dtype)
    y = F.normalize(x, dim=-1, eps=EPSILON)
    if measure == "information":
        y = (x.shape[-1] ** 0.5 * y).softmax(dim=-1)
    # which others each is compared with; the difference of all and one would lose digits
    pairs = there.unsqueeze(dim=-2) * (1 - torch.eye(x.shape[-2], dtype=x.dtype, device=x.device))
    others = pairs @ y
    if measure == "cosine":
        return (1 - (y * F.normalize(others, dim=-1, eps=EPSILON)).sum(dim=-1)).to(dtype)
    count = pairs.sum(dim=-1, keepdim=True)
    # where there are no others, each is compared with itself
    others = torch.where(count > 0, others / count.clamp(min=1), y)
    return (_entropy((y + others) / 2) - (_entropy(y) + _entropy(others)) / 2).clamp(min=0).to(dtype)


def _entropy(p: FloatTensor) -> FloatTensor:
    """Return the entropy of distributions along the last dimension, in nats."""
    return -(p * p.clamp(min=torch.finfo(p.dtype).tiny).log()).sum(dim=-1)


@parse_docdata
class ComplementarityFusion(Fusion):
    r"""Experts that make several views of each modality; views and modalities are weighted by what they add to others.

    .. warning ::
        This is **our reading of MoCME**, of which only the abstract is public: it has neither formulas nor code.

    With $K$ linear experts $E_{mk}$ for each modality, a temperature $\tau$, and a measure $c$ of
    :func:`complementarity`,

    .. math ::
        \mathbf{v}_{mk} = E_{mk}(\mathbf{e}_m), \qquad
        \mathbf{u}_m = \sum_k \mathrm{softmax}_k(c_k(\mathbf{v}_m) / \tau)\, \mathbf{v}_{mk}, \qquad
        \mathbf{e} = s \sum_m \mathrm{softmax}_m(c_m(\mathbf{u}) / \tau)\, \mathbf{u}_m

    What is assumed: experts are linear, and begin near the identity; a view is weighted by what it adds to the other
    views of its modality (*intra-modal*), a modality by what it adds to the others that the entity has (*inter-modal*);
    both weights are a softmax; and $s = 1$, or with ``as_sum`` the number of modalities of the entity.

    ---
    name: Complementarity (our reading of MoCME)
    citation:
        author: Li
        year: 2025
        link: https://arxiv.org/abs/2507.20620
    """

    has_weights = True

    def __init__(
        self,
        dims: Mapping[str, int],
        num_views: int | None = 3,
        measure: Measure = "cosine",
        temperature: float = 0.1,
        intra_modal: bool = True,
        inter_modal: bool = True,
        as_sum: bool = False,
    ) -> None:
        """Initialize the fusion.

        :param dims: The dimension of each modality's embeddings.
        :param num_views: >1, the number of experts of each modality, and hence of views. Without any, i.e., with
            ``None``, an embedding is its only view.
        :param measure: How to measure complementarity: ``"cosine"`` or ``"information"``.
        :param temperature: >0, the smaller, the more those are preferred that add most. In the beginning, views differ
            little: with 1, weights are nearly equal.
        :param intra_modal: Whether views are weighted by complementarity, or equally.
        :param inter_modal: Whether modalities are weighted by complementarity, or equally.
        :param as_sum: Whether the weights of modalities add up to their number rather than to one.
        :raises ValueError: if an option is out of range
        """
        super().__init__(dims)
        if num_views is not None and (not isinstance(num_views, int) or num_views < 2):
            raise ValueError(
                f"A view can only add something to others, but num_views is {num_views}. Use at least 2, or None to do "
                f"without experts."
            )
        if measure not in MEASURES:
            raise ValueError(f"measure must be one of {MEASURES}, but is {measure!r}")
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, but is {temperature}")
        self.num_views, self.measure, self.temperature = num_views, measure, temperature
        self.intra_modal, self.inter_modal, self.as_sum = intra_modal, inter_modal, as_sum
        if num_views is not None:
            self.experts = nn.Parameter(torch.empty(len(dims), num_views, self.dim, self.dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:  # noqa: D102
        if self.num_views is not None:
            with torch.no_grad():
                # different enough to become experts of something, and near enough to pass on what there is
                nn.init.normal_(self.experts, std=0.5 * self.dim**-0.5).add_(torch.eye(self.dim).to(self.experts))

    def _weigh(self, x: FloatTensor, mask: BoolTensor | None, by_complementarity: bool) -> FloatTensor:
        """Return the weights of vectors, shapes: ``(*batch_dims, n, dim)`` to ``(*batch_dims, n)``."""
        if not by_complementarity:
            return mean_weights(x, mask)
        logits = complementarity(x, mask, self.measure) / self.temperature
        return (logits if mask is None else logits.masked_fill(~mask, float("-inf"))).softmax(dim=-1)

    def _view(self, embeddings: Sequence[FloatTensor]) -> Iterator[tuple[FloatTensor, FloatTensor]]:
        """Yield the views of each modality and their weights.

        Shapes: ``(*batch_dims, num_views, dim)``, ``(*batch_dims, num_views)``.
        """
        for x, experts in zip(embeddings, self.experts, strict=True):
            views = (x @ experts.flatten(end_dim=1).t()).unflatten(-1, experts.shape[:2])
            yield views, self._weigh(views, None, self.intra_modal)

    def view_weights(self, embeddings: Sequence[FloatTensor]) -> FloatTensor | None:
        """Return the weights of views, cf. :meth:`pykeen_adamf.nn.FusedRepresentation.embed`.

        :param embeddings: shape of each: ``(*batch_dims, dim)``, the embeddings of each modality.
        :returns: shape: ``(*batch_dims, num_modalities, num_views)``, non-negative, with the sum of one for each
            modality; or None if there are no views.
        """
        return None if self.num_views is None else torch.stack([w for _, w in self._view(embeddings)], dim=-2)

    def _unite_views(self, embeddings: Sequence[FloatTensor]) -> FloatTensor:
        """Return one vector for each modality, shape: ``(*batch_dims, num_modalities, dim)``."""
        united = embeddings if self.num_views is None else [fuse(*x) for x in self._view(embeddings)]
        return torch.stack(list(united), dim=-2)

    def forward(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        x = self._unite_views(embeddings)
        result = fuse(x, self._weigh(x, mask, self.inter_modal))
        if not self.as_sum:
            return result
        return result * (x.shape[-2] if mask is None else mask.sum(dim=-1, keepdim=True))

    def weights(self, embeddings: Sequence[FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:  # noqa: D102
        return self._weigh(self._unite_views(embeddings), mask, self.inter_modal)
