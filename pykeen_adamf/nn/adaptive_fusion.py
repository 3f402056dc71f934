"""Representations fused from several modalities."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from class_resolver import HintOrType, OptionalKwargs, ResolverKey, update_docstring_with_resolver_keys
from docdata import parse_docdata
from pykeen.nn import representation_resolver
from pykeen.nn.representation import Representation
from torch import nn

from ..constants import ATTENTIONS, FUSIONS
from ..typing import Attention, BoolTensor, FloatTensor, Fusion, LongTensor, SyntheticEmbeddings
from .fusion import attention_weights, fuse, mean_weights
from .modality import ModalityRepresentation, replace_modalities
from .weighted_sum import fuse_adaptively

__all__ = ["AdaptiveFusionRepresentation"]


@parse_docdata
class AdaptiveFusionRepresentation(ModalityRepresentation):
    r"""Adaptive fusion of the embeddings of several modalities (eq. 4 and 5 of the AdaMF-MAT paper).

    .. math ::
        \mathbf{e} = \sum_m \alpha_m \mathbf{e}_m

    with weights $\alpha$ for each entity, cf. :func:`pykeen_adamf.nn.fusion.attention_weights`.

    ---
    name: Adaptive multi-modal fusion
    citation:
        author: Zhang
        year: 2024
        link: https://arxiv.org/abs/2402.15444
        github: zjukg/AdaMF-MAT
    """

    #: The modalities that are left out for now, see :meth:`without`. Representations that were saved before there was
    #: such a thing have none.
    excluded: frozenset[str] = frozenset()

    @update_docstring_with_resolver_keys(ResolverKey("bases", "pykeen.nn.representation_resolver"))
    def __init__(
        self,
        max_id: int,
        bases: Mapping[str, HintOrType[Representation]],
        bases_kwargs: Mapping[str, OptionalKwargs] | None = None,
        attention: Attention = "shared",
        fusion: Fusion = "adaptive",
        mask_missing: bool = False,
        is_complex: bool = False,
        **kwargs: Any,
    ) -> None:
        """Initialize the representation.

        :param max_id: The number of entities.
        :param bases: The representation of each modality by the modality's name, or hints for them. All must have the
            same one-dimensional shape.
        :param bases_kwargs: Keyword-based parameters to instantiate them, by the modality's name.
        :param attention: ``"shared"`` for one attention vector shared by all modalities as in the reference code, or
            ``"per-modality"`` for one vector each as in the paper.
        :param fusion: ``"adaptive"``, or ``"mean"`` for equal weights.
        :param mask_missing: Whether to leave modalities out for entities that miss them, as given by the ``presence``
            of the modality's representation.
        :param is_complex: Whether to return half as many complex numbers, with real and imaginary parts interleaved as
            in :func:`torch.view_as_complex`.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.nn.representation.Representation`.
        :raises ValueError: if an option is unknown, the modalities do not match, or some entity has none of them
        """
        if attention not in ATTENTIONS:
            raise ValueError(f"attention must be one of {ATTENTIONS}, but is {attention!r}")
        if fusion not in FUSIONS:
            raise ValueError(f"fusion must be one of {FUSIONS}, but is {fusion!r}")
        if not bases:
            raise ValueError("There must be at least one modality to fuse.")
        instances = {
            name: representation_resolver.make(base, pos_kwargs=(bases_kwargs or {}).get(name), max_id=max_id)
            for name, base in bases.items()
        }
        shapes = {name: base.shape for name, base in instances.items()}
        if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 1:
            raise ValueError(f"All modalities must have the same one-dimensional shape, but have {shapes}.")
        (dim,) = next(iter(shapes.values()))
        if is_complex and dim % 2:
            raise ValueError(f"The dimension must be even to be seen as complex numbers, but is {dim}.")
        super().__init__(max_id=max_id, shape=(dim // 2 if is_complex else dim,), **kwargs)
        self.bases = nn.ModuleDict(instances)
        self.dim = dim
        self.is_complex = is_complex
        self.fusion: Fusion = fusion
        self.attention: nn.Parameter | None = None
        if fusion == "adaptive":
            self.attention = nn.Parameter(torch.empty(1 if attention == "shared" else len(bases), dim))
        self.mask_missing = mask_missing
        if mask_missing and not bool(self._presence(torch.arange(max_id)).any(dim=-1).all()):
            raise ValueError(
                f"Some entities have none of the modalities {list(instances)}. Add the structural modality, which "
                f"every entity has, or choose missing='random' or missing='zero'.",
            )
        self.reset_parameters()

    # docstr-coverage: inherited
    def reset_parameters(self) -> None:  # noqa: D102
        # note: the bases reset themselves
        if self.attention is not None:
            # as a linear layer to one number, which it is in the reference code
            nn.init.uniform_(self.attention, -(self.dim**-0.5), self.dim**-0.5)

    def _presence(self, indices: LongTensor) -> BoolTensor:
        """Return which of the given entities have which modality, shape: ``(*indices.shape, num_modalities)``."""
        return torch.stack(
            [
                torch.ones_like(indices, dtype=torch.bool) if presence is None else presence[indices]
                for presence in (getattr(base, "presence", None) for base in self.bases.values())
            ],
            dim=-1,
        )

    def _participation(self, indices: LongTensor) -> BoolTensor | None:
        """Return which modalities take part in the fusion of entities, or None if all do.

        :param indices: shape: ``s``
            The entities.
        :returns: shape: ``(*s, num_modalities)``
            A new mask, with at least one modality for each entity.
        """
        if not self.mask_missing and not self.excluded:
            return None
        presence = self._presence(indices)
        if not self.excluded:
            return presence
        if not self.mask_missing:
            presence = torch.ones_like(presence)
        kept = torch.tensor([name not in self.excluded for name in self.bases], device=presence.device)
        others = presence & kept
        return torch.where(others.any(dim=-1, keepdim=True), others, presence)

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Within this context, leave a modality out of the fusion of every entity that has anything else.

        The weights of the other modalities are those of a softmax, or mean, over these alone. Entities which miss all
        others (and ``mask_missing``) stay as they are. Contexts within one another leave several modalities out.

        :param name: The name of the modality.
        :raises ValueError: if there is no such modality, or no other one
        """
        if name not in self.bases:
            raise ValueError(f"There is no modality {name!r} to leave out, but there are {list(self.bases)}.")
        outer = self.excluded
        if len(outer | {name}) == len(self.bases):
            raise ValueError(f"The modality {name!r} cannot be left out: nothing else would be left to fuse.")
        self.excluded = outer | {name}
        try:
            yield
        finally:
            self.excluded = outer

    def weigh(self, x: FloatTensor, presence: BoolTensor | None = None) -> FloatTensor:
        """Calculate the weights of modality embeddings.

        :param x: shape: ``(*batch_dims, num_modalities, dim)``
            The modality embeddings.
        :param presence: shape: ``(*batch_dims, num_modalities)``
            Which modalities take part, or ``None`` for all.
        :returns: shape: ``(*batch_dims, num_modalities)``
            The weights.
        """
        if self.attention is None:
            return mean_weights(x, presence)
        return attention_weights(x, self.attention, presence)

    def _embed(self, indices: LongTensor | None) -> tuple[list[FloatTensor], BoolTensor | None]:
        """Return the modality embeddings, and which of them take part."""
        embeddings = [base(indices) for base in self.bases.values()]
        if not self.mask_missing and not self.excluded:
            return embeddings, None
        if indices is None:
            indices = torch.arange(self.max_id, device=embeddings[0].device)
        return embeddings, self._participation(indices.to(embeddings[0].device))

    def _fuse(self, embeddings: Sequence[FloatTensor], presence: BoolTensor | None) -> FloatTensor:
        """Fuse modality embeddings, shape of each: ``(*batch_dims, dim)``."""
        if self.attention is None:
            x = torch.stack(list(embeddings), dim=-2)
            joint = fuse(x, mean_weights(x, presence))
        else:
            batch_dims = embeddings[0].shape[:-1]
            rows = [x.reshape(-1, self.dim) for x in embeddings]
            if presence is not None:
                presence = presence.expand(*batch_dims, len(rows)).reshape(-1, len(rows))
            joint = fuse_adaptively(rows, self.attention, presence).view(*batch_dims, self.dim)
        if self.is_complex:
            return torch.view_as_complex(joint.view(*joint.shape[:-1], self.dim // 2, 2))
        return joint

    # docstr-coverage: inherited
    def _plain_forward(self, indices: LongTensor | None = None) -> FloatTensor:
        return self._fuse(*self._embed(indices))

    # docstr-coverage: inherited
    def forward_with_modalities(  # noqa: D102
        self, indices: LongTensor | None = None
    ) -> tuple[FloatTensor, Mapping[str, FloatTensor]]:
        embeddings, presence = self._embed(indices)
        x = self._fuse(embeddings, presence)
        if self.normalizer is not None:
            x = self.normalizer(x)
        return x, dict(zip(self.bases, embeddings, strict=True))

    def modality_weights(self, indices: LongTensor | None = None) -> FloatTensor:
        """Return the modalities' weights for entities.

        :param indices: shape: ``s``
            The entities, or ``None`` for all.
        :returns: shape: ``(*s, num_modalities)``
            The weights in the order of :attr:`modalities`; for each entity they sum to one.
        """
        embeddings, presence = self._embed(indices)
        return self.weigh(torch.stack(embeddings, dim=-2), presence)

    # docstr-coverage: inherited
    def fuse_synthetic(  # noqa: D102
        self,
        indices: LongTensor,
        synthetic: SyntheticEmbeddings,
        real: Callable[[str, LongTensor], FloatTensor] | None = None,
    ) -> FloatTensor:
        presence = self._participation(indices)
        if presence is not None:
            for column, name in enumerate(self.bases):
                if name in synthetic:
                    presence[..., column] = True
        columns = replace_modalities(self.bases, indices, synthetic, real)
        return self._fuse(columns, None if presence is None else presence.unsqueeze(dim=1))

    # docstr-coverage: inherited
    def iter_extra_repr(self) -> Iterable[str]:  # noqa: D102
        yield from super().iter_extra_repr()
        yield f"fusion={self.fusion}"
        yield f"mask_missing={self.mask_missing}"
