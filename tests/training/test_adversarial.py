"""The training loop: what it changes, what it must not change, and what it refuses."""

import pytest
import torch
from pykeen.losses import MarginRankingLoss, NSSALoss, SoftplusLoss
from pykeen.pipeline import pipeline
from pykeen.sampling import BasicNegativeSampler
from pykeen.training import NonFiniteLossError, SLCWATrainingLoop
from pykeen.training.callbacks import TrainingCallback

from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.optimizers import prefer_fused
from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler
from pykeen_adamf.training import MATTrainingLoop
from pykeen_adamf.training.slcwa import negative_sampling_loss, score_negatives, score_positives

from ..cases import make_factory
from .cases import SAMPLER, assert_equal_models, train


@pytest.mark.slow_but_the_first
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


@pytest.mark.slow_but_the_first
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


@pytest.mark.slow
def test_weight_changes_the_model():
    a, b = (train(MATTrainingLoop, loop_kwargs=dict(adversarial_weight=w, **SAMPLER)) for w in (0.0, 0.5))
    assert_equal_models(a, b, equal=False)


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    "loop_kwargs",
    [
        {},
        dict(num_groups=3),
        dict(synthetic_kinds=["tail"]),
        dict(adversarial_weighting="uniform", generator_objective="minimax"),
        *(
            pytest.param(kwargs, marks=pytest.mark.slow)
            for kwargs in (
                dict(synthetic_kinds=["both", "head"]),
                dict(adversarial_weighting="uniform"),
                dict(generator_objective="minimax"),
                dict(noise_dim=3, hidden_dim=5),
                dict(generator_optimizer="sgd", generator_optimizer_kwargs=dict(lr=0.5)),
                dict(margin=3.0, adversarial_temperature=0.5),
            )
        ),
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
