"""The options in force: read from the objects that train, whatever was given, left out, or derived."""

from typing import Any

from pykeen.models import Model
from pykeen.sampling import negative_sampler_resolver
from pykeen.training import SLCWATrainingLoop, TrainingLoop
from pykeen.triples import CoreTriplesFactory

from ..constants import STRUCTURAL
from ..nn import FusedRepresentation, ProjectedFeatureRepresentation
from ..nn.fusion import AdaptiveFusion, CrossModalFusion
from ..nn.generator import ModalityGenerator
from ..training.adversarial import AdversarialTrainingLoop

__all__ = ["describe_options"]


def describe_options(loop: TrainingLoop[Any], factory: CoreTriplesFactory, batch_size: int | None) -> dict[str, Any]:
    """Describe what reports show of a run.

    :param loop: The training loop, as training starts.
    :param factory: The training triples.
    :param batch_size: The number of triples in a batch.
    :returns: The values by name, without options that the run does not have.
    """
    model, loss = loop.model, loop.loss
    modules = list(model.modules())
    fusions = [x.fusion for x in modules if isinstance(x, FusedRepresentation)]
    features = [x for x in modules if isinstance(x, ProjectedFeatureRepresentation)]
    assert loop.optimizer is not None
    options: dict[str, Any] = {
        "embedding dimension": _get_embedding_dim(model),
        "batch size": batch_size,
        "negatives": _count_negatives(loop, factory),
        "learning rate": loop.optimizer.defaults.get("lr"),
        "margin": getattr(loss, "margin", None),
        "temperature": getattr(loss, "inverse_softmax_temperature", None),
        "attention": next((_name_attention(x) for x in fusions if isinstance(x, AdaptiveFusion)), None),
        "trained features": any(x.table.requires_grad for x in features) if features else None,
    }
    if isinstance(loop, AdversarialTrainingLoop):
        generator = next(iter(loop.synthesizer.generators.values()))
        assert isinstance(generator, ModalityGenerator)
        options |= {
            "learning rate of the generators": loop.generators.optimizer_kwargs.get("lr", options["learning rate"]),
            "weight λ of the adversarial loss": loop.adversarial_weight,
            "groups L of synthetic triples": loop.num_groups,
            "dimension of the noise": generator.noise_dim,
            "hidden dimension of the generators": generator.hidden.out_features,
            "weighting of synthetic triples": loop.adversarial_weighting,
            "objective of the generators": loop.generator_objective,
            "margin of the adversarial loss": _unless_same(loop.margin, options["margin"]),
            "temperature of the adversarial loss": _unless_same(loop.adversarial_temperature, options["temperature"]),
        }
    return {name: value for name, value in options.items() if value is not None}


def _get_embedding_dim(model: Model) -> int | None:
    """Return the embedding dimension of entities, without what multi-modal models have beside these embeddings."""
    representations = getattr(model, "entity_representations", ())
    if not representations:
        return None
    entities = representations[0]
    if isinstance(entities, FusedRepresentation) and isinstance(entities.fusion, CrossModalFusion):
        entities = entities.bases[STRUCTURAL]
    return int(entities.shape[0]) if entities.shape else None


def _unless_same(value: float, usual: float | None) -> float | None:
    """Return what is not the usual value, for which nothing was said."""
    return None if value == usual else value


def _count_negatives(loop: TrainingLoop[Any], factory: CoreTriplesFactory) -> int | None:
    """Return the number of negatives for each positive triple, if any are sampled."""
    if not isinstance(loop, SLCWATrainingLoop):
        return None
    sampler = negative_sampler_resolver.make(
        loop.negative_sampler,
        loop.negative_sampler_kwargs,
        mapped_triples=factory.mapped_triples,
        num_entities=factory.num_entities,
        num_relations=factory.num_relations,
    )
    return int(sampler.num_negs_per_pos)


def _name_attention(fusion: AdaptiveFusion) -> str:
    """Return whether modalities share an attention vector."""
    return "shared" if len(fusion.attention) == 1 else "per-modality"
