"""The training loop: what it changes, what it must not change, and what it refuses."""

import pytest
import torch
from pykeen.losses import MarginRankingLoss, NSSALoss, SoftplusLoss
from pykeen.models import RotatE
from pykeen.pipeline import pipeline
from pykeen.sampling import BasicNegativeSampler
from pykeen.trackers import PythonResultTracker
from pykeen.training import NonFiniteLossError, SLCWATrainingLoop
from pykeen.training.callbacks import TrainingCallback

from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler
from pykeen_adamf.training import MATTrainingLoop
from pykeen_adamf.training.fused import prefer_fused
from pykeen_adamf.training.negatives import negative_sampling_loss, score_negatives, score_positives

from ..cases import make_factory


def train(cls, *, loop_kwargs=None, train_kwargs=None, model_kwargs=None, lr: float = 0.01, epochs: int = 3):
    """Train from scratch, and return the loop."""
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=7, **(model_kwargs or {}))
    loop = cls(
        model=model,
        triples_factory=factory,
        optimizer="adam",
        optimizer_kwargs=dict(lr=lr),
        # PyKEEN would replace the requested size of sub-batches by one that it finds
        automatic_memory_optimization=not (train_kwargs or {}).get("sub_batch_size"),
        **(loop_kwargs or {}),
    )
    loop.train(factory, num_epochs=epochs, batch_size=16, use_tqdm=False, **(train_kwargs or {}))
    return loop


def assert_equal_models(a, b, equal: bool = True):
    pairs = list(zip(a.model.state_dict().items(), b.model.state_dict().items(), strict=True))
    assert all(torch.equal(x, y) for (_, x), (_, y) in pairs) == equal


SAMPLER = dict(negative_sampler=FilteredBernoulliNegativeSampler, negative_sampler_kwargs=dict(num_negs_per_pos=8))


@pytest.mark.parametrize("model_kwargs", [{}, dict(missing="mask", attention="per-modality"), dict(regularizer="lp")])
@pytest.mark.parametrize("train_kwargs", [{}, dict(sub_batch_size=5)])
def test_weight_zero_is_slcwa(model_kwargs, train_kwargs):
    """With lambda = 0 the model trains bit by bit as in PyKEEN's loop."""
    kwargs = dict(model_kwargs=model_kwargs, train_kwargs=train_kwargs)
    plain = train(SLCWATrainingLoop, loop_kwargs=SAMPLER, **kwargs)
    ours = train(MATTrainingLoop, loop_kwargs=dict(adversarial_weight=0.0, **SAMPLER), **kwargs)
    assert_equal_models(plain, ours)
    assert plain.losses_per_epochs == ours.losses_per_epochs


