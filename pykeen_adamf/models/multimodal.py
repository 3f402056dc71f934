"""What multi-modal models have in common."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from class_resolver import HintOrType, OptionalKwargs
from pykeen.nn.representation import Representation
from pykeen.triples import KGInfo

from ..constants import STRUCTURAL, VISUAL
from ..features import ModalityFeatures
from ..nn.features import ProjectedFeatureRepresentation
from ..nn.fused import FusedRepresentation
from ..nn.fusion import Fusion
from ..nn.structural import StructuralEmbedding
from ..triples import MultimodalTriplesFactory
from ..typing import FloatTensor, LongTensor, SyntheticEmbeddings
from .synthetic import SyntheticScoringModel

__all__ = ["MultimodalModel", "choose_visual", "fused_entities", "select_features"]


class MultimodalModel(SyntheticScoringModel):
    """A model whose entity representation is fused from one embedding of each modality."""

    @property
    def fused(self) -> FusedRepresentation:
        """Return the representation of entities."""
        representation = self.entity_representations[0]
        assert isinstance(representation, FusedRepresentation)
        return representation

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the names of the modalities."""
        return self.fused.modalities

    def modality_weights(self, indices: LongTensor | None = None) -> FloatTensor | None:
        """Return the weights of the modalities, as predictions see them also while the model is being trained.

        :param indices: shape: ``s``, the entities, or ``None`` for all.
        :returns: As :meth:`pykeen_adamf.nn.FusedRepresentation.modality_weights` does.
        """
        fused, training = self.fused, self.fused.training
        fused.eval()
        try:
            with torch.no_grad():
                return fused.modality_weights(indices)
        finally:
            fused.train(training)

    def without_modality(self, name: str) -> AbstractContextManager[None]:
        """Within this context, leave a modality out, cf. :meth:`pykeen_adamf.nn.FusedRepresentation.without`."""
        return self.fused.without(name)

    @property
    def synthetic_dims(self) -> Mapping[str, int]:  # noqa: D102
        if STRUCTURAL not in self.modalities:
            # what generators are conditioned on
            return {}
        return {name: self._get_dim(name) for name in self.modalities if name != STRUCTURAL}

    @property
    def structural_dim(self) -> int:  # noqa: D102
        return self._get_dim(STRUCTURAL)

    def _get_dim(self, modality: str) -> int:
        representation = self.fused.bases[modality]
        assert isinstance(representation, Representation)
        return representation.shape[0]

    def structural_embeddings(self, indices: LongTensor) -> FloatTensor:  # noqa: D102
        return self._modality_embeddings(STRUCTURAL, indices)

    def real_embeddings(self, indices: LongTensor) -> SyntheticEmbeddings:  # noqa: D102
        return {name: self._modality_embeddings(name, indices) for name in self.synthetic_dims}

    def synthetic_representations(  # noqa: D102
        self, indices: LongTensor, synthetic: SyntheticEmbeddings
    ) -> list[FloatTensor]:
        batch_size, num_groups, _ = next(iter(synthetic.values())).shape
        embeddings = {
            name: synthetic[name]
            if name in synthetic
            else self._modality_embeddings(name, indices).unsqueeze(dim=1).expand(-1, num_groups, -1)
            for name in self.modalities
        }
        mask = self.fused.participation(indices, given=synthetic)
        if mask is not None:
            mask = mask.unsqueeze(dim=1).expand(batch_size, num_groups, -1)
        return [self.fused.fuse(embeddings, mask)]

    def score_mixed(self, triples: LongTensor, donors: LongTensor, modalities: Collection[str]) -> FloatTensor:
        """Score triples of entities which have some modalities of others.

        :param triples: shape: ``(*batch_dims, 3)``, the ID-based triples.
        :param donors: shape: ``(*batch_dims, 3)``, the triples whose heads and tails have the modalities.
        :param modalities: The names of these modalities.
        :returns: shape: ``batch_dims``, broadcast from both, the scores.
        """
        h, t = (self._mix(triples[..., column], donors[..., column], modalities) for column in (0, 2))
        return self.score_representations(h, triples[..., 1], t)

    def _mix(self, entities: LongTensor, donors: LongTensor, modalities: Collection[str]) -> FloatTensor:
        entities, donors = torch.broadcast_tensors(entities, donors)
        sources = [donors if name in modalities else entities for name in self.modalities]
        embeddings = {
            name: self._modality_embeddings(name, source) for name, source in zip(self.modalities, sources, strict=True)
        }
        masks = [self.fused.participation(source) for source in sources]
        columns = [mask[..., i] for i, mask in enumerate(masks) if mask is not None]
        return self.fused.fuse(embeddings, torch.stack(columns, dim=-1) if columns else None)

    def _modality_embeddings(self, name: str, indices: LongTensor) -> FloatTensor:
        if self._shared is not None:
            return self._shared.get_part(name, indices)
        result: FloatTensor = self.fused.bases[name](indices)
        return result


