"""What follows from an interaction: the shapes of entities and relations, and how these are represented."""

import dataclasses
import inspect
import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import torch
from class_resolver import HintOrType, OptionalKwargs
from pykeen.nn import interaction_resolver, quaternion
from pykeen.nn.init import init_phases, init_quaternions
from pykeen.nn.modules import Interaction, QuatEInteraction, RotatEInteraction
from pykeen.nn.representation import Embedding, Representation
from pykeen.typing import Hint, Initializer
from pykeen.utils import complex_normalize
from torch import nn

from ..checks import check_positive
from ..nn.interaction import LpRotatEInteraction
from ..nn.orthogonal import OTEInteraction, init_orthonormal, orthonormalize
from ..nn.phase import PhaseRepresentation
from ..nn.regularized import RegularizedInteraction
from ..suggestions import lookup

__all__ = ["Geometry", "supported_interactions"]

#: The margin for the range of RotatE's initial embeddings, if the loss has none, and what its code adds to the margin.
DEFAULT_MARGIN: Final = 12.0
EPSILON: Final = 2.0

#: The standard deviation of initial embeddings, if nothing else is said.
DEFAULT_DEVIATION: Final = 0.05

#: The largest size of OTE's groups, if nothing else is said.
MAX_GROUP_SIZE: Final = 20

#: The range of OTE's initial entity embeddings, that of its code.
OTE_BOUND: Final = 0.01

#: The norm of PyKEEN's interactions that require one.
DEFAULT_NORM: Final = 1


def supported_interactions() -> list[str]:
    """Return the names of all interactions whose entity representation is one vector that features can make up."""
    return sorted(
        name for name, cls in interaction_resolver.lookup_dict.items() if _why_not(cls, cls.entity_shape) is None
    )


def _why_not(cls: type[Interaction[Any, Any, Any]], shape: Any) -> str | None:
    """Return why an interaction with a symbolic entity shape cannot be used, or None if it can."""
    if issubclass(cls, RegularizedInteraction):
        return "wraps another one; pass that one, with batch_norm=True or dropout rates"
    if len(shape) != 1:
        return f"needs {len(shape)} vectors for each entity, but fusion makes one"
    if shape[0] == "e":
        return "belongs to a fusion of its own; use the models IKRL, TBKGC and MMKRL"
    return None


@dataclasses.dataclass(frozen=True, eq=False)
class Geometry:
    """An interaction, and what it needs."""

    #: the shape of an entity representation, and whether its numbers are complex
    entity_shape: tuple[int, ...]
    is_complex: bool

    #: the initializer of structural embeddings
    entity_initializer: Mapping[str, Any]

    #: keyword-based parameters of :class:`pykeen.models.ERModel`: the interaction, and relation representations
    model_kwargs: Mapping[str, Any]

    @property
    def width(self) -> int:
        """Return the number of real numbers in an entity representation."""
        return math.prod(self.entity_shape) * (2 if self.is_complex else 1)

    @classmethod
    def make(
        cls,
        interaction: HintOrType[Interaction[Any, Any, Any]],
        interaction_kwargs: OptionalKwargs,
        embedding_dim: int,
        relation_dim: int | None = None,
        *,
        batch_norm: bool = False,
        entity_dropout: float = 0.0,
        query_dropout: float = 0.0,
        margin: float | None = None,
        entity_initializer: Hint[Initializer] = None,
        entity_initializer_kwargs: OptionalKwargs = None,
        relation_initializer: Hint[Initializer] = None,
        relation_initializer_kwargs: OptionalKwargs = None,
    ) -> "Geometry":
        """Find out what an interaction needs; parameters that are not described here are those of :class:`AdaMF`.

        :param interaction: The interaction, its class, or its name.
        :param relation_dim: >0, the dimension of relations. Defaults to the embedding dimension.
        :param margin: The margin of the loss, which the range of RotatE's initial embeddings depends on.
        :returns: The geometry.
        :raises ValueError: if the interaction is unknown or cannot be used, or a dimension is invalid
        """
        embedding_dim = check_positive("embedding_dim", embedding_dim)
        relation_dim = embedding_dim if relation_dim is None else relation_dim
        if isinstance(interaction, Interaction):
            given, instance = type(interaction), interaction
        else:
            given = lookup(interaction_resolver, interaction)
            _check(given, given.entity_shape)
            instance = _make(given, interaction_kwargs, embedding_dim, relation_dim)
        # some have other shapes than their class
        _check(given, instance.entity_shape)
        is_complex = bool(given.is_complex)
        shape: tuple[int, ...] = (embedding_dim,)
        initializer: Any = partial(nn.init.normal_, std=DEFAULT_DEVIATION)
        kinds: list[tuple[type[Representation], dict[str, Any]]] = []
        for symbols in instance.relation_shape:
            size = {"e": relation_dim, "k": 4}
            dims = tuple(size.get(symbol, embedding_dim) for symbol in symbols)
            if symbols == "d" and "relation_dim" in inspect.signature(given).parameters:
                dims = (relation_dim,)
            dtype = torch.cfloat if is_complex else torch.get_default_dtype()
            kinds.append((Embedding, dict(shape=dims, dtype=dtype, initializer=initializer)))
        if issubclass(given, LpRotatEInteraction):
            # the range of the reference code
            bound = float((margin or DEFAULT_MARGIN) + EPSILON) / embedding_dim
            initializer = partial(nn.init.uniform_, a=-bound, b=bound)
            # to look for duplicates would cost more than to calculate them
            kinds = [(PhaseRepresentation, dict(shape=embedding_dim, phase_scale=bound / torch.pi, unique=False))]
        elif issubclass(given, RotatEInteraction):
            kinds[0][1].update(initializer=init_phases, constrainer=complex_normalize)
        elif issubclass(given, QuatEInteraction):
            shape = (embedding_dim, 4)
            kinds[0][1].update(shape=shape, initializer=init_quaternions, normalizer=quaternion.normalize)
        elif isinstance(instance, OTEInteraction):
            initializer = partial(nn.init.uniform_, a=-OTE_BOUND, b=OTE_BOUND)
            kinds[0][1].update(_describe_groups(instance, embedding_dim))
        if relation_initializer is not None:
            _set_initializer(kinds, given, relation_initializer, relation_initializer_kwargs)
        entity = dict(initializer=entity_initializer, initializer_kwargs=entity_initializer_kwargs)
        if batch_norm or entity_dropout or query_dropout:
            instance = RegularizedInteraction(
                instance, None, shape, batch_norm, batch_norm, entity_dropout, query_dropout
            )
        return cls(
            entity_shape=shape,
            is_complex=is_complex,
            entity_initializer=dict(initializer=initializer) if entity_initializer is None else entity,
            model_kwargs=dict(
                interaction=instance,
                relation_representations=[kind for kind, _ in kinds],
                relation_representations_kwargs=[kwargs for _, kwargs in kinds],
                # symbols stand for other numbers where, e.g., relations of TuckER have a dimension of their own
                skip_checks=True,
            ),
        )


