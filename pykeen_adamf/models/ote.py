"""OTE."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pykeen.losses import Loss, NSSALoss
from pykeen.triples import KGInfo

from .structural import Structural

__all__ = ["OTE"]


class OTE(Structural):
    r"""OTE (Tang et al., 2020): relations are orthogonal transforms of groups of coordinates, with scales.

    A RotatE in more than two dimensions, cf. :class:`pykeen_adamf.nn.OTEInteraction`, which says how one score of a
    triple relates to the two of the paper. The defaults are those of the paper for FB15k-237. Entities and relations
    are initialized as in its code, and matrices are made orthonormal wherever they are used, which gradients know of.
    ---
    citation:
        author: Tang
        year: 2020
        arxiv: 1911.04910
        link: https://aclanthology.org/2020.acl-main.241
        github: JD-AI-Research-Silicon-Valley/KGEmbedding-OTE
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 200, 400]),
        group_size=dict(type="categorical", choices=[2, 4, 5, 10, 20]),
    )

    loss_default: ClassVar[type[Loss]] = NSSALoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = dict(margin=15.0, adversarial_temperature=0.5)

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 400,
        group_size: int | None = None,
        scaled: bool = True,
        both_directions: bool = False,
        sparse: bool = False,
        **kwargs,
    ) -> None:
        """Initialize the model.

        :param triples_factory: The training triples.
        :param embedding_dim: The embedding dimension.
        :param group_size: The number of coordinates in a group, which must divide the dimension. Defaults to the
            largest number up to 20 that does.
        :param scaled: Whether relations have scales.
        :param both_directions: Whether the score is the mean of the distances from both entities' transforms, as in
            :class:`GCOTE`, or the distance from the transformed head.
        :param sparse: Whether gradients of entity embeddings are sparse, cf. :class:`AdaMF`.
        :param kwargs: Additional keyword-based parameters passed to :class:`Structural`.
        :raises ValueError: if the dimension cannot be divided into groups
        """
        super().__init__(
            triples_factory=triples_factory,
            embedding_dim=embedding_dim,
            interaction="OTE",
            interaction_kwargs=dict(
                scaled=scaled,
                both_directions=both_directions,
                **({} if group_size is None else {"group_size": group_size}),
            ),
            sparse=sparse,
            **kwargs,
        )