def select_features(
    triples_factory: KGInfo, modalities: Sequence[str] | None, model: str
) -> Mapping[str, ModalityFeatures]:
    """Select features by their modalities, or all if there are none; the name of the model is for messages.

    :raises ValueError: if the triples factory has no features, or not the requested ones
    """
    if not isinstance(triples_factory, MultimodalTriplesFactory):
        raise ValueError(
            f"{model} needs features beside the triples, but got a {type(triples_factory).__name__}. Use a multi-modal "
            f"dataset such as DB15K, or add features with MultimodalTriplesFactory.from_triples_factory.",
        )
    available = triples_factory.features
    if not available:
        raise ValueError(
            "The triples factory has no features. Use the models Structural or LpRotatE to train on triples alone."
        )
    names = tuple(available if modalities is None else modalities)
    unknown = sorted(set(names).difference(available))
    if unknown or not names or isinstance(modalities, str):
        raise ValueError(f"modalities must be some of {list(available)}, but is {modalities!r}.")
    return {name: available[name] for name in names}


def choose_visual(triples_factory: KGInfo, modalities: Sequence[str] | None, model: str) -> Sequence[str] | None:
    """Choose the visual modality, which a model of that name is about, if the user did not choose.

    :raises ValueError: if there are only others
    """
    available = triples_factory.features if isinstance(triples_factory, MultimodalTriplesFactory) else {}
    if modalities is not None or not available:
        return modalities
    if VISUAL not in available:
        raise ValueError(
            f"{model} uses visual features, but there are only {list(available)}. Choose some of these by "
            f"modalities=[...]."
        )
    return [VISUAL]


def fused_entities(
    features: Mapping[str, ModalityFeatures],
    dims: Mapping[str, int],
    *,
    structural: Mapping[str, Any],
    fusion: HintOrType[Fusion],
    fusion_kwargs: OptionalKwargs,
    projection: Mapping[str, Any],
    sparse: bool,
    representation: type[FusedRepresentation] = FusedRepresentation,
    **kwargs: Any,
) -> dict[str, Any]:
    """Choose the representation of entities.

    :param features: The features by modality.
    :param dims: The dimension of each modality's embeddings; that of the structural modality, if there is one.
    :param structural: Keyword-based parameters of :class:`StructuralEmbedding`.
    :param fusion: The fusion.
    :param fusion_kwargs: Keyword-based parameters of the fusion.
    :param projection: Keyword-based parameters of :class:`ProjectedFeatureRepresentation`, for all modalities.
    :param sparse: Whether gradients of embeddings and features are sparse.
    :param representation: :class:`pykeen_adamf.nn.FusedRepresentation`, or a subclass.
    :param kwargs: Keyword-based parameters of it.
    :returns: Keyword-based parameters of :class:`pykeen.models.ERModel`.
    """
    bases: dict[str, type[Representation]] = {}
    bases_kwargs: dict[str, dict[str, Any]] = {}
    for name, dim in dims.items():
        # entities are deduplicated before fusion; looking for duplicates once is enough
        common = dict(shape=dim, unique=False, sparse=sparse)
        if name == STRUCTURAL:
            bases[name], bases_kwargs[name] = StructuralEmbedding, {**structural, **common}
        else:
            bases[name] = ProjectedFeatureRepresentation
            bases_kwargs[name] = {"features": features[name], **projection, **common}
    return dict(
        entity_representations=representation,
        entity_representations_kwargs=dict(
            bases=bases, bases_kwargs=bases_kwargs, fusion=fusion, fusion_kwargs=fusion_kwargs, **kwargs
        ),
    )
