"""MMRNS: which negatives there are, and what views and model learn from them, by formulas."""

import math

import pytest
import torch
from pykeen.hpo import hpo_pipeline
from pykeen.models import TransE
from pykeen.training.callbacks import TrainingCallback
from pykeen.training.training_loop import CheckpointMismatchError
from pykeen.triples import CoreTriplesFactory

from pykeen_adamf.models import VBKGC, AdaMF, AdaMFRotatE, LpRotatE, Structural, TransAE
from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler
from pykeen_adamf.training import MMRNSTrainingLoop

from ..cases import make_factory
from .cases import assert_equal_models, make_loop


def make(model_cls=AdaMFRotatE, model_kwargs=None, num_negs_per_pos=3, factory=None, **kwargs):
    loop_kwargs = dict(num_candidates=9, negative_sampler_kwargs=dict(num_negs_per_pos=num_negs_per_pos)) | kwargs
    return make_loop(
        MMRNSTrainingLoop, factory=factory, model_cls=model_cls, model_kwargs=model_kwargs, loop_kwargs=loop_kwargs
    )


def make_batch(loop, num=6):
    torch.manual_seed(3)
    positives = make_factory().mapped_triples[:num]
    sampler = FilteredBernoulliNegativeSampler(mapped_triples=make_factory().mapped_triples, num_negs_per_pos=1)
    return {"positives": positives, "negatives": sampler.corrupt_batch(positives)}


def score(h, r, t):
    """Score as RotatE does."""
    return -(h * r - t).abs().sum()


@pytest.mark.parametrize(
    ("model_cls", "model_kwargs"),
    [
        (LpRotatE, dict(loss="NSSA", loss_kwargs=dict(margin=2.0, adversarial_temperature=0.5))),
        (AdaMFRotatE, dict(loss_kwargs=dict(margin=2.0, adversarial_temperature=0.5))),
        (AdaMFRotatE, dict(use_structural=False, loss_kwargs=dict(margin=2.0, adversarial_temperature=0.5))),
    ],
)
def test_step(model_cls, model_kwargs):
    """The loss, and gradients of both players, are those of the definition, written out for each triple."""
    loop = make(model_cls, model_kwargs, contrastive_weight=0.7, temperature=2.0, temperature_decay=3.0)
    loop.model.double().train()
    loop.views.double()
    with torch.no_grad():
        for x in loop.views.parameters():
            x.mul_(3)
    loop.num_steps = 4
    assert loop.temperature == pytest.approx(2 / (1 + 3 * math.log(5)))
    batch = make_batch(loop)
    candidates = loop.get_candidates(batch)
    assert candidates.tolist() == sorted(set(candidates.tolist()))
    assert len(candidates) == 9
    torch.manual_seed(5)
    actual = loop._process_batch(batch, 0, 6)
    torch.manual_seed(5)
    noise = -torch.empty(6, 9, dtype=torch.double).exponential_().log()

    entities, relations = loop.model.entity_representations[0](), loop.model.relation_representations[0]()
    if "structural" in getattr(loop.model, "modalities", ()):
        structure = loop.model.fused.bases["structural"]()
    else:
        structure = torch.view_as_real(entities).flatten(start_dim=1)
    known = {tuple(x) for x in make_factory().mapped_triples.tolist()}
    is_kept = batch["negatives"] == batch["positives"].unsqueeze(dim=1)
    sums, loss = torch.zeros(3, 2, dtype=torch.double), 0
    for i, (positive, is_tail) in enumerate(zip(batch["positives"].tolist(), is_kept[:, 0, 0].tolist(), strict=True)):
        h, r, t = positive
        side = 2 if is_tail else 0
        weights = 0
        relation = torch.view_as_real(relations[r]).flatten()
        is_known = torch.tensor([(c, r, t) in known if side == 0 else (h, r, c) in known for c in candidates.tolist()])
        for j, (name, view) in enumerate(loop.views.items()):
            look = lambda e, name=name, view=view, relation=relation: view(  # noqa: E731
                view.prepare(structure[[e]] if name == "structural" else view.embed(torch.tensor([e]))), relation
            )[0]
            truth = look(positive[side])
            cosines = torch.stack([torch.cosine_similarity(truth, look(c), dim=0) for c in candidates.tolist()])
            if name != "structural":
                cosines = cosines * (view.presence[candidates] & view.presence[positive[side]])
            weights = weights + (cosines / loop.temperature).softmax(dim=0)
            sums[j] = sums[j] + torch.stack([cosines.exp()[is_known].sum(), cosines.exp()[~is_known].sum()])
        noisy, negatives = weights.log().masked_fill(is_known, -torch.inf) + noise[i], []
        for _ in range(3):
            # a Gumbel softmax of what is left, hard in one direction
            soft = noisy.softmax(dim=0)
            hard = torch.nn.functional.one_hot(noisy.argmax(), 9)
            assert not is_known[noisy.argmax()]
            choice = (hard + soft - soft.detach()).to(torch.cdouble) @ entities[candidates]
            negatives.append(choice)
            noisy = noisy.masked_fill(hard.bool(), -torch.inf)
        scores = [
            score(x, relations[r], entities[t]) if side == 0 else score(entities[h], relations[r], x) for x in negatives
        ]
        scores = torch.stack(scores)
        own = (0.5 * scores).softmax(dim=0).detach()
        positive_term = torch.nn.functional.logsigmoid(2 + score(entities[h], relations[r], entities[t]))
        loss = loss - (positive_term + (own * torch.nn.functional.logsigmoid(-2 - scores)).sum()) / 2 / 6
    assert (sums[:, 0] > 0).all()
    expected = loss + 0.7 * -(sums[:, 0] / sums[:, 1]).log().mean()
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=0)
    parameters = [*loop.model.get_grad_params(), *loop.views.parameters()]
    for x, y in zip(*(torch.autograd.grad(z, parameters) for z in (actual, expected)), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-7, atol=1e-10)
        assert y.any()


