"""The reference code's initialization, which depends on the loss."""

from collections.abc import Mapping
from typing import Any, Final

from pykeen.losses import loss_resolver

__all__ = ["get_embedding_range"]

#: What the code of RotatE adds to the margin.
EPSILON: Final = 2.0


def get_embedding_range(embedding_dim: int, kwargs: Mapping[str, Any], default_margin: float) -> float:
    r"""Return the bound of the uniform distribution of initial embeddings, $(\gamma + 2) / d$.

    :param embedding_dim: >0
        The embedding dimension $d$, in complex numbers.
    :param kwargs: The keyword-based parameters of the model, possibly with a ``loss`` and ``loss_kwargs``.
    :param default_margin: The margin to use if there is no loss among them, or it has none.
    :returns: The bound.
    :raises ValueError: if the dimension is not a positive integer
    """
    if not isinstance(embedding_dim, int) or embedding_dim < 1:
        raise ValueError(f"embedding_dim must be a positive integer, but is {embedding_dim!r}")
    loss = kwargs.get("loss")
    margin = None if loss is None else getattr(loss_resolver.make(loss, kwargs.get("loss_kwargs")), "margin", None)
    return float((margin or default_margin) + EPSILON) / embedding_dim
