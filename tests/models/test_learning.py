"""What systems must be able to learn, whatever they compute: links that follow from features alone."""

import numpy
import pytest
import torch
from pykeen.models import model_resolver
from pykeen.pipeline import pipeline
from pykeen.triples import TriplesFactory

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.triples import MultimodalTriplesFactory

NUM_ITEMS, NUM_CLASSES = 120, 4

#: Few triples would be remembered by trained features.
FROZEN = dict(trainable_features=False)

#: The systems, with what each is trained with.
ONE_TO_N = dict(
    training_loop="OneVsAll", loss="CrossEntropy", model_kwargs=dict(embedding_dim=16, modalities=["textual"])
)
SYSTEMS = {
    "MoSE": ONE_TO_N,
    "MoMoK": dict(
        num_epochs=60,
        training_loop="OneToN",
        model_kwargs=dict(
            embedding_dim=16,
            modalities=["textual"],
            decoder_kwargs=dict(head_dropout=0.1, relation_dropout=0.1, head_relation_dropout=0.1),
        ),
    ),
    "RSME": ONE_TO_N,
    "OTKGE": ONE_TO_N,
    "AdaMFRotatE": dict(model_kwargs=dict(embedding_dim=16, **FROZEN), loss="NSSA", loss_kwargs=dict(margin=4)),
    "IKRL": dict(model_kwargs=dict(embedding_dim=32, modalities=["textual"], **FROZEN), loss_kwargs=dict(margin=6)),
    "TBKGC": dict(model_kwargs=dict(embedding_dim=32, **FROZEN), loss_kwargs=dict(margin=8)),
    "VBKGC": dict(model_kwargs=dict(embedding_dim=32, **FROZEN), loss_kwargs=dict(margin=6)),
    "TransAE": dict(model_kwargs=dict(embedding_dim=32, hidden_dim=16), loss_kwargs=dict(margin=4)),
    "MMKRL": dict(
        training_loop="MAT",
        training_loop_kwargs=dict(adversarial_weight=0.07, synthetic_kinds=["both"]),
        model_kwargs=dict(embedding_dim=32, alignment_weight=0.1, **FROZEN),
        loss_kwargs=dict(margin=2),
    ),
    "NativE": dict(model_kwargs=dict(embedding_dim=16), loss_kwargs=dict(margin=8), num_epochs=60),
    "MoCME": dict(model_kwargs=dict(embedding_dim=16, **FROZEN), loss_kwargs=dict(margin=4)),
}


def make_graph(order=None, inverse=False, shuffled=False):
    """Make a graph of items, whose features tell their class; the class of every third one is held out.

    Who has no link to its class has one to another item, at random. If shuffled, features are those of others.
    """
    rng = numpy.random.default_rng(0)
    labels = [f"item {i}" for i in range(NUM_ITEMS)] + [f"class {i}" for i in range(NUM_CLASSES)]
    classes = rng.integers(NUM_CLASSES, size=NUM_ITEMS)
    matrix = numpy.zeros((len(labels), 2 * NUM_CLASSES), dtype=numpy.float32)
    matrix[numpy.arange(NUM_ITEMS), classes] = 1
    matrix[numpy.arange(NUM_ITEMS, len(labels)), NUM_CLASSES + numpy.arange(NUM_CLASSES)] = 1
    matrix += 0.05 * rng.standard_normal(matrix.shape).astype(numpy.float32)
    links = [(f"item {i}", "is a", f"class {k}") for i, k in enumerate(classes)]
    others = [(f"item {i}", "is near", f"item {j}") for i, j in enumerate(rng.integers(NUM_ITEMS, size=NUM_ITEMS))]
    order = range(len(labels)) if order is None else order
    ids = {labels[old]: new for new, old in enumerate(order)}
    if shuffled:
        matrix = matrix[numpy.random.default_rng(1).permutation(len(labels))]
    features = {"textual": ModalityFeatures.from_matrix(matrix, labels)}
    training = TriplesFactory.from_labeled_triples(
        numpy.array([*(x for i, x in enumerate(links) if i % 3), *others]),
        entity_to_id=ids,
        create_inverse_triples=inverse,
    )
    testing = TriplesFactory.from_labeled_triples(
        numpy.array(links[::3]), entity_to_id=ids, relation_to_id=training.relation_to_id
    )
    return MultimodalTriplesFactory.from_triples_factory(training, features), testing


def find_classes(model, training_loop="sLCWA", shuffled=False, num_epochs=25, **kwargs):
    """Train, and return for how many of the items whose class was held out it is found among the classes."""
    one_to_n = training_loop in {"OneToN", "OneVsAll"}
    training, testing = make_graph(inverse=one_to_n, shuffled=shuffled)
    if not one_to_n:
        kwargs |= dict(negative_sampler="FilteredBernoulli", negative_sampler_kwargs=dict(num_negs_per_pos=16))
    result = pipeline(
        model=model,
        training_loop=training_loop,
        training=training,
        testing=testing,
        optimizer_kwargs=dict(lr=0.02),
        training_kwargs=dict(num_epochs=num_epochs, batch_size=32, use_tqdm=False),
        evaluation_kwargs=dict(use_tqdm=False, batch_size=32),
        random_seed=0,
        device="cpu",
        **kwargs,
    )
    classes = torch.tensor([training.entity_to_id[f"class {i}"] for i in range(NUM_CLASSES)])
    scores = result.model.predict_t(testing.mapped_triples[:, :2], tails=classes)
    return (classes[scores.argmax(dim=1)] == testing.mapped_triples[:, 2]).double().mean().item()


@pytest.fixture(scope="module")
def structural():
    """Return what structure alone is able to find, which is a guess."""
    share = find_classes("TransE", model_kwargs=dict(embedding_dim=32))
    assert share < 2 / NUM_CLASSES
    return share


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_links_that_follow_from_features(name, structural):
    assert find_classes(name, **SYSTEMS[name]) > structural + 0.2


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["MANS", "Twins"])
def test_negatives_with_features_of_others(loop, structural):
    assert find_classes("VBKGC", training_loop=loop, **SYSTEMS["VBKGC"]) > structural + 0.2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MoSE", "TransAE", "AdaMFRotatE", "IKRL"])
def test_features_of_others(name, structural):
    """What is gained by features is not gained by features that tell nothing."""
    assert find_classes(name, shuffled=True, **SYSTEMS[name]) < structural + 0.15


@pytest.mark.parametrize("name", SYSTEMS)
def test_entity_ids_do_not_matter(name):
    """With the same parameters, the same triples have the same scores, whatever the IDs."""
    order = torch.randperm(NUM_ITEMS + NUM_CLASSES, generator=torch.Generator().manual_seed(0))
    (first, _), (second, _) = make_graph(), make_graph(order.tolist())
    kwargs = SYSTEMS[name]["model_kwargs"]
    one, other = (
        model_resolver.make(name, kwargs, triples_factory=factory, random_seed=0).double().eval()
        for factory in (first, second)
    )
    state, num = other.state_dict(), len(order)
    for key, value in one.state_dict().items():
        # what has a row for each entity
        state[key].copy_(value[order] if value.ndim and len(value) == num else value)
    other.load_state_dict(state)
    triples = second.label_triples(second.mapped_triples)
    ids = torch.tensor([[first.entity_to_id[h], first.relation_to_id[r], first.entity_to_id[t]] for h, r, t in triples])
    torch.testing.assert_close(one.predict_hrt(ids), other.predict_hrt(second.mapped_triples))
