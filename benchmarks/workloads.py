"""The data and models that the benchmarks share: DB15K's shape, PyKEEN's RotatE, and ours."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pykeen.losses import NSSALoss
from pykeen.models import Model, RotatE
from pykeen.training import SLCWATrainingLoop, TrainingLoop
from pykeen.training.callbacks import MultiTrainingCallback, OptimizerTrainingCallback
from pykeen.triples import CoreTriplesFactory

from pykeen_adamf.datasets import MultimodalDataset
from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.models import AdaMFRotatE, LpRotatE
from pykeen_adamf.training import MATTrainingLoop
from pykeen_adamf.triples import MultimodalTriplesFactory

#: Entities, relations and training triples of DB15K.
DB15K_SHAPE = (12_842, 279, 79_222)

#: The published features.
DB15K_DIMS = {"visual": 4096, "textual": 768}

#: The paper's setting.
BATCH_SIZE, NUM_NEGATIVES, EMBEDDING_DIM = 1024, 128, 250


#: PyKEEN's models get the fastest implementation of Adam, too, which they would not have by default.
FUSED_ADAM = partial(torch.optim.Adam, fused=True)


def random_triples(num_entities: int, num_relations: int, num_triples: int, seed: int = 0) -> torch.Tensor:
    """Draw triples where few entities and relations are part of many, as in real graphs."""
    rng = torch.Generator().manual_seed(seed)

    def draw(size: int) -> torch.Tensor:
        # the cube makes the first ones frequent, the permutation makes them any
        positions = (torch.rand(2 * num_triples, generator=rng, dtype=torch.float64) ** 3 * size).long()
        return torch.randperm(size, generator=rng)[positions]

    triples = torch.stack([draw(num_entities), draw(num_relations), draw(num_entities)], dim=-1).unique(dim=0)
    return triples[torch.randperm(len(triples), generator=rng)[:num_triples]]


def load_triples(directory: Path | None, dataset: str = "DB15K") -> tuple[CoreTriplesFactory, CoreTriplesFactory]:
    """Return training and test triples: the real ones, if there is a directory with them, or of the same shape."""
    if directory is not None:
        from pykeen.datasets import get_dataset

        instance = get_dataset(dataset=dataset, dataset_kwargs=dict(directory=directory))
        assert isinstance(instance, MultimodalDataset)
        return instance.training, instance.testing
    num_entities, num_relations, num_triples = DB15K_SHAPE
    triples = random_triples(num_entities, num_relations, num_triples + 9_902)
    common = dict(num_entities=num_entities, num_relations=num_relations)
    return (
        CoreTriplesFactory(triples[:num_triples], **common),
        CoreTriplesFactory(triples[num_triples:], **common),
    )


def with_features(
    factory: CoreTriplesFactory, dims: Mapping[str, int], dtype: torch.dtype = torch.float32, seed: int = 0
) -> MultimodalTriplesFactory:
    """Add synthetic features, which every entity has."""
    rng = torch.Generator().manual_seed(seed)
    labels = [str(i) for i in range(factory.num_entities)]
    features = {}
    for name, dim in dims.items():
        matrix = torch.empty(factory.num_entities, dim, dtype=dtype)
        for chunk in matrix.split(10_000):
            chunk.copy_(torch.randn(chunk.shape, generator=rng))
        features[name] = ModalityFeatures.from_matrix(matrix, labels)
    return MultimodalTriplesFactory(
        mapped_triples=factory.mapped_triples,
        entity_to_id={label: i for i, label in enumerate(labels)},
        relation_to_id={str(i): i for i in range(factory.num_relations)},
        features=features,
    )


def new_loss() -> NSSALoss:
    """Return the paper's loss."""
    return NSSALoss(margin=12.0, adversarial_temperature=2.0)


def pykeen_rotate(factory: CoreTriplesFactory, dim: int = EMBEDDING_DIM) -> Model:
    """Return PyKEEN's RotatE."""
    return RotatE(triples_factory=factory, embedding_dim=dim, loss=new_loss(), random_seed=0)


def lp_rotate(factory: CoreTriplesFactory, dim: int = EMBEDDING_DIM, **kwargs: Any) -> Model:
    """Return our RotatE."""
    return LpRotatE(triples_factory=factory, embedding_dim=dim, loss=new_loss(), random_seed=0, **kwargs)


def adamf(factory: CoreTriplesFactory, dim: int = EMBEDDING_DIM, **kwargs: Any) -> Model:
    """Return AdaMF."""
    return AdaMFRotatE(triples_factory=factory, embedding_dim=dim, loss=new_loss(), random_seed=0, **kwargs)


def make_step(
    model: Model,
    factory: CoreTriplesFactory,
    loop_cls: type[TrainingLoop[Any]] = SLCWATrainingLoop,
    *,
    optimizer: Callable[..., torch.optim.Optimizer] = FUSED_ADAM,
    negative_sampler: str | None = "basic",
    batch_size: int = BATCH_SIZE,
    num_negatives: int = NUM_NEGATIVES,
    sampler_kwargs: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Callable[[], None]:
    """Return a function that makes one training step: sampling, and everything that the loop does with a batch."""
    if negative_sampler is not None:
        kwargs["negative_sampler"] = negative_sampler
        kwargs["negative_sampler_kwargs"] = dict(num_negs_per_pos=num_negatives, **(sampler_kwargs or {}))
    loop = loop_cls(
        model=model, triples_factory=factory, optimizer=optimizer(model.get_grad_params(), lr=1e-4), **kwargs
    )
    model.train()
    callbacks = MultiTrainingCallback()
    callbacks.register_training_loop(loop)
    callbacks.register_callback(OptimizerTrainingCallback())
    loader = loop._create_training_data_loader(factory, sampler=None, batch_size=batch_size, drop_last=True)

    def forever() -> Iterator[Any]:
        while True:
            yield from loader

    batches = forever()
    # what is done once in an epoch is no part of a step
    loop._finish_epoch = lambda epoch: None  # type: ignore[attr-defined]

    def step() -> None:
        loop._train_epoch(
            batches=[next(batches)],
            callbacks=callbacks,
            sub_batch_size=None,
            label_smoothing=0.0,
            slice_size=None,
            epoch=1,
            only_size_probing=False,
        )
        if model.device.type == "cuda":
            torch.cuda.synchronize()

    return step


__all__ = [
    "BATCH_SIZE",
    "DB15K_DIMS",
    "EMBEDDING_DIM",
    "NUM_NEGATIVES",
    "MATTrainingLoop",
    "adamf",
    "load_triples",
    "lp_rotate",
    "make_step",
    "pykeen_rotate",
    "random_triples",
    "with_features",
]
