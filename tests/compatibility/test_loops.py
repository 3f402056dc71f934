"""Every model with every training loop: samplers, losses, weights, label smoothing, and parts of batches."""

import math

import pytest
import torch
from pykeen.losses import NoSampleWeightSupportError, UnsupportedLabelSmoothingError, loss_resolver
from pykeen.models import ERModel, Model
from pykeen.training import SLCWATrainingLoop, TrainingLoop

from .cases import BASELINES, COMBINATIONS, SAMPLING, make_dataset, make_loop, state_of, train

SAMPLERS = {
    "basic": dict(negative_sampler="basic"),
    "five": dict(negative_sampler="basic", negative_sampler_kwargs=dict(num_negs_per_pos=5)),
    "relations, too": dict(
        negative_sampler="basic",
        negative_sampler_kwargs=dict(num_negs_per_pos=6, corruption_scheme=["head", "relation", "tail"]),
    ),
    "bernoulli": dict(negative_sampler="bernoulli", negative_sampler_kwargs=dict(num_negs_per_pos=2)),
    "pseudotyped": dict(negative_sampler="pseudotyped", negative_sampler_kwargs=dict(num_negs_per_pos=3)),
    "bloom": dict(
        negative_sampler="basic", negative_sampler_kwargs=dict(filtered=True, filterer="bloom", num_negs_per_pos=5)
    ),
    "python": dict(
        negative_sampler="bernoulli",
        negative_sampler_kwargs=dict(filtered=True, filterer="pythonset", num_negs_per_pos=5),
    ),
    "pseudotyped and filtered": dict(negative_sampler="pseudotyped", negative_sampler_kwargs=dict(filtered=True)),
    "ours": dict(negative_sampler="FilteredBernoulli", negative_sampler_kwargs=dict(num_negs_per_pos=3)),
    "ours, filtered twice": dict(
        negative_sampler="FilteredBernoulli", negative_sampler_kwargs=dict(filterer="pythonset", num_negs_per_pos=3)
    ),
    "ours from a pool": dict(
        negative_sampler="FilteredBernoulli", negative_sampler_kwargs=dict(pool_size=5, num_negs_per_pos=3)
    ),
}
LOSSES = sorted(loss_resolver.lookup_dict)
LCWA = [names for names in COMBINATIONS if names not in SAMPLING] + [("TBKGC", "LCWA")]
WEIGHTS = dict(loss_weighter="relation", loss_weighter_kwargs=dict(weights=torch.tensor([0.1, 1.0, 2.0, 0.0])))


class Plain:
    """A model that scores in PyKEEN's way rather than its own."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def __getattr__(self, name: str):
        return getattr(self.model, name)

    def score_hrt(self, hrt_batch, *, mode=None):
        return ERModel.score_hrt(self.model, hrt_batch, mode=mode)


def first_batch(loop: TrainingLoop, sampler: str | None = None):
    torch.manual_seed(0)
    loader = loop._create_training_data_loader(make_dataset().training, sampler=sampler, batch_size=32, drop_last=False)
    return next(iter(loader))


def assert_loss_is_pykeens(model: str, loop: str, label_smoothing: float = 0.0, sampler: str | None = None, **kwargs):
    """Compare the loss of a batch, and all of its gradients."""
    if loop == "MAT":
        # all of adversarial training, but such that it changes no number
        kwargs["adversarial_weight"] = 1e-30
    loop = make_loop(model, loop, **kwargs)
    loop.model.train()
    batch = first_batch(loop, sampler)
    stop = len(batch["positives"])
    expected = SLCWATrainingLoop._process_batch_static(
        Plain(loop.model), loop.loss, None, batch, 0, stop, label_smoothing=label_smoothing
    )
    actual = loop._process_batch(batch, 0, stop, label_smoothing=label_smoothing)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
    parameters = list(loop.model.get_grad_params())
    for x, y in zip(torch.autograd.grad(actual, parameters), torch.autograd.grad(expected, parameters), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-3, atol=1e-4)


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_samplers(model, loop, sampler):
    """With every sampler, the loss and its gradients are those of PyKEEN's way to score; and it trains."""
    assert_loss_is_pykeens(model, loop, **SAMPLERS[sampler])
    losses = train(make_loop(model, loop, **SAMPLERS[sampler])).losses_per_epochs
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_losses_of_negative_samples(model, loop, loss):
    """Every loss of PyKEEN, with and without negatives that are masked, is PyKEEN's."""
    for sampler in ("five", "bloom"):
        assert_loss_is_pykeens(model, loop, loss=loss, **SAMPLERS[sampler])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("model", "loop"), LCWA)