def test_low_temperature():
    """Weights that underflow make neither losses nor gradients that are no numbers."""
    loop = make(temperature=0.01)
    loop.model.train()
    loop._process_batch(make_batch(loop), 0, 6).backward()
    for x in (*loop.views.parameters(), *loop.model.parameters()):
        assert x.grad is None or x.grad.isfinite().all()


def test_parts_are_added_up():
    """With a sum over triples, the parts' contrastive losses count as much as their shares."""
    kwargs = dict(loss="marginranking", loss_kwargs=dict(reduction="sum"))
    values = []
    for weight, reduction in ((0.0, "sum"), (1000.0, "sum"), (1000.0, "mean")):
        loop = make(model_kwargs=kwargs, contrastive_weight=weight)
        loop.loss.reduction = reduction
        batch = make_batch(loop)
        torch.manual_seed(5)
        values.append(loop._process_batch(batch, 0, 3).item())
    without, of_sum, of_mean = values
    assert of_sum - without == pytest.approx((of_mean - without) / 2, rel=1e-3)


def test_sampler_without_known_triples():
    """Where all candidates make known triples, there is no negative, and nothing that is not finite."""
    factory = make_factory(num_entities=4, num_relations=1, num_triples=200)
    assert len(factory.mapped_triples) == 16
    loop = make(factory=factory, num_candidates=4)
    (loss,) = loop.train(factory, num_epochs=1, batch_size=16, use_tqdm=False)
    assert math.isfinite(loss)
    assert all(x.isfinite().all() for x in [*loop.views.parameters(), *loop.model.parameters()])


