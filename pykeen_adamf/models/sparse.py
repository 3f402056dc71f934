"""Sparse gradients of entity embeddings."""

from collections.abc import Iterable

from pykeen.nn.representation import Embedding
from torch import nn

__all__ = ["use_sparse_gradients"]


def use_sparse_gradients(representations: Iterable[nn.Module], sparse: bool) -> None:
    """Let the gradients of embeddings be sparse, or dense, as of :class:`torch.nn.Embedding`.

    :param representations: The representations; those which are no embeddings are left as they are.
    :param sparse: Whether gradients are to be sparse.
    """
    for representation in representations:
        if isinstance(representation, Embedding):
            representation._embeddings.sparse = sparse
