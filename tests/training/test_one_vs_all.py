"""One softmax for each training triple: loss and gradients against formulas, what an epoch is, and what is refused."""

import math

import pytest
import torch
from pykeen.losses import BCEWithLogitsLoss, CrossEntropyLoss
from pykeen.models import ComplEx, CooccurrenceFilteredModel
from pykeen.training.callbacks import TrainingCallback
from pykeen.triples import TriplesFactory

from pykeen_adamf.models import AdaMF, Structural
from pykeen_adamf.training import OneVsAllTrainingLoop

from ..cases import make_factory
from .cases import make_loop

#: The batches that losses are compared for, and their sub-batches.
BATCH_SIZE, PART_SIZE = 13, 5
SMOOTHING, N3 = 0.2, 0.3


def make_inverse_factory(**kwargs):
    return make_factory(create_inverse_triples=True, **kwargs)


# Formulas for the scores of all tails: of an interaction, heads and relations of a batch, and all entities


def distmult(interaction, h, r, entities):
    return (h * r) @ entities.t()


def complex_(interaction, h, r, entities):
    return (h * r).real @ entities.real.t() + (h * r).imag @ entities.imag.t()


def transe(interaction, h, r, entities):
    return -(h + r).unsqueeze(dim=1).sub(entities).abs().sum(dim=-1)


def rotate(interaction, h, r, entities):
    return -(h * r).unsqueeze(dim=1).sub(entities).abs().sum(dim=-1)


def normalize(x, module):
    """Normalize a batch by its own mean and its biased variance, as PyTorch does in training."""
    x = (x - x.mean(dim=0)) / (x.var(dim=0, unbiased=False) + 1e-5).sqrt()
    return x * module.weight + module.bias


def normalized(interaction, h, r, entities):
    h = normalize(h, interaction.entity_batch_norm)
    return normalize(h * r, interaction.query_batch_norm) @ entities.t()


def pairre(interaction, h, r, entities):
    first, second = r
    return -((h * first).unsqueeze(dim=1) - entities * second.unsqueeze(dim=1)).abs().sum(dim=-1)


#: For each case, the model, its options, and the formula of its scores; PairRE has no queries.
CASES = {
    "ComplEx": (AdaMF, {}, complex_),
    "TransE": (AdaMF, dict(interaction="TransE", interaction_kwargs=dict(p=1), fusion="gated"), transe),
    "LpRotatE": (AdaMF, dict(interaction="LpRotatE", fusion="mean"), rotate),
    "DistMult, normalized": (AdaMF, dict(interaction="DistMult", batch_norm=True), normalized),
    "PairRE": (AdaMF, dict(interaction="PairRE", fusion="concatenation"), pairre),
    "without features": (Structural, dict(interaction="DistMult"), distmult),
    "PyKEEN's": (ComplEx, dict(regularizer=None), complex_),
}


def make_case(name, loss="crossentropy", loss_kwargs=None, **loop_kwargs):
    """Make the training loop of a case in double precision, and a batch."""
    cls, model_kwargs, _ = CASES[name]
    factory = make_inverse_factory()
    loop = make_loop(
        OneVsAllTrainingLoop,
        factory=factory,
        model_cls=cls,
        model_kwargs=dict(loss=loss, loss_kwargs=loss_kwargs, **model_kwargs),
        loop_kwargs=loop_kwargs,
    )
    loop.model.double().train()
    torch.manual_seed(0)
    loader = loop._create_training_data_loader(factory, sampler=None, batch_size=BATCH_SIZE, drop_last=False)
    return loop, next(iter(loader))


def represent(model, batch):
    """Represent the parts of a batch, and all entities."""
    entities = model.entity_representations[0]()
    relations = [x(batch[:, 1]) for x in model.relation_representations]
    return entities[batch[:, 0]], relations, entities[batch[:, 2]], entities


