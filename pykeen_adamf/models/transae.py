"""TransAE."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pykeen.losses import Loss, NSSALoss
from pykeen.nn.modules import TransEInteraction
from pykeen.triples import KGInfo
from torch import nn
from torch.nn import functional as F

from ..checks import check_not_negative, check_positive
from ..constants import MISSING
from ..nn.autoencoder import AutoencodedRepresentation, EncodingFusion
from .multimodal import MultimodalModel, fused_entities, select_features

__all__ = ["TransAE"]


class TransAE(MultimodalModel):
    r"""TransAE (Wang et al., 2019): translations between encodings of the features of all modalities.

    .. math ::
        f(h, r, t) = -\|\mathbf{h} + \mathbf{r} - \mathbf{t}\|_1

    for normalized embeddings, where those of entities are encodings, cf.
    :class:`pykeen_adamf.nn.AutoencodedRepresentation`: there is no structural embedding. What the encodings lose of the
    features is added to the loss.

    In the code with which the AdaMF-MAT paper reports TransAE, the autoencoder has no part in the scores, nor in the
    loss: the row of its table is a plain TransE.

    ---
    citation:
        author: Wang
        year: 2019
        link: https://doi.org/10.1109/IJCNN.2019.8852079
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        embedding_dim=dict(type="categorical", choices=[100, 150, 200, 250]),
        reconstruction_weight=dict(type="categorical", choices=[0.01, 0.1, 1.0]),
    )

    loss_default: ClassVar[type[Loss]] = NSSALoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = dict(margin=12.0, adversarial_temperature=2.0)

    def __init__(  # type: ignore[no-untyped-def]
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 200,
        hidden_dim: int = 128,
        reconstruction_weight: float = 0.1,
        modalities: Sequence[str] | None = None,
        missing: str = "zero",
        compute_dtype: str | None = None,
        **kwargs,
    ) -> None:
        """Initialize the model; parameters that are not described here are those of :class:`AdaMF`.

        :param embedding_dim: The embedding dimension.
        :param hidden_dim: The dimension of the hidden layer of each modality.
        :param reconstruction_weight: The weight of the reconstruction error.
        :param missing: ``"random"`` or ``"zero"`` features; not ``"mask"``, since an entity has nothing else.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the triples factory has no features, or not the requested ones, or an option is unknown
        """
        if missing == "mask":
            known = [x for x in MISSING if x != "mask"]
            raise ValueError(f"TransAE has nothing else to leave a modality out for: choose missing from {known}.")
        features = select_features(triples_factory, modalities, type(self).__name__)
        embedding_dim = check_positive("embedding_dim", embedding_dim)
        hidden_dim = check_positive("hidden_dim", hidden_dim)
        super().__init__(
            triples_factory=triples_factory,
            loss=self.make_loss(kwargs),
            interaction=TransEInteraction(p=1),
            **fused_entities(
                features,
                dict.fromkeys(features, hidden_dim),
                structural={},
                fusion=EncodingFusion,
                fusion_kwargs=dict(dim=embedding_dim),
                projection=dict(missing=missing, trainable=False, compute_dtype=compute_dtype),
                sparse=False,
                representation=AutoencodedRepresentation,
                reconstruction_weight=check_not_negative("reconstruction_weight", reconstruction_weight),
                # the length of embeddings does not matter
                normalizer=F.normalize,
                normalizer_kwargs=dict(dim=-1),
            ),
            relation_representations_kwargs=dict(
                shape=embedding_dim,
                initializer=nn.init.xavier_uniform_,
                normalizer=F.normalize,
                normalizer_kwargs=dict(dim=-1),
            ),
            **kwargs,
        )
