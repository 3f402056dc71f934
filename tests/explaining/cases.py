"""Small models to explain, and what they calculate, once more in plain NumPy."""

from collections.abc import Collection

import numpy
import torch

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.nn.fusion import MeanFusion
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory

#: Options of the model that explanations depend on.
OPTIONS = {
    "default": {},
    "per-modality": dict(attention="per-modality"),
    "mean": dict(fusion="mean"),
    "zero": dict(missing="zero"),
    "mask": dict(missing="mask"),
    "mask-mean": dict(missing="mask", fusion="mean"),
    # some entities have one modality only
    "mask-V+T": dict(missing="mask", use_structural=False),
    "S+V": dict(modalities=["visual"]),
    "squared": dict(p=2),
}


def make_case(name: str = "default", inverse: bool = False) -> tuple[AdaMFRotatE, MultimodalTriplesFactory]:
    """Make a model in double precision, with weights that are far from equal, and its triples factory."""
    factory = make_factory(create_inverse_triples=inverse)
    if name == "mask-V+T":
        some = torch.arange(factory.num_entities)
        labels = [factory.entity_id_to_label[i] for i in some.tolist()]
        features = {
            key: ModalityFeatures.from_matrix(modality.matrix, labels, presence=presence)
            for (key, modality), presence in zip(factory.features.items(), (some < 14, some > 5), strict=True)
        }
        factory = MultimodalTriplesFactory.from_triples_factory(factory, features=features)
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=0, **OPTIONS[name]).double().eval()
    if hasattr(model.fused.fusion, "attention"):
        with torch.no_grad():
            model.fused.fusion.attention.mul_(5)
    return model, factory


def calculate_weights(model: AdaMFRotatE, without: Collection[str] = ()) -> numpy.ndarray:
    """Calculate the weights of all entities, shape: ``(num_entities, num_modalities)``."""
    fused = model.fused
    columns = []
    for number, base in enumerate(fused.bases.values()):
        if isinstance(fused.fusion, MeanFusion):
            columns.append(numpy.ones(fused.max_id))
            continue
        vectors = fused.fusion.attention
        attention = vectors[0 if len(vectors) == 1 else number]
        columns.append(numpy.exp(numpy.tanh(numpify(base())) @ numpify(attention)))
    exponentials = numpy.stack(columns, axis=-1)
    if fused.mask_missing:
        for number, base in enumerate(fused.bases.values()):
            if hasattr(base, "presence"):
                exponentials[~numpify(base.presence), number] = 0
    for row in exponentials:
        removed = [number for number, name in enumerate(fused.bases) if name in without]
        if row.sum() > row[removed].sum():
            row[removed] = 0
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def calculate_scores(model: AdaMFRotatE, without: Collection[str] = ()) -> numpy.ndarray:
    """Calculate the scores of all triples, shape: ``(num_entities, num_relations, num_entities)``.

    Relations are those of the model, i.e., with their inverses.
    """
    weights = calculate_weights(model, without)
    entities = sum(weights[:, [i]] * numpify(base()) for i, base in enumerate(model.fused.bases.values()))
    entities = entities[:, 0::2] + 1j * entities[:, 1::2]
    relations = numpify(model.relation_representations[0]())
    moduli = numpy.abs(entities[:, None, None] * relations[None, :, None] - entities[None, None, :])
    return -((moduli**model.interaction.p).sum(axis=-1) ** (1 / model.interaction.p))


def numpify(x: torch.Tensor) -> numpy.ndarray:
    return x.detach().numpy()
