"""Representations fused from several modalities."""

import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from class_resolver import HintOrType, OptionalKwargs, ResolverKey, update_docstring_with_resolver_keys
from docdata import parse_docdata
from pykeen.nn import representation_resolver
from pykeen.nn.representation import Representation
from torch import nn

from ..suggestions import lookup, suggest
from ..typing import BoolTensor, FloatTensor, LongTensor
from .fusion import Fusion, fusion_resolver

__all__ = ["FusedRepresentation"]


@parse_docdata
class FusedRepresentation(Representation):
    r"""The embeddings of several modalities, fused to one.

    .. math ::
        \mathbf{e} = F(\{\mathbf{e}_m : m \in \mathcal{M}\})

    What is to be fused is decided here, whatever the fusion $F$: which modalities an entity misses
    (:meth:`participation`), which are left out for now (:meth:`without`), and which are given by somebody else, be they
    synthetic, or those of new entities (:meth:`fuse`).

    ---
    name: Fused modalities
    citation:
        author: Zhang
        year: 2024
        link: https://arxiv.org/abs/2402.15444
        github: zjukg/AdaMF-MAT
    """

    #: The modalities that are left out for now, see :meth:`without`.
    excluded: frozenset[str] = frozenset()

    @update_docstring_with_resolver_keys(
        ResolverKey("bases", "pykeen.nn.representation_resolver"),
        ResolverKey("fusion", "pykeen_adamf.nn.fusion.fusion_resolver"),
    )
    def __init__(
        self,
        max_id: int,
        bases: Mapping[str, HintOrType[Representation]],
        bases_kwargs: Mapping[str, OptionalKwargs] | None = None,
        fusion: HintOrType[Fusion] = None,
        fusion_kwargs: OptionalKwargs = None,
        shape: Sequence[int] | int | None = None,
        is_complex: bool = False,
        **kwargs: Any,
    ) -> None:
        """Initialize the representation.

        :param max_id: The number of entities.
        :param bases: The representation of each modality by the modality's name, or hints for them. All must have
            one-dimensional shapes. Those with a ``mask`` take part only where it says so.
        :param bases_kwargs: Keyword-based parameters to instantiate them, by the modality's name.
        :param fusion: The fusion. Defaults to the adaptive one.
        :param fusion_kwargs: Keyword-based parameters of the fusion, but for its dimensions.
        :param shape: The shape of a representation. Defaults to the vector that comes out of the fusion.
        :param is_complex: Whether to return half as many complex numbers, with real and imaginary parts interleaved as
            in :func:`torch.view_as_complex`.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.nn.representation.Representation`.
        :raises ValueError: if the fusion is unknown, the modalities do not fit to it or to the shape, or some entity
            has none of them
        """
        instances = {
            name: representation_resolver.make(base, pos_kwargs=(bases_kwargs or {}).get(name), max_id=max_id)
            for name, base in bases.items()
        }
        shapes = {name: base.shape for name, base in instances.items()}
        if any(len(x) != 1 for x in shapes.values()):
            raise ValueError(f"All modalities must have one-dimensional shapes, but have {shapes}.")
        dims = {name: x[0] for name, x in shapes.items()}
        fused = fusion if isinstance(fusion, Fusion) else _make_fusion(fusion, dims, fusion_kwargs)
        if is_complex and fused.dim % 2:
            raise ValueError(
                f"The dimension must be even to be seen as complex numbers, but is {fused.dim}. Choose another one."
            )
        width = fused.dim // 2 if is_complex else fused.dim
        shape = (width,) if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        if prod(shape) != width:
            raise ValueError(f"The fused embeddings have {width} coordinates, which do not fit to the shape {shape}.")
        super().__init__(max_id=max_id, shape=shape, **kwargs)
        self.bases = nn.ModuleDict(instances)
        self.fusion = fused
        self.is_complex = is_complex
        if self.mask_missing and not bool(self._presence(torch.arange(max_id)).any(dim=-1).all()):
            raise ValueError(
                f"Some entities have none of the modalities {list(instances)}. Add the structural modality, which "
                f"every entity has, or choose missing='random' or missing='zero'.",
            )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the names of the modalities."""
        return tuple(self.bases)

    @property
    def _masks(self) -> list[BoolTensor | None]:
        return [getattr(base, "mask", None) for base in self.bases.values()]

    @property
    def mask_missing(self) -> bool:
        """Return whether some modality is left out for entities that miss it."""
        return any(mask is not None for mask in self._masks)

    def _presence(self, indices: LongTensor) -> BoolTensor:
        """Return which modalities may take part for entities, shape: ``(*indices.shape, num_modalities)``."""
        columns = [torch.ones_like(indices, dtype=torch.bool) if x is None else x[indices] for x in self._masks]
        return torch.stack(columns, dim=-1)

    def participation(
        self, indices: LongTensor | None, given: Collection[str] = (), presence: BoolTensor | None = None
    ) -> BoolTensor | None:
        """Return which modalities take part in the fusion of entities, or None if all do.

        :param indices: shape: ``s``, the entities, or ``None`` for all.
        :param given: The modalities whose embeddings are given by somebody else: they always take part.
        :param presence: shape: ``(*s, num_modalities)``, which modalities may take part, if the entities are new. Their
            indices are not looked at.
        :returns: shape: ``(*s, num_modalities)``, a new mask, with at least one modality for each entity.
        """
        if presence is None:
            if not self.mask_missing and not self.excluded:
                return None
            if indices is None:
                indices = torch.arange(self.max_id, device=self.device)
            presence = self._presence(indices.to(self.device))
        if self.excluded:
            others = presence & ~self._columns(self.excluded, presence.device)
            presence = torch.where(others.any(dim=-1, keepdim=True), others, presence)
        return presence | self._columns(given, presence.device) if given else presence

    def _columns(self, names: Collection[str], device: torch.device) -> BoolTensor:
        columns = torch.zeros(len(self.bases), dtype=torch.bool, device=device)
        for i, name in enumerate(self.bases):
            # a copy from the main memory would wait for a GPU
            columns[i] = name in names
        return columns

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Within this context, leave a modality out of the fusion of every entity that has anything else.

        Weights of the other modalities are those of a softmax, or mean, over these alone. Entities which miss all
        others stay as they are. Contexts within one another leave several modalities out.

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

    def embed(self, indices: LongTensor | None = None) -> dict[str, FloatTensor]:
        """Return the embeddings by modality, shape of each: ``(*s, dim)`` for entities of the shape ``s``, or all."""
        return {name: base(indices) for name, base in self.bases.items()}

    def _join(self, embeddings: Mapping[str, FloatTensor], mask: BoolTensor | None) -> FloatTensor:
        joint: FloatTensor = self.fusion([embeddings[name] for name in self.bases], mask)
        batch_dims = joint.shape[:-1]
        if self.is_complex:
            return torch.view_as_complex(joint.view(*batch_dims, *self.shape, 2))
        return joint.view(*batch_dims, *self.shape)

    def fuse(self, embeddings: Mapping[str, FloatTensor], mask: BoolTensor | None = None) -> FloatTensor:
        """Fuse modality embeddings, whoever they are of; there is neither a regularizer nor dropout in it.

        :param embeddings: shape of each: ``(*batch_dims, dim)``, the embeddings by modality.
        :param mask: shape: ``(*batch_dims, num_modalities)``, which of them take part, cf. :meth:`participation`.
        :returns: shape: ``(*batch_dims, *self.shape)``, the representations.
        """
        x = self._join(embeddings, mask)
        return x if self.normalizer is None else self.normalizer(x)

    def _plain_forward(self, indices: LongTensor | None = None) -> FloatTensor:
        return self._join(self.embed(indices), self.participation(indices))

    def modality_weights(self, indices: LongTensor | None = None) -> FloatTensor | None:
        """Return the modalities' weights for entities.

        :param indices: shape: ``s``, the entities, or ``None`` for all.
        :returns: shape: ``(*s, num_modalities)``, the weights in the order of :attr:`modalities`, which sum to one for
            each entity; or ``None``, if the fusion is no weighted mean.
        """
        if not self.fusion.has_weights:
            return None
        return self.fusion.weights(list(self.embed(indices).values()), self.participation(indices))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # where it was before there were other fusions
        if f"{prefix}attention" in state_dict:
            state_dict[f"{prefix}fusion.attention"] = state_dict.pop(f"{prefix}attention")
        super()._load_from_state_dict(state_dict, prefix, *args)

    def iter_extra_repr(self) -> Iterable[str]:  # noqa: D102
        yield from super().iter_extra_repr()
        yield f"mask_missing={self.mask_missing}"


def _make_fusion(hint: HintOrType[Fusion], dims: Mapping[str, int], kwargs: OptionalKwargs) -> Fusion:
    """Make a fusion, and say which options it has if there is no such one."""
    cls = lookup(fusion_resolver, hint)
    known = [name for name in inspect.signature(cls).parameters if name != "dims"]
    for name in kwargs or {}:
        if name not in known:
            raise ValueError(f"{cls.__name__} has no option {name!r}, but {known}.{suggest(name, known)}")
    fusion: Fusion = cls(dims=dims, **(kwargs or {}))
    return fusion
