"""A model of one's own: TransE on a mean of structure and features, whose dropout is an option."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pykeen.losses import Loss, NSSALoss
from pykeen.models import model_resolver
from pykeen.pipeline import pipeline
from pykeen.triples import KGInfo
from torch import nn

from pykeen_adamf.constants import STRUCTURAL
from pykeen_adamf.models import MultimodalModel
from pykeen_adamf.models.multimodal import fused_entities, select_features


class MeanTransE(MultimodalModel):
    r"""TransE on the mean of an entity's modalities.

    .. math ::
        f(h, r, t) = -\|\mathbf{h} + \mathbf{r} - \mathbf{t}\|_p
    """

    hpo_default: ClassVar[Mapping[str, Any]] = dict(embedding_dim=dict(type=int, low=50, high=250, q=50))
    loss_default: ClassVar[type[Loss]] = NSSALoss
    loss_default_kwargs: ClassVar[Mapping[str, Any]] = dict(margin=6.0, adversarial_temperature=1.0)

    def __init__(
        self,
        *,
        triples_factory: KGInfo,
        embedding_dim: int = 100,
        p: int = 1,
        modalities: Sequence[str] | None = None,
        feature_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """Initialize the model.

        :param triples_factory: The triples factory, with features.
        :param embedding_dim: The embedding dimension.
        :param p: The norm.
        :param modalities: The modalities to use. Defaults to all.
        :param feature_dropout: The dropout rate of features.
        :param kwargs: Additional keyword-based parameters passed to :class:`pykeen.models.ERModel`.
        :raises ValueError: if the triples factory has no features, or not the requested ones
        """
        features = select_features(triples_factory, modalities, type(self).__name__)
        super().__init__(
            triples_factory=triples_factory,
            interaction="TransE",
            interaction_kwargs=dict(p=p),
            **fused_entities(
                features,
                dict.fromkeys([STRUCTURAL, *features], embedding_dim),
                structural=dict(initializer=nn.init.xavier_uniform_),
                fusion="mean",
                fusion_kwargs=None,
                projection=dict(missing="mask", trainable=False, dropout=feature_dropout),
                sparse=False,
            ),
            relation_representations_kwargs=dict(shape=embedding_dim, initializer=nn.init.xavier_uniform_),
            **kwargs,
        )


model_resolver.register(MeanTransE)

if __name__ == "__main__":
    result = pipeline(
        dataset="EmojiKG",
        model="MeanTransE",
        loss="NSSA",  # PyKEEN's pipeline does not look at loss_default
        loss_kwargs=MeanTransE.loss_default_kwargs,
        training_loop="MAT",
    )
    result.save_to_directory("mean-transe")
