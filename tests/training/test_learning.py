"""Links that can only be inferred from features."""

import pytest
import torch
from pykeen.pipeline import pipeline

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.triples import MultimodalTriplesFactory

NUM_CLASSES, NUM_PER_CLASS, DIM = 8, 25, 16


def make_graph(shuffled: bool = False, seed: int = 0) -> tuple[MultimodalTriplesFactory, MultimodalTriplesFactory]:
    """Make a graph where the members of a class are linked to it, and look alike.

    The members whose link is held out occur in no other triple than one that says nothing about their class.
    """
    rng = torch.Generator().manual_seed(seed)
    num_members = NUM_CLASSES * NUM_PER_CLASS
    classes = torch.arange(num_members) % NUM_CLASSES
    member_of = torch.stack([NUM_CLASSES + torch.arange(num_members), 0 * classes, classes], dim=-1)
    next_to = torch.stack(
        [member_of[:, 0], 0 * classes + 1, member_of[torch.randperm(num_members, generator=rng), 0]], -1
    )
    held_out = torch.rand(num_members, generator=rng) < 0.3
    centers = torch.randn(NUM_CLASSES, DIM, generator=rng)
    look = centers[classes] + 0.3 * torch.randn(num_members, DIM, generator=rng)
    if shuffled:
        look = look[torch.randperm(num_members, generator=rng)]
    labels = [f"class:{i}" for i in range(NUM_CLASSES)] + [f"member:{i}" for i in range(num_members)]
    training = MultimodalTriplesFactory(
        mapped_triples=torch.cat([member_of[~held_out], next_to]),
        entity_to_id={label: i for i, label in enumerate(labels)},
        relation_to_id={"member_of": 0, "next_to": 1},
        # classes have no image
        features={"visual": ModalityFeatures.from_matrix(look, labels[NUM_CLASSES:])},
    )
    return training, training.clone_and_exchange_triples(member_of[held_out])


def tail_mrr(model: str, training_loop: str = "slcwa", shuffled: bool = False, **kwargs) -> float:
    training, testing = make_graph(shuffled=shuffled)
    result = pipeline(
        training=training,
        testing=testing,
        model=model,
        model_kwargs=dict(embedding_dim=16, **kwargs),
        loss="NSSA",
        loss_kwargs=dict(margin=6.0, adversarial_temperature=1.0),
        optimizer="adam",
        optimizer_kwargs=dict(lr=0.01),
        training_loop=training_loop,
        training_loop_kwargs=dict(automatic_memory_optimization=False),
        negative_sampler="FilteredBernoulli",
        negative_sampler_kwargs=dict(num_negs_per_pos=32),
        training_kwargs=dict(num_epochs=60, batch_size=128),
        random_seed=0,
        use_tqdm=False,
    )
    return result.get_metric("tail.realistic.inverse_harmonic_mean_rank")


#: What ranking the classes at random, before all members, would give.
CHANCE = sum(1 / rank for rank in range(1, NUM_CLASSES + 1)) / NUM_CLASSES


@pytest.fixture(scope="module")
def structure_only() -> float:
    """The better one of RotatE with both norms."""
    return max(tail_mrr("LpRotatE", p=p) for p in (1, 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("training_loop", "kwargs"),
    [
        ("slcwa", {}),
        ("MAT", {}),
        ("MMRNS", {}),
        ("slcwa", dict(missing="mask", attention="per-modality")),
        ("slcwa", dict(trainable_features=False, fusion="mean", missing="zero")),
    ],
)
def test_features_are_used(structure_only, training_loop, kwargs):
    """With features the held-out links can be inferred; without, or with those of others, they cannot."""
    assert structure_only < CHANCE + 0.1
    assert tail_mrr("AdaMFRotatE", training_loop=training_loop, **kwargs) > CHANCE + 0.3
    assert tail_mrr("AdaMFRotatE", training_loop=training_loop, shuffled=True, **kwargs) < CHANCE + 0.1