def score_all(name, model, batch):
    """Score all tails by the formula."""
    h, r, _, entities = represent(model, batch)
    return CASES[name][2](model.interaction, h, r[0] if len(r) == 1 else r, entities)


def n3(model, batch):
    """Return the cubed third norms of the moduli, of each triple."""
    h, r, t, _ = represent(model, batch)
    parts = [torch.view_as_real(x).square().sum(dim=-1).sqrt() if x.is_complex() else x.abs() for x in (h, *r, t)]
    return sum(x.pow(3).flatten(start_dim=1).sum(dim=1) for x in parts)


def cross_entropy(name, model, batch):
    """Return the loss of each triple, written out."""
    log = torch.log_softmax(score_all(name, model, batch), dim=-1)
    target = torch.nn.functional.one_hot(batch[:, 2], num_classes=model.num_entities).double()
    target = (1 - SMOOTHING) * target + SMOOTHING / model.num_entities
    return -(target * log).sum(dim=-1) + N3 * n3(model, batch)


def assert_same(loop, batch, expected, rtol=1e-10):
    """Assert that a batch has a given loss, and its gradients."""
    actual = loop._process_batch(batch, 0, len(batch), label_smoothing=SMOOTHING)
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=0)
    parameters = list(loop.model.get_grad_params())
    results = [torch.autograd.grad(x, parameters, allow_unused=True) for x in (actual, expected)]
    for x, y, parameter in zip(*results, parameters, strict=True):
        assert y is not None, parameter.shape
        assert y.abs().max() > 0, parameter.shape
        torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradients(name, reduction):
    loop, batch = make_case(name, loss_kwargs=dict(reduction=reduction), n3_weight=N3)
    losses = cross_entropy(name, loop.model, batch)
    assert_same(loop, batch, losses.sum() if reduction == "sum" else losses.mean())


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", ["ComplEx", "PairRE", "PyKEEN's"])
def test_another_loss(name, reduction):
    """Labels are those of single triples: other true tails of the same head and relation have none."""
    loop, batch = make_case(name, loss=BCEWithLogitsLoss(reduction=reduction), n3_weight=N3)
    scores = score_all(name, loop.model, batch)
    labels = torch.nn.functional.one_hot(batch[:, 2], num_classes=loop.model.num_entities).double()
    # PyKEEN gives what it takes from the true one to all others
    labels = (1 - SMOOTHING) * labels + SMOOTHING / (loop.model.num_entities - 1) * (1 - labels)
    losses = labels * torch.nn.functional.softplus(-scores) + (1 - labels) * torch.nn.functional.softplus(scores)
    regularization = N3 * n3(loop.model, batch)
    if reduction == "sum":
        assert_same(loop, batch, losses.sum() + regularization.sum())
    else:
        assert_same(loop, batch, losses.mean() + regularization.mean())


