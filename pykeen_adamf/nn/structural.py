"""Structural embeddings."""

from typing import Any

from docdata import parse_docdata
from pykeen.nn.representation import Embedding

__all__ = ["StructuralEmbedding"]


@parse_docdata
class StructuralEmbedding(Embedding):
    """PyKEEN's embedding, of which gradients may be sparse.

    ---
    name: Structural embedding
    """

    def __init__(self, *args: Any, sparse: bool = False, **kwargs: Any) -> None:
        """Initialize the embedding.

        :param args: Parameters passed to :class:`pykeen.nn.representation.Embedding`.
        :param sparse: Whether gradients are sparse, such that a step costs as much as its batch, not the table. Needs
            an optimizer that takes them, e.g., ``LazyAdam``.
        :param kwargs: Keyword-based parameters passed to :class:`pykeen.nn.representation.Embedding`.
        """
        super().__init__(*args, **kwargs)
        self._embeddings.sparse = sparse
