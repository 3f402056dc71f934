"""KBGAN: what the generator learns, by formulas, and that it does."""

import numpy
import pytest
import torch
from pykeen.hpo import hpo_pipeline
from pykeen.models import ComplEx, DistMult, TransE
from pykeen.training import NonFiniteLossError
from pykeen.training.callbacks import TrainingCallback
from pykeen.training.training_loop import CheckpointMismatchError

from pykeen_adamf.models import VBKGC, AdaMFRotatE, Structural
from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler
from pykeen_adamf.training import KBGANTrainingLoop

from ..cases import make_factory
from .cases import assert_equal_models

SGD = dict(generator_optimizer="sgd", generator_optimizer_kwargs=dict(lr=1.0))


def make(model_cls=TransE, factory=None, lr=0.01, model_kwargs=None, **kwargs):
    factory = make_factory() if factory is None else factory
    model = model_cls(
        triples_factory=factory,
        **{"embedding_dim": 4, "random_seed": 0, "loss": "marginranking", **(model_kwargs or {})},
    )
    kwargs = dict(generator_kwargs=dict(embedding_dim=3)) | kwargs
    return KBGANTrainingLoop(
        model=model, triples_factory=factory, optimizer="adam", optimizer_kwargs=dict(lr=lr), **kwargs
    )


def make_batch(loop, num=5):
    torch.manual_seed(3)
    positives = make_factory().mapped_triples[:num]
    negatives = FilteredBernoulliNegativeSampler(
        mapped_triples=make_factory().mapped_triples, num_negs_per_pos=6
    ).corrupt_batch(positives)
    return {"positives": positives, "negatives": negatives}


def test_step():
    """The gradient of the logarithm of what was chosen, times the reward above the mean, as in the paper."""
    # PyKEEN's DistMult has a regularizer
    loop = make(generator=Structural, generator_kwargs=dict(interaction="DistMult", embedding_dim=3), **SGD)
    loop.model.train()
    batch = make_batch(loop)
    entities, relations = (
        x[0]._embeddings.weight
        for x in (loop.generator.entity_representations, loop.generator.relation_representations)
    )
    e, r = (x.detach().double().numpy().copy() for x in (entities, relations))
    loop.baseline, loop._is_learning = -2.0, True
    torch.manual_seed(5)
    loss = loop._process_batch(batch, 0, 5)
    loop.step_chooser()
    # what was chosen is known from the same random numbers
    h, k, t = batch["negatives"].numpy().transpose(2, 0, 1)
    scores = (e[h] * r[k] * e[t]).sum(axis=-1)
    p = numpy.exp(scores) / numpy.exp(scores).sum(axis=1, keepdims=True)
    torch.manual_seed(5)
    chosen = torch.as_tensor(p, dtype=torch.float32).multinomial(1)[:, 0].numpy()
    negatives = batch["negatives"][torch.arange(5), chosen]
    with torch.no_grad():
        rewards = loop.model.score_hrt(negatives)[:, 0].double().numpy()
        positive = loop.model.score_hrt(batch["positives"])[:, 0].double().numpy()
    gradient = numpy.zeros_like(r)
    for i, j in enumerate(chosen):
        # of a softmax: one for what was chosen, minus the probabilities
        for n in range(6):
            weight = -(rewards[i] + 2.0) * (float(n == j) - p[i, n]) / 5
            gradient[k[i, n]] += weight * e[h[i, n]] * e[t[i, n]]
    numpy.testing.assert_allclose(relations.detach(), r - gradient, rtol=1e-4, atol=1e-5)
    assert loop.baseline == pytest.approx(-2.0 + 0.1 * (rewards.mean() + 2.0))
    # and the model's loss is that of the chosen negatives
    assert loss.item() == pytest.approx(numpy.maximum(0, 1 + rewards - positive).mean(), rel=1e-4)


def test_it_prefers_what_seems_to_be_true():
    """With a model that does not change, rewards grow, from those of candidates at random."""
    factory = make_factory(num_entities=30, num_triples=300)
    loop = make(
        factory=factory, lr=0.0, generator_optimizer_kwargs=dict(lr=0.05), generator_kwargs=dict(embedding_dim=16)
    )
    rewards = []
    accumulate = loop._accumulate
    loop._accumulate = lambda x, *args: rewards.append(float(x.mean())) or accumulate(x, *args)
    loop.train(factory, num_epochs=40, batch_size=64, use_tqdm=False)
    steps = len(rewards) // 40
    spread = numpy.std(rewards[: 3 * steps])
    assert numpy.mean(rewards[-3 * steps :]) > numpy.mean(rewards[: 3 * steps]) + 3 * spread


class NoStep(torch.optim.SGD):
    """Keeps gradients."""

    def step(self):
        """Do nothing."""

    def zero_grad(self):
        """Do nothing."""


