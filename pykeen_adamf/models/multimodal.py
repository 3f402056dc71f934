"""What multi-modal models have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

from pykeen.nn.representation import Embedding, Representation
from pykeen.triples import KGInfo

from ..constants import STRUCTURAL
from ..features import ModalityFeatures
from ..nn.features import ProjectedFeatureRepresentation
from ..nn.modality import ModalityRepresentation
from ..triples import MultimodalTriplesFactory
from ..typing import FloatTensor, LongTensor, SyntheticEmbeddings
from .synthetic import SyntheticScoringModel

__all__ = ["MultimodalModel", "embed_modalities", "select_features"]


class MultimodalModel(SyntheticScoringModel):
    """A model whose entity representation is made of one embedding of each modality."""

    @property
    def multimodal(self) -> ModalityRepresentation:
        """Return the representation of entities."""
        representation = self.entity_representations[0]
        assert isinstance(representation, ModalityRepresentation)
        return representation

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the names of the modalities."""
        return self.multimodal.modalities

    # docstr-coverage: inherited
    @property
    def synthetic_dims(self) -> Mapping[str, int]:  # noqa: D102
        if STRUCTURAL not in self.modalities:
            # what generators are conditioned on
            return {}
        return {name: self._get_dim(name) for name in self.modalities if name != STRUCTURAL}

    # docstr-coverage: inherited
    @property
    def structural_dim(self) -> int:  # noqa: D102
        return self._get_dim(STRUCTURAL)

    def _get_dim(self, modality: str) -> int:
        representation = self.multimodal.bases[modality]
        assert isinstance(representation, Representation)
        return representation.shape[0]

    # docstr-coverage: inherited
    def structural_embeddings(self, indices: LongTensor) -> FloatTensor:  # noqa: D102
        return self._modality_embeddings(STRUCTURAL, indices)

    # docstr-coverage: inherited
    def synthetic_representations(  # noqa: D102
        self, indices: LongTensor, synthetic: SyntheticEmbeddings
    ) -> list[FloatTensor]:
        return [self.multimodal.fuse_synthetic(indices, synthetic, real=self._modality_embeddings)]

    def _modality_embeddings(self, name: str, indices: LongTensor) -> FloatTensor:
        if self._shared is not None:
            return self._shared.get_part(name, indices)
        result: FloatTensor = self.multimodal.bases[name](indices)
        return result


def select_features(
    triples_factory: KGInfo, modalities: Sequence[str] | None, model: str
) -> Mapping[str, ModalityFeatures]:
    """Select the features to use.

    :param triples_factory: The triples factory.
    :param modalities: The names of the modalities; all, if ``None``.
    :param model: The name of the model, for messages.
    :returns: The features by modality.
    :raises ValueError: if the triples factory has no features, or not the requested ones
    """
    if not isinstance(triples_factory, MultimodalTriplesFactory):
        raise ValueError(
            f"{model} needs features beside the triples, but got a {type(triples_factory).__name__}. Use a multi-modal "
            f"dataset such as DB15K, or add features with MultimodalTriplesFactory.from_triples_factory.",
        )
    available = triples_factory.features
    if not available:
        raise ValueError("The triples factory has no features. Use LpRotatE to train on triples alone.")
    names = tuple(available if modalities is None else modalities)
    unknown = sorted(set(names).difference(available))
    if unknown or not names or isinstance(modalities, str):
        raise ValueError(f"modalities must be some of {list(available)}, but is {modalities!r}.")
    return {name: available[name] for name in names}


def embed_modalities(
    features: Mapping[str, ModalityFeatures],
    dims: Mapping[str, int],
    structural: Mapping[str, Any],
    **options: Any,
) -> tuple[dict[str, type], dict[str, dict[str, Any]]]:
    """Choose the representation of each modality.

    :param features: The features by modality.
    :param dims: The dimension of each modality's embeddings; that of the structural modality, if there is one.
    :param structural: Keyword-based parameters of the structural embedding.
    :param options: Keyword-based parameters of the others, cf. :class:`ProjectedFeatureRepresentation`.
    :returns: The classes, and their keyword-based parameters, by modality.
    """
    bases: dict[str, type] = {}
    bases_kwargs: dict[str, dict[str, Any]] = {}
    for name, dim in dims.items():
        # entities are deduplicated before fusion; looking for duplicates once is enough
        common = dict(shape=dim, unique=False)
        if name == STRUCTURAL:
            bases[name], bases_kwargs[name] = Embedding, {**structural, **common}
        else:
            bases[name] = ProjectedFeatureRepresentation
            bases_kwargs[name] = {**dict(features=features[name]), **options, **common}
    return bases, bases_kwargs