def _check(cls: type[Interaction[Any, Any, Any]], shape: Any) -> None:
    """Check that an interaction can be used."""
    why_not = _why_not(cls, shape)
    if why_not is not None:
        raise ValueError(
            f"{cls.__name__} cannot be used here, since it {why_not}. Interactions that can: "
            f"{', '.join(supported_interactions())}."
        )


def _describe_groups(interaction: OTEInteraction, embedding_dim: int) -> dict[str, Any]:
    """Return keyword-based parameters of an embedding of OTE's relations."""
    size = interaction.group_size
    if embedding_dim % size:
        raise ValueError(
            f"The embedding dimension {embedding_dim} cannot be divided into groups of {size}. Choose another "
            f"group_size, or embedding_dim."
        )
    return dict(
        shape=(embedding_dim, interaction.relation_width),
        initializer=partial(init_orthonormal, group_size=size),
        normalizer=partial(orthonormalize, group_size=size),
        # to make each relation orthonormal once costs less than to do so for each triple
        unique=True,
    )


def _set_initializer(
    kinds: list[tuple[type[Representation], dict[str, Any]]],
    cls: type[Interaction[Any, Any, Any]],
    initializer: Hint[Initializer],
    initializer_kwargs: OptionalKwargs,
) -> None:
    """Let relations of an interaction be initialized as the user has said."""
    for kind, kwargs in kinds:
        if kind is not Embedding:
            raise ValueError(
                f"Relations of {cls.__name__} are angles, which are always initialized at random. Leave "
                f"relation_initializer out."
            )
        kwargs.update(initializer=initializer, initializer_kwargs=initializer_kwargs)


def _to_tuples(value: Any) -> Any:
    """Turn lists into tuples, which JSON does not have."""
    return tuple(map(_to_tuples, value)) if isinstance(value, list | tuple) else value


def _make(
    cls: type[Interaction[Any, Any, Any]], kwargs: OptionalKwargs, embedding_dim: int, relation_dim: int
) -> Interaction[Any, Any, Any]:
    """Make an interaction, which may have to be told of dimensions, and of a norm."""
    result = {name: _to_tuples(value) for name, value in (kwargs or {}).items()}
    parameters = inspect.signature(cls).parameters
    known = dict(embedding_dim=embedding_dim, input_dim=embedding_dim, relation_dim=relation_dim)
    # a division into groups that there always is
    known["group_size"] = max(x for x in range(1, MAX_GROUP_SIZE + 1) if embedding_dim % x == 0)
    if "p" in parameters and parameters["p"].default is inspect.Parameter.empty:
        known["p"] = DEFAULT_NORM
    result = {**{name: value for name, value in known.items() if name in parameters}, **result}
    try:
        return cls(**result)
    except TypeError as error:
        raise ValueError(
            f"{cls.__name__} cannot be made with interaction_kwargs={dict(kwargs or {})}: {error}"
        ) from error
