"""Rotations, represented by their angles."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from docdata import parse_docdata
from pykeen.nn.representation import Representation
from torch import nn

from ..typing import FloatTensor, LongTensor

__all__ = ["PhaseRepresentation"]


@parse_docdata
class PhaseRepresentation(Representation):
    r"""Complex numbers of modulus one, represented by their angles.

    .. math ::
        \mathbf{r} = \exp(i \boldsymbol{\theta} / s)

    In contrast to PyKEEN's RotatE, which normalizes complex numbers after each update, optimizer steps act on the angle
    alone. How far one step rotates depends on the scale $s$ of the raw parameter; the reference code uses the range of
    the entity embeddings divided by $\pi$.

    ---
    name: Phase
    citation:
        author: Sun
        year: 2019
        link: https://arxiv.org/abs/1902.10197
        github: DeepGraphLearning/KnowledgeGraphEmbedding
    """

    def __init__(self, max_id: int, shape: int | tuple[int, ...], phase_scale: float = 1.0, **kwargs: Any) -> None:
        """Initialize the representation.

        :param max_id: The number of representations.
        :param shape: The number of complex coordinates.
        :param phase_scale: >0, the scale of the raw parameter, i.e., raw parameter = angle * scale.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.nn.representation.Representation`.
        :raises ValueError: if the scale is not positive and finite
        """
        if not (math.isfinite(phase_scale) and phase_scale > 0):
            raise ValueError(f"phase_scale must be positive and finite, but is {phase_scale}")
        super().__init__(max_id=max_id, shape=shape, **kwargs)
        self.phase_scale = phase_scale
        self.raw = nn.Parameter(torch.empty(max_id, *self.shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:  # noqa: D102
        nn.init.uniform_(self.raw, -math.pi * self.phase_scale, math.pi * self.phase_scale)

    def _plain_forward(self, indices: LongTensor | None = None) -> FloatTensor:
        raw = self.raw if indices is None else self.raw[indices.to(self.raw.device)]
        angle = raw / self.phase_scale
        return torch.polar(torch.ones_like(angle), angle)

    def iter_extra_repr(self) -> Iterable[str]:  # noqa: D102
        yield from super().iter_extra_repr()
        yield f"phase_scale={self.phase_scale:.4g}"