@pytest.mark.parametrize("max_block_numel", [1, 7, 100])
@pytest.mark.parametrize("name", ["ComplEx", "TransE", "DistMult, normalized"])
def test_pieces(name, max_block_numel):
    """The block of scores may be calculated in pieces."""
    loop, batch = make_case(name, n3_weight=N3, max_block_numel=max_block_numel)
    assert max_block_numel < len(batch) * loop.model.num_entities
    assert_same(loop, batch, cross_entropy(name, loop.model, batch).mean())


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", ["ComplEx", "PairRE", "PyKEEN's"])
def test_parts_of_a_batch(name, reduction):
    """Losses and gradients of sub-batches add up to that of the batch."""
    results = []
    for size in (BATCH_SIZE, PART_SIZE):
        loop, batch = make_case(name, loss_kwargs=dict(reduction=reduction), n3_weight=N3)
        losses = [
            loop._forward_pass(batch, start, min(start + size, BATCH_SIZE), BATCH_SIZE, SMOOTHING, None)
            for start in range(0, BATCH_SIZE, size)
        ]
        results.append((sum(losses), [x.grad for x in loop.model.get_grad_params()]))
    (whole, expected), (parts, actual) = results
    assert parts == pytest.approx(whole, rel=1e-12)
    for x, y in zip(actual, expected, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("error:Resetting regularization term without using it")
@pytest.mark.parametrize("sub_batch_size", [None, 10])
@pytest.mark.parametrize("cls", [AdaMF, ComplEx])
def test_regularizer(cls, sub_batch_size):
    """That of representations is added once for each part, although N3 represents entities once more."""
    losses = []
    for weight in (0.0, 1e-30):
        loop = make_loop(
            OneVsAllTrainingLoop,
            factory=make_inverse_factory(),
            model_cls=cls,
            model_kwargs=dict(loss="crossentropy", regularizer="lp", regularizer_kwargs=dict(weight=0.5)),
            loop_kwargs=dict(n3_weight=weight),
        )
        torch.manual_seed(0)
        kwargs = dict(num_epochs=2, batch_size=32, sub_batch_size=sub_batch_size, use_tqdm=False)
        losses.append(loop.train(make_inverse_factory(), **kwargs))
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


# Epochs


class Batches(TrainingCallback):
    """Keep all batches of each epoch."""

    def __init__(self):
        super().__init__()
        self.epochs = {}

    def on_batch(self, epoch, batch, batch_loss, **kwargs):
        self.epochs.setdefault(epoch, []).append(batch)


@pytest.mark.parametrize(("batch_size", "drop_last"), [(16, False), (16, True), (1000, False)])
def test_each_triple_once(batch_size, drop_last):
    """And each inverse one; in another order in each epoch."""
    factory = make_inverse_factory()
    h, r, t = factory.mapped_triples.t()
    # PyKEEN's IDs: an even one for each relation, and the next one for its inverse
    triples = torch.cat([torch.stack([h, 2 * r, t], dim=1), torch.stack([t, 2 * r + 1, h], dim=1)])
    batches = Batches()
    loop = make_loop(OneVsAllTrainingLoop, factory=factory, model_cls=AdaMF)
    loop.train(factory, 2, batch_size=batch_size, drop_last=drop_last, callbacks=batches, use_tqdm=False)
    epochs = [torch.cat(x) for x in batches.epochs.values()]
    assert len(epochs) == 2
    for epoch in epochs:
        assert len(epoch) == len(triples) - drop_last * (len(triples) % batch_size)
        distinct, counts = torch.cat([triples, epoch]).unique(dim=0, return_counts=True)
        assert len(distinct) == len(triples)
        assert (counts == 2).sum() == len(epoch)
        assert counts.max() == 2
    assert not torch.equal(*epochs)


@pytest.mark.parametrize("name", CASES)
def test_an_epoch_trains_everything(name):
    """Also PyKEEN's own models."""
    cls, model_kwargs, _ = CASES[name]
    factory = make_inverse_factory()
    model_kwargs = dict(loss="crossentropy", **model_kwargs)
    loop = make_loop(OneVsAllTrainingLoop, factory=factory, model_cls=cls, model_kwargs=model_kwargs)
    before = {key: x.clone() for key, x in loop.model.named_parameters()}
    loop.model.reset_parameters_ = lambda: loop.model
    (loss,) = loop.train(factory, num_epochs=1, batch_size=32, label_smoothing=0.1, n3_weight=0.01, use_tqdm=False)
    assert math.isfinite(loss)
    for key, x in loop.model.named_parameters():
        assert torch.equal(x, before[key]) != x.requires_grad, key


def test_it_learns():
    """The loss gets small, and the weight of N3 makes weights small."""
    factory = make_inverse_factory()
    losses, sizes = [], []
    for weight in (0.0, 0.5):
        loop = make_loop(OneVsAllTrainingLoop, factory=factory, model_cls=AdaMF, lr=0.05)
        losses.append(loop.train(factory, num_epochs=10, batch_size=32, n3_weight=weight, use_tqdm=False))
        assert loop.n3_weight == weight
        sizes.append(loop.model.relation_representations[0]().abs().mean().item())
    assert losses[0][-1] < 0.5 * losses[0][0]
    assert sizes[1] < 0.5 * sizes[0]


# What is refused


@pytest.mark.parametrize(
    ("factory_kwargs", "model_kwargs", "train_kwargs", "message"),
    [
        (dict(create_inverse_triples=False), {}, {}, r"create_inverse_triples=True\) to the pipeline"),
        ({}, dict(batch_norm=True), dict(batch_size=1), r"Batch normalization .* batch_size=1. Choose a larger one"),
        # PyKEEN would leave the last batch out by default
        (
            *({}, dict(batch_norm=True), dict(batch_size=111, drop_last=False)),
            r"the last one of 112 has one with batch_size=111.* or drop_last=True",
        ),
        ({}, {}, dict(sampler="schlichtkrull"), "leave sampler='schlichtkrull' out"),
        ({}, {}, dict(n3_weight=-0.1), "n3_weight must be finite and not negative"),
        ({}, {}, dict(n3_weight=float("nan")), "n3_weight must be finite and not negative"),
    ],
)
def test_bad_arguments(factory_kwargs, model_kwargs, train_kwargs, message):
    factory = make_factory(**{"create_inverse_triples": True, **factory_kwargs})
    assert factory.num_triples == 56
    loop = make_loop(OneVsAllTrainingLoop, factory=factory, model_cls=AdaMF, model_kwargs=model_kwargs)
    with pytest.raises(ValueError, match=message):
        loop.train(factory, **{"num_epochs": 1, "batch_size": 16, "use_tqdm": False, **train_kwargs})


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(n3_weight=-1.0), "n3_weight must be finite and not negative"),
        (dict(max_block_numel=0), "max_block_numel must be a positive integer"),
    ],
)
def test_bad_options(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_loop(OneVsAllTrainingLoop, factory=make_inverse_factory(), model_cls=AdaMF, loop_kwargs=kwargs)


def test_n3_of_models_of_another_kind():
    """PyKEEN has models that are trained, but whose representations are unknown."""
    factory = make_inverse_factory()
    model = CooccurrenceFilteredModel(triples_factory=factory, base="complex", loss="crossentropy", random_seed=0)
    message = "CooccurrenceFilteredModel is no pykeen.models.ERModel, .* n3_weight=0"
    with pytest.raises(ValueError, match=message):
        OneVsAllTrainingLoop(model=model, triples_factory=factory, n3_weight=0.1)
    loop = OneVsAllTrainingLoop(model=model, triples_factory=factory)
    kwargs = dict(num_epochs=1, batch_size=16, use_tqdm=False)
    with pytest.raises(ValueError, match=message):
        loop.train(factory, n3_weight=0.1, **kwargs)
    # what was refused is forgotten
    assert loop.train(factory, **kwargs)


def test_what_a_remainder_of_one_does_not_matter_to():
    """Nothing is refused that works."""
    factory = make_inverse_factory()
    batch_size = 2 * len(factory.mapped_triples) - 1
    for model_kwargs, drop_last in ((dict(batch_norm=True), True), (dict(query_dropout=0.1), False)):
        loop = make_loop(OneVsAllTrainingLoop, factory=factory, model_cls=AdaMF, model_kwargs=model_kwargs)
        (loss,) = loop.train(factory, num_epochs=1, batch_size=batch_size, drop_last=drop_last, use_tqdm=False)
        assert loss > 0


def test_plain_triples():
    """Models without features need no features."""
    factory = make_factory()
    factory = TriplesFactory(
        factory.mapped_triples, factory.entity_to_id, factory.relation_to_id, create_inverse_triples=True
    )
    loop = make_loop(OneVsAllTrainingLoop, factory=factory, model_cls=Structural)
    assert isinstance(loop.loss, CrossEntropyLoss)
    losses = loop.train(factory, num_epochs=3, batch_size=32, use_tqdm=False)
    assert losses[-1] < losses[0]
