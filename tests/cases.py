"""Small graphs for tests."""

from collections.abc import Mapping

import torch

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.triples import MultimodalTriplesFactory

DIMS = {"visual": 12, "textual": 10}


def make_factory(
    num_entities: int = 20,
    num_relations: int = 4,
    num_triples: int = 60,
    dims: Mapping[str, int] = DIMS,
    missing: float = 0.3,
    seed: int = 0,
    create_inverse_triples: bool = False,
) -> MultimodalTriplesFactory:
    """Make a random factory, of which some entities miss some modalities."""
    rng = torch.Generator().manual_seed(seed)
    high = torch.tensor([num_entities, num_relations, num_entities])
    triples = (torch.rand(num_triples, 3, generator=rng) * high).long().unique(dim=0)
    labels = [f"e{i}" for i in range(num_entities)]
    return MultimodalTriplesFactory(
        mapped_triples=triples,
        entity_to_id={label: i for i, label in enumerate(labels)},
        relation_to_id={f"r{i}": i for i in range(num_relations)},
        create_inverse_triples=create_inverse_triples,
        features={
            name: ModalityFeatures.from_matrix(
                torch.randn(num_entities, dim, generator=rng),
                labels,
                presence=torch.rand(num_entities, generator=rng) >= missing,
            )
            for name, dim in dims.items()
        },
    )