class Interruption(TrainingCallback):
    """Interrupts training in the fourth epoch."""

    def on_batch(self, epoch, batch, batch_loss, **kwargs):
        if epoch == 4:
            raise KeyboardInterrupt


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("model_cls", "kwargs"),
    [
        (TransE, {}),
        (AdaMFRotatE, dict(generator="ComplEx")),
        (VBKGC, dict(generator="VBKGC", generator_kwargs=dict(embedding_dim=4))),
    ],
)
def test_interrupted(model_cls, kwargs, tmp_path):
    """Any two models; after an interruption, both go on bit by bit."""
    factory = make_factory()
    options = dict(num_epochs=6, batch_size=16, use_tqdm=False)
    files = dict(checkpoint_directory=tmp_path, checkpoint_name="x.pt", checkpoint_frequency=0)
    whole = make(model_cls, **kwargs)
    whole.train(factory, **options)
    with pytest.raises(KeyboardInterrupt):
        make(model_cls, **kwargs).train(factory, callbacks=Interruption(), **options, **files)
    again = make(model_cls, **kwargs)
    again.train(factory, **options, **files)
    assert_equal_models(whole, again)
    for name, x in whole.generator.state_dict().items():
        assert torch.equal(x, again.generator.state_dict()[name])
    assert whole.baseline == again.baseline
    # with another generator, it does not go on
    with pytest.raises(CheckpointMismatchError, match="generator"):
        make(model_cls, generator="TransD", generator_kwargs=dict(embedding_dim=3, relation_dim=3)).train(
            factory, **options, **files
        )


def test_trained_generator():
    """It is where it was trained to, and not changed before."""
    generator = DistMult(triples_factory=make_factory(), embedding_dim=3, random_seed=9)
    state = {name: x.clone() for name, x in generator.state_dict().items()}
    loop = make(generator=generator, generator_kwargs=None)
    assert loop.generator is generator
    assert all(torch.equal(x, state[name]) for name, x in generator.state_dict().items())


def test_invalid_candidates():
    """They are never chosen; where there is no other one, the triple has no negative."""
    loop = make()
    batch = make_batch(loop)
    masks = torch.zeros(5, 6, dtype=torch.bool)
    masks[[0, 1, 2], [4, 1, 0]] = True
    seen = []
    score = loop.model.score_hrt
    loop.model.score_hrt = lambda x, **kwargs: seen.append(x) or score(x, **kwargs)
    loop.model.train()
    loop._is_learning = True
    assert loop._process_batch({**batch, "masks": masks}, 0, 5).isfinite()
    assert len(loop._rewards[0]) == 3
    assert torch.equal(seen[0][:3], batch["negatives"][[0, 1, 2], [4, 1, 0]])


def test_nothing_is_learned_before():
    """PyKEEN tries batches of all sizes before, and measures losses in between, of which nothing remains."""
    seen, loop = [], make()
    step = loop.step_chooser
    loop.step_chooser = lambda: seen.append(loop.baseline) or step()
    assert loop.automatic_memory_optimization
    loop.train(make_factory(), num_epochs=2, batch_size=16, use_tqdm=False)
    assert seen[0] == 0
    assert len(seen) == 2 * -(-len(make_factory().mapped_triples) // 16)


def test_parts_of_batches(monkeypatch):
    """The gradient of a batch is that of its parts together, and there is one step."""
    monkeypatch.setattr(torch.Tensor, "multinomial", lambda x, num: x.argmax(dim=1, keepdim=True))
    gradients = []
    for parts in ([(0, 5)], [(0, 2), (2, 5)]):
        loop = make()
        batch = make_batch(loop)
        loop.model.train()
        loop._is_learning, loop.chooser_optimizer = True, NoStep(loop.generator.parameters())
        for start, stop in parts:
            loop._process_batch(batch, start, stop)
        gradients.append(torch.cat([x.grad.flatten() for x in loop.generator.parameters() if x.grad is not None]))
        assert sum(map(len, loop._rewards)) == 5
    torch.testing.assert_close(*gradients)


def test_tuned():
    """A study keeps the sampler, and the generator's learning rate, which is no option of the method train."""
    result = hpo_pipeline(
        dataset="nations",
        model="TransE",
        model_kwargs=dict(embedding_dim=3),
        training_loop="KBGAN",
        training_loop_kwargs=dict(generator_kwargs=dict(embedding_dim=3), generator_optimizer_kwargs=dict(lr=0.1)),
        negative_sampler="bernoulli",
        negative_sampler_kwargs=dict(num_negs_per_pos=3),
        training_kwargs=dict(num_epochs=1, batch_size=512, use_tqdm=False),
        n_trials=1,
        device="cpu",
    )
    assert result.study.user_attrs["negative_sampler"] == "bernoulli"
    assert result.study.best_trial.state.name == "COMPLETE"


def test_bad_input():
    with pytest.raises(ValueError, match=r"nothing to choose from with num_negs_per_pos=1"):
        make(negative_sampler_kwargs=dict(num_negs_per_pos=1)).train(make_factory(), num_epochs=1, use_tqdm=False)
    other = ComplEx(triples_factory=make_factory(num_entities=21), embedding_dim=3)
    with pytest.raises(ValueError, match="The generator has 21 entities and 4 relations, but the model has 20 and 4"):
        make(generator=other, generator_kwargs=None)


def test_a_generator_that_diverged():
    """Training says so, as it does of losses."""
    loop = make()
    with torch.no_grad():
        for parameter in loop.generator.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(NonFiniteLossError, match="generator"):
        loop._process_batch(make_batch(loop), 0, 5)