def test_losses(model, loop, loss):
    """Every loss of PyKEEN trains all parameters that require gradients."""
    loop = make_loop(model, loop, loss=loss, optimizer="sgd", optimizer_kwargs=dict(lr=0.1))
    before = {name: parameter.clone() for name, parameter in loop.model.named_parameters()}
    loop.model.reset_parameters_ = lambda: loop.model
    train(loop, num_epochs=1)
    assert math.isfinite(loop.losses_per_epochs[0])
    for name, parameter in loop.model.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"nssa", "entropyguided", "crossentropy", "bcewithlogits"}))
def test_losses_without_what_adversarial_training_needs(loss):
    with pytest.raises(ValueError, match="Use loss='NSSA', or pass margin to the training loop"):
        make_loop("AdaMFRotatE", "MAT", loss=loss, margin=None, adversarial_temperature=None)


SMOOTHED = ["bcewithlogits", "crossentropy", "infonce", "softplus", "mse"]


@pytest.mark.parametrize("loss", SMOOTHED)
@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_label_smoothing_is_pykeens(model, loop, loss):
    assert_loss_is_pykeens(model, loop, label_smoothing=0.2, loss=loss, **SAMPLERS["five"])


@pytest.mark.parametrize("loss", SMOOTHED)
@pytest.mark.parametrize(("model", "loop"), LCWA)
def test_label_smoothing_makes_a_difference(model, loop, loss):
    sharp, smooth = (train(make_loop(model, loop, loss=loss), label_smoothing=x, num_epochs=1) for x in (0.0, 0.2))
    assert sharp.losses_per_epochs != smooth.losses_per_epochs


@pytest.mark.parametrize("loss", ["nssa", "marginranking"])
@pytest.mark.parametrize(("model", "loop"), COMBINATIONS)
def test_losses_without_label_smoothing(model, loop, loss):
    with pytest.raises(UnsupportedLabelSmoothingError, match="does not support label smoothing"):
        train(make_loop(model, loop, loss=loss), label_smoothing=0.2)


@pytest.mark.parametrize("loss", ["bcewithlogits", "softplus", "nssa", "marginranking", "crossentropy"])
@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_loss_weights(model, loop, loss):
    """Weights of triples reach the loss, or it says that it cannot."""
    if loss in {"bcewithlogits", "softplus"}:
        assert_loss_is_pykeens(model, loop, loss=loss, **WEIGHTS)
        train(make_loop(model, loop, loss=loss, **WEIGHTS))
    else:
        with pytest.raises(NoSampleWeightSupportError, match="does not support sample weights"):
            train(make_loop(model, loop, loss=loss, **WEIGHTS))


MASKED = dict(loss="softplus", **WEIGHTS, **SAMPLERS["bloom"])


@pytest.mark.parametrize("model", ["AdaMFRotatE", "LpRotatE", "RotatE"])
def test_loss_weights_with_masked_negatives_in_pykeen(model):
    """PyKEEN's loop weights the negatives that it has masked, whatever the model, and fails."""
    with pytest.raises(RuntimeError, match="must match the existing size"):
        train(make_loop(model, "sLCWA", **MASKED))


def test_loss_weights_with_masked_negatives():
    """Where PyKEEN's loop fails, MAT has the loss of the negatives that are left, with their weights."""
    loop = make_loop("AdaMFRotatE", "MAT", adversarial_weight=1e-30, **MASKED)
    batch = first_batch(loop)
    assert not batch["masks"].all()
    positives, negatives = batch["positives"], batch["negatives"][batch["masks"]]
    weights = MASKED["loss_weighter_kwargs"]["weights"][torch.cat([positives, negatives])[:, 1]]
    scores = torch.cat([-loop.model.score_hrt(positives), loop.model.score_hrt(negatives)]).squeeze(dim=-1)
    expected = (weights * torch.nn.functional.softplus(scores)).sum() / weights.sum()
    torch.testing.assert_close(loop._process_batch(batch, 0, len(positives)), expected, rtol=1e-4, atol=1e-5)
    train(loop)


@pytest.mark.parametrize("model", ["AdaMFRotatE", "LpRotatE"])
def test_loss_weights_of_one_relation(model):
    """A relation of weight zero is not trained."""
    weights = dict(weights=torch.tensor([1.0, 1.0, 1.0, 0.0]))
    loop = make_loop(model, "LCWA", loss="bcewithlogits", loss_weighter="relation", loss_weighter_kwargs=weights)
    before = loop.model.relation_representations[0]().detach().clone()
    loop.model.reset_parameters_ = lambda: loop.model
    train(loop, num_epochs=1)
    changed = (loop.model.relation_representations[0]() != before).any(dim=-1)
    assert changed.tolist() == [True, True, True, False]


# Targets and subgraphs