class Interruption(TrainingCallback):
    """Interrupts training in the third epoch."""

    def on_batch(self, epoch, batch, batch_loss, **kwargs):
        if epoch == 3:
            raise KeyboardInterrupt


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("model_cls", [AdaMFRotatE, LpRotatE])
def test_interrupted(model_cls, tmp_path):
    """After an interruption, both players go on bit by bit, and with the same temperature."""
    factory = make_factory()
    options = dict(num_epochs=4, batch_size=32, use_tqdm=False)
    files = dict(checkpoint_directory=tmp_path, checkpoint_name="x.pt", checkpoint_frequency=0)
    whole = make(model_cls)
    before = {name: x.clone() for name, x in whole.views.state_dict().items()}
    whole.train(factory, **options)
    assert all(not torch.equal(x, before[name]) for name, x in whole.views.named_parameters())
    with pytest.raises(KeyboardInterrupt):
        make(model_cls).train(factory, callbacks=Interruption(), **options, **files)
    again = make(model_cls)
    again.train(factory, **options, **files)
    assert_equal_models(whole, again)
    for name, x in whole.views.state_dict().items():
        assert torch.equal(x, again.views.state_dict()[name])
    # one for each batch, and none for those that PyKEEN only tries
    assert whole.num_steps == again.num_steps == 4 * math.ceil(len(factory.mapped_triples) / 32)
    with pytest.raises(CheckpointMismatchError, match="num_candidates"):
        make(model_cls, num_candidates=8).train(factory, **options, **files)


def test_parts_of_batches():
    """All parts of a batch have the same candidates, and there is one step."""
    factory = make_factory()
    loop = make(automatic_memory_optimization=False)
    batch = make_batch(loop)
    candidates = loop.get_candidates(batch)
    for start, stop in ((0, 2), (2, 6)):
        assert loop._process_batch(batch, start, stop).isfinite()
        assert loop.get_candidates(batch) is candidates
        assert set(candidates.tolist()) < set(loop.get_entities(batch, start, stop).tolist())
    loop.train(factory, num_epochs=1, batch_size=32, sub_batch_size=8, use_tqdm=False)
    assert loop.num_steps == math.ceil(len(factory.mapped_triples) / 32)


@pytest.mark.parametrize(
    ("model_cls", "model_kwargs"),
    [
        (VBKGC, {}),
        (TransAE, {}),
        (Structural, dict(interaction="DistMult")),
        (AdaMF, dict(interaction="TuckER", batch_norm=True, entity_dropout=0.2, modalities=["visual"])),
    ],
)
def test_models(model_cls, model_kwargs):
    """Any of the package's, with the modalities that it has."""
    loop = make(model_cls, {"loss": "NSSA", **model_kwargs})
    assert list(loop.views) == [*(model_kwargs.get("modalities") or ["visual", "textual"]), "structural"]
    (loss,) = loop.train(make_factory(), num_epochs=1, batch_size=32, use_tqdm=False)
    assert math.isfinite(loss)


@pytest.mark.slow
def test_tuned():
    """A study tunes the number of negatives, and keeps the loop's options."""
    result = hpo_pipeline(
        dataset="EmojiKG",
        model="LpRotatE",
        model_kwargs=dict(embedding_dim=3),
        training_loop="MMRNS",
        training_loop_kwargs=dict(num_candidates=50),
        negative_sampler_kwargs_ranges=dict(num_negs_per_pos=dict(type="categorical", choices=[2, 3])),
        training_kwargs=dict(num_epochs=1, batch_size=4096, use_tqdm=False),
        n_trials=1,
        device="cpu",
    )
    assert result.study.best_trial.state.name == "COMPLETE"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(model_cls=TransE), "MMRNS trains models of this package, but TransE is none"),
        (dict(num_candidates=2), "3 negatives cannot be chosen from num_candidates=2"),
        (dict(num_candidates=0), "num_candidates must be a positive integer"),
        (dict(temperature=0.0), r"temperature must be finite and positive, but is 0\.0"),
        (dict(temperature_decay=-1.0), "temperature_decay must be finite and not negative"),
        (dict(contrastive_weight=-1.0), "contrastive_weight must be finite and not negative"),
        (dict(modalities=["audio"]), r"modalities must be some of \['visual', 'textual'\]"),
    ],
)
def test_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


def test_features_are_needed():
    factory = CoreTriplesFactory(make_factory().mapped_triples, num_entities=20, num_relations=4)
    with pytest.raises(ValueError, match="MMRNS needs features beside the triples"):
        make(LpRotatE, factory=factory)