class OurSLCWATrainingLoop(SLCWATrainingLoop):
    """PyKEEN's loop with our order of summation."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        prefer_fused(self.optimizer)

    def _process_batch(self, batch, start, stop, label_smoothing=0.0, slice_size=None):
        positives = batch["positives"][start:stop]
        entities = torch.cat([positives[:, [0, 2]].flatten(), batch["negatives"][start:stop, ..., [0, 2]].flatten()])
        with self.model.sharing(entities):
            negative = score_negatives(self.model, batch, start, stop)
            with self.model.sharing(positives[:, [0, 2]]):
                positive = score_positives(self.model, positives)
        return negative_sampling_loss(self.model, self.loss, batch, start, stop, positive, negative, label_smoothing)


@pytest.mark.parametrize("model_kwargs", [{}, dict(regularizer="lp")])
def test_machinery_does_not_disturb(model_kwargs):
    """With a lambda too small to change any number, all of the adversarial machinery runs, and changes nothing.

    Hence, neither the generators' randomness nor their training touches the model, the sampler, or the regularizer.
    """
    plain = train(OurSLCWATrainingLoop, loop_kwargs=SAMPLER, model_kwargs=model_kwargs)
    loop_kwargs = dict(adversarial_weight=1e-40, num_groups=2, **SAMPLER)
    ours = train(MATTrainingLoop, loop_kwargs=loop_kwargs, model_kwargs=model_kwargs)
    assert_equal_models(plain, ours)
    assert ours.adversarial_losses_per_epoch


def test_weight_changes_the_model():
    a, b = (train(MATTrainingLoop, loop_kwargs=dict(adversarial_weight=w, **SAMPLER)) for w in (0.0, 0.5))
    assert_equal_models(a, b, equal=False)


@pytest.mark.parametrize(
    "loop_kwargs",
    [
        {},
        dict(num_groups=3),
        dict(synthetic_kinds=["tail"]),
        dict(synthetic_kinds=["both", "head"]),
        dict(adversarial_weighting="uniform"),
        dict(generator_objective="minimax"),
        dict(adversarial_weighting="uniform", generator_objective="minimax"),
        dict(noise_dim=3, hidden_dim=5),
        dict(generator_optimizer="sgd", generator_optimizer_kwargs=dict(lr=0.5)),
        dict(margin=3.0, adversarial_temperature=0.5),
    ],
)
def test_options(loop_kwargs):
    """Every option trains the generators, is deterministic, and makes a difference to the default."""
    kwargs = {**SAMPLER, "adversarial_weight": 0.5}
    first, second = (train(MATTrainingLoop, loop_kwargs={**kwargs, **loop_kwargs}) for _ in range(2))
    assert_equal_models(first, second)
    for a, b in zip(first.synthesizer.parameters(), second.synthesizer.parameters(), strict=True):
        assert torch.equal(a, b)
    assert first.adversarial_losses_per_epoch == second.adversarial_losses_per_epoch
    initial = [parameter.clone() for parameter in first.synthesizer.parameters()]
    first._reset_generators()
    assert all(not torch.equal(a, b) for a, b in zip(first.synthesizer.parameters(), initial, strict=True))
    if loop_kwargs:
        assert_equal_models(second, train(MATTrainingLoop, loop_kwargs=kwargs), equal=False)


class Order(TrainingCallback):
    """Record the order of updates."""

    def __init__(self):
        super().__init__()
        self.events = []

    def register_training_loop(self, training_loop):
        super().register_training_loop(training_loop)
        for name, optimizer in (("D", training_loop.optimizer), ("G", training_loop.generators.optimizer)):
            optimizer.register_step_pre_hook(lambda *_, name=name: self.events.append(name))


def test_order_of_updates():
    """Algorithm 1: for each batch first the discriminator, then the generators."""
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=7)
    loop = MATTrainingLoop(model=model, triples_factory=factory, automatic_memory_optimization=False, **SAMPLER)
    loop.train(factory, num_epochs=1, batch_size=16, use_tqdm=False)
    order = Order()
    loop.train(factory, num_epochs=2, batch_size=16, use_tqdm=False, continue_training=True, callbacks=order)
    num_batches = -(-factory.num_triples // 16)
    assert order.events == ["D", "G"] * num_batches


def test_size_probing_does_not_train_the_generators():
    """PyKEEN tries out whether batches fit in memory before training."""
    loop = train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=1)
    before = [parameter.clone() for parameter in loop.synthesizer.parameters()]
    loop._train(make_factory(), num_epochs=1, batch_size=16, only_size_probing=True, continue_training=True)
    assert all(torch.equal(a, b) for a, b in zip(loop.synthesizer.parameters(), before, strict=True))


def test_sub_batches_train_the_generators_on_the_whole_batch():
    """With uniform weights, gradients of sub-batches add up to those of the batch."""
    kwargs = dict(adversarial_weighting="uniform", generator_optimizer="sgd", adversarial_weight=0.5, **SAMPLER)
    results = []
    for sub_batch_size in (16, 4):
        loop = train(MATTrainingLoop, loop_kwargs=kwargs, epochs=1, lr=1e-8)
        batch = dict(positives=make_factory().mapped_triples[:16])
        noise = torch.randn(16, 4, 1, 64, generator=torch.Generator().manual_seed(0))
        queue = [x for rows in noise.split(sub_batch_size) for x in rows.unbind(dim=1)]
        loop.synthesizer.draw_noise = lambda *shape, queue=queue: queue.pop(0)
        loop._reset_generators()
        loop._sub_batch_size = sub_batch_size
        loop.step_generators(batch, only_size_probing=True)
        results.append([parameter.grad for parameter in loop.synthesizer.parameters()])
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-6)


def test_tracking_and_progress(monkeypatch):
    """The losses of both players reach the result tracker and the progress bar."""
    shown = []
    monkeypatch.setattr("tqdm.std.tqdm.set_postfix", lambda self, values=None, **kwargs: shown.append(values))
    tracker = PythonResultTracker()
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=7)
    loop = MATTrainingLoop(model=model, triples_factory=factory, result_tracker=tracker, **SAMPLER)
    loop.train(factory, num_epochs=2, batch_size=16)
    names = {"kgc_loss", "adversarial_loss", "discriminator_loss", "generator_loss"}
    for epoch in (1, 2):
        assert names <= set(tracker.metrics[epoch])
    assert [set(losses) for losses in loop.adversarial_losses_per_epoch] == [names, names]
    assert any(names <= set(values) for values in shown if values)
    losses = loop.adversarial_losses_per_epoch[0]
    assert losses["discriminator_loss"] == pytest.approx(
        losses["kgc_loss"] + 0.1 * losses["adversarial_loss"], rel=1e-4
    )


def test_default_sampler():
    """128 negatives for each positive, filtered; single options can be changed."""
    for kwargs, num in ((None, 128), (dict(num_negs_per_pos=5), 5)):
        loop = train(MATTrainingLoop, loop_kwargs=dict(negative_sampler_kwargs=kwargs), epochs=1)
        sampler = loop._create_training_data_loader(
            make_factory(), sampler=None, batch_size=4, drop_last=False
        ).dataset.negative_sampler
        assert isinstance(sampler, FilteredBernoulliNegativeSampler)
        assert sampler.num_negs_per_pos == num
    loop = train(MATTrainingLoop, loop_kwargs=dict(negative_sampler="basic"), epochs=1)
    assert loop.negative_sampler == "basic" or loop.negative_sampler is BasicNegativeSampler


def test_train_arguments():
    """What hyper-parameter optimization can set is in force."""
    loop = train(
        MATTrainingLoop,
        train_kwargs=dict(adversarial_weight=0.7, generator_lr=0.123, num_groups=2, num_negs_per_pos=3),
        epochs=1,
    )
    assert loop.adversarial_weight == 0.7
    assert loop.num_groups == 2
    assert loop.generators.optimizer.param_groups[0]["lr"] == 0.123
    sampler = loop._create_training_data_loader(make_factory(), sampler=None, batch_size=4, drop_last=False).dataset
    assert sampler.negative_sampler.num_negs_per_pos == 3
    assert set(MATTrainingLoop.hpo_default) >= {"adversarial_weight", "generator_lr", "num_groups", "num_negs_per_pos"}


def test_resume(tmp_path):
    """Generators, their optimizer and their randomness are part of a checkpoint."""
    checkpoint = dict(checkpoint_name="c.pt", checkpoint_directory=tmp_path, checkpoint_frequency=0)
    straight = train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=4)
    train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=2, train_kwargs=checkpoint)
    resumed = train(MATTrainingLoop, loop_kwargs=SAMPLER, epochs=4, train_kwargs=checkpoint)
    assert_equal_models(straight, resumed)
    for a, b in zip(straight.synthesizer.parameters(), resumed.synthesizer.parameters(), strict=True):
        assert torch.equal(a, b)
    assert straight.adversarial_losses_per_epoch == resumed.adversarial_losses_per_epoch


def test_early_stopping():
    """Early stopping restores the best epoch."""
    training, testing, validation = make_factory(num_triples=120).split([0.8, 0.1, 0.1], random_state=0)
    result = pipeline(
        training=training,
        testing=testing,
        validation=validation,
        model="AdaMFRotatE",
        model_kwargs=dict(embedding_dim=4),
        training_loop="MAT",
        stopper="early",
        stopper_kwargs=dict(frequency=1, patience=1),
        training_kwargs=dict(num_epochs=8, batch_size=32),
        random_seed=0,
        use_tqdm=False,
    )
    assert result.stopper.best_epoch >= 1


def test_validation_loss_does_not_train():
    """PyKEEN can measure the loss on other triples after each epoch, through the same method."""
    _, validation = make_factory(num_triples=120).split(0.8, random_state=0)
    kwargs = dict(loop_kwargs=SAMPLER, epochs=2)
    plain = train(MATTrainingLoop, **kwargs)
    measured = train(
        MATTrainingLoop,
        train_kwargs=dict(
            callbacks="evaluation-loss", callbacks_kwargs=dict(triples_factory=validation, maximum_batch_size=16)
        ),
        **kwargs,
    )
    # the measurement draws negatives, so that only the number of generator steps can be compared
    steps = [{int(state["step"]) for state in loop.generators.optimizer.state.values()} for loop in (plain, measured)]
    assert steps[0] == steps[1]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(adversarial_weight=-0.1), "adversarial_weight must be finite and not negative"),
        (dict(adversarial_weight=float("nan")), "adversarial_weight must be finite and not negative"),
        (dict(adversarial_weight=float("inf")), "adversarial_weight must be finite and not negative"),
        (dict(num_groups=0), "num_groups must be a positive integer"),
        (dict(num_groups=1.5), "num_groups must be a positive integer"),
        (dict(adversarial_weight="0.1"), "adversarial_weight must be finite and not negative"),
        (dict(num_groups=float("nan")), "num_groups must be a positive integer"),
        (dict(num_groups=True), "num_groups must be a positive integer"),
        (dict(noise_dim=0), "noise_dim must be a positive integer"),
        (dict(hidden_dim=-1), "hidden_dim must be a positive integer"),
        (dict(synthetic_kinds=[]), "synthetic_kinds must be some of"),
        (dict(synthetic_kinds="head"), "synthetic_kinds must be some of"),
        (dict(synthetic_kinds=["head", "relation"]), "synthetic_kinds must be some of"),
        (dict(adversarial_weighting="none"), "adversarial_weighting must be one of"),
        (dict(generator_objective="wasserstein"), "generator_objective must be one of"),
        (dict(margin=float("inf")), "margin must be finite"),
    ],
)
def test_bad_options(kwargs, message):
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=0)
    with pytest.raises(ValueError, match=message):
        MATTrainingLoop(model=model, triples_factory=factory, **kwargs)
    if set(kwargs) <= {"adversarial_weight", "num_groups"}:
        loop = MATTrainingLoop(model=model, triples_factory=factory)
        with pytest.raises(ValueError, match=message):
            loop.train(factory, **kwargs)


def test_models_without_the_contract():
    factory = make_factory()
    for model in (
        RotatE(triples_factory=factory, random_seed=0),
        AdaMFRotatE(triples_factory=factory, embedding_dim=4, use_structural=False, random_seed=0),
    ):
        with pytest.raises(ValueError, match=r"cannot be trained with modality adversarial training.*AdaMFRotatE"):
            MATTrainingLoop(model=model, triples_factory=factory)


@pytest.mark.parametrize("loss", [MarginRankingLoss(), SoftplusLoss()])
def test_losses_without_a_margin(loss):
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, loss=loss, random_seed=0)
    with pytest.raises(ValueError, match="Use loss='NSSA', or pass margin"):
        MATTrainingLoop(model=model, triples_factory=factory)
    loop = MATTrainingLoop(model=model, triples_factory=factory, margin=6.0, adversarial_temperature=1.0)
    assert torch.isfinite(torch.tensor(loop.train(factory, num_epochs=1, batch_size=16, use_tqdm=False))).all()


def test_non_finite_generator_loss():
    """The loss says so rather than spreading NaN."""
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, loss=NSSALoss(margin=12), random_seed=0)
    loop = MATTrainingLoop(model=model, triples_factory=factory, **SAMPLER)
    with torch.no_grad():
        next(loop.synthesizer.parameters()).fill_(float("nan"))
    with pytest.raises(NonFiniteLossError, match="generators' loss"):
        loop.step_generators(dict(positives=factory.mapped_triples[:4]), only_size_probing=False)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda():
    result = pipeline(
        training=make_factory(),
        testing=make_factory(seed=1),
        model="AdaMFRotatE",
        model_kwargs=dict(embedding_dim=4),
        training_loop="MAT",
        epochs=2,
        random_seed=0,
        device="cuda",
    )
    assert all(parameter.is_cuda for parameter in result.training_loop.synthesizer.parameters())