@pytest.mark.parametrize("target", ["head", "relation", "tail"])
@pytest.mark.parametrize("model", ["AdaMFRotatE", "LpRotatE", "IKRL", "TBKGC"])
def test_targets(model, target):
    """LCWA can predict heads, relations or tails, with the scores of single triples, in slices or not."""
    loop = make_loop(model, "LCWA", target=target)
    column = ["head", "relation", "tail"].index(target)
    triples = make_dataset().training.mapped_triples[:5]
    candidates = triples.repeat_interleave(loop.num_targets, dim=0)
    candidates[:, column] = torch.arange(loop.num_targets).repeat(len(triples))
    expected = ERModel.score_hrt(loop.model, candidates).view(len(triples), loop.num_targets)
    others = [i for i in range(3) if i != column]
    for slice_size in (None, 3):
        torch.testing.assert_close(loop.score_method(triples[:, others], slice_size=slice_size), expected)
    train(loop, num_epochs=1, slice_size=3)
    assert math.isfinite(loop.losses_per_epochs[0])


@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_subgraphs(model, loop):
    """The sampler of subgraphs works, with the same loss as PyKEEN's."""
    assert_loss_is_pykeens(model, loop, sampler="schlichtkrull")
    losses = train(make_loop(model, loop), sampler="schlichtkrull").losses_per_epochs
    assert all(map(math.isfinite, losses))


@pytest.mark.parametrize(("model", "loop"), LCWA)
def test_subgraphs_need_negative_samples(model, loop):
    """PyKEEN refuses it: with a sentence, or with a bare assertion."""
    error = AssertionError if loop == "SymmetricLCWA" else NotImplementedError
    with pytest.raises(error):
        train(make_loop(model, loop), sampler="schlichtkrull")


# Inverse triples


@pytest.mark.parametrize(("model", "loop"), [*COMBINATIONS, ("RotatE", "SymmetricLCWA")])
def test_inverse_triples(model, loop):
    """With inverse triples, all relations are trained.

    Not by PyKEEN's symmetric loop, whatever the model: it takes the IDs of relations for those of a model without
    inverse relations.
    """
    factory = make_dataset(create_inverse_triples=True).training
    trained = make_loop(model, loop, factory=factory)
    assert trained.model.num_relations == 2 * factory.real_num_relations == 8
    trained.model.reset_parameters_ = lambda: trained.model
    before = trained.model.relation_representations[0]().detach().clone()
    trained.train(factory, num_epochs=1, batch_size=32, use_tqdm=False)
    changed = (trained.model.relation_representations[0]() != before).any(dim=-1)
    assert changed.tolist() == ([True] * 4 + [False] * 4 if loop == "SymmetricLCWA" else [True] * 8)


# Parts of batches

UNSPLIT = [
    *[(model, loop, {}) for model, loop in COMBINATIONS + BASELINES],
    ("AdaMFRotatE", "MAT", dict(adversarial_weighting="uniform")),
    ("AdaMFRotatE", "MAT", dict(generator_objective="minimax")),
]

#: The mean of PyKEEN's NSSA loss is over positives and negatives, of which parts of LCWA batches have unequal numbers.
NSSA_MEANS = ["sLCWA", "MAT"]


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("model", "loop", "kwargs"), UNSPLIT)
def test_parts_of_batches(model, loop, kwargs, reduction):
    """Sub-batches and slices change neither the loss nor what a step of gradient descent does."""
    if loop == "MAT":
        kwargs = dict(**kwargs, adversarial_weight=1.0, generator_optimizer="sgd")
    splits = [dict(), dict(sub_batch_size=20)]
    if loop in {"LCWA", "SymmetricLCWA"}:
        splits += [dict(slice_size=3), dict(slice_size=7, sub_batch_size=20)]
    results = []
    for split in splits:
        trained = make_loop(
            model,
            loop,
            loss="nssa" if reduction == "sum" or loop in NSSA_MEANS else "softplus",
            loss_kwargs=dict(reduction=reduction),
            optimizer="sgd",
            optimizer_kwargs=dict(lr=0.1 if reduction == "mean" else 0.001),
            **kwargs,
        )
        train(trained, num_epochs=1, batch_size=1024, **split)
        results.append((trained.losses_per_epochs, state_of(trained)))
    (losses, state), *others = results
    for other_losses, other_state in others:
        assert other_losses == pytest.approx(losses, rel=1e-4)
        for name, tensor in state.items():
            torch.testing.assert_close(
                other_state[name], tensor, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
            )


@pytest.mark.parametrize(("model", "loop"), SAMPLING)
def test_slicing_is_refused(model, loop):
    with pytest.raises(AttributeError, match="Slicing is not possible"):
        train(make_loop(model, loop), slice_size=3)
