"""Lazy Adam: Adam where gradients are dense, and lazy where they are sparse."""

import pytest
import torch
from pykeen.pipeline import pipeline
from torch import nn
from torch.optim import Adam, SparseAdam

from pykeen_adamf import chunking
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.optimizers import LazyAdam

from .cases import make_factory


def run(optimizer_cls, sparse: bool, steps: int = 10, **kwargs):
    """Train an embedding on random targets, with rows that occur several times, once, or never."""
    torch.manual_seed(0)
    embedding = nn.Embedding(30, 5, sparse=sparse, dtype=torch.float64)
    optimizer = optimizer_cls(list(embedding.parameters()), lr=0.05, **kwargs)
    for _ in range(steps):
        optimizer.zero_grad()
        (embedding(torch.randint(20, (12,))) * torch.randn(12, 5, dtype=torch.float64)).sum().backward()
        optimizer.step()
    return embedding.weight.detach()


@pytest.mark.parametrize("kwargs", [{}, dict(betas=(0.5, 0.9), eps=1e-3)])
@pytest.mark.parametrize("numel", [1, 2**18])
def test_equivalence(kwargs, numel, monkeypatch):
    monkeypatch.setattr(chunking, "CHUNK_NUMEL_CPU", numel)
    torch.testing.assert_close(run(LazyAdam, False, **kwargs), run(Adam, False, **kwargs), rtol=1e-7, atol=1e-7)
    # SparseAdam adds epsilon before the correction of the bias
    if not kwargs:
        torch.testing.assert_close(run(LazyAdam, True), run(SparseAdam, True), rtol=1e-5, atol=1e-5)
    # Adam is lazy Adam where each row occurs in each step
    assert not torch.equal(run(LazyAdam, True, **kwargs), run(LazyAdam, False, **kwargs))


def test_all_rows():
    """With all rows in each step, nothing is lazy."""
    results = []
    for sparse in (False, True):
        torch.manual_seed(0)
        embedding = nn.Embedding(7, 3, sparse=sparse, dtype=torch.float64)
        optimizer = LazyAdam(embedding.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            embedding(torch.randperm(7)).square().sum().backward()
            optimizer.step()
        results.append(embedding.weight.detach())
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-6)


def test_untouched_rows():
    before = run(LazyAdam, True, steps=0)
    after = run(LazyAdam, True)
    assert torch.equal(after[20:], before[20:])
    assert not torch.equal(after[:20], before[:20])


@pytest.mark.parametrize(
    "kwargs", [dict(lr=0.0), dict(lr=-1.0), dict(eps=0.0), dict(betas=(1.0, 0.9)), dict(betas=(0.9,))]
)
def test_bad_options(kwargs):
    with pytest.raises(ValueError, match=next(iter(kwargs))):
        LazyAdam([nn.Parameter(torch.zeros(2))], **kwargs)


def test_wrong_sparsity():
    parameter = nn.Parameter(torch.zeros(2, 2))
    parameter.grad = torch.eye(2).to_sparse()
    with pytest.raises(ValueError, match="first dimension"):
        LazyAdam([parameter]).step()


def test_state():
    """Saved and loaded, it goes on as before; the closure's loss is returned."""
    parameters = [nn.Parameter(torch.ones(3)) for _ in range(2)]
    optimizers = [LazyAdam([parameter], lr=0.1) for parameter in parameters]
    for parameter, optimizer in zip(parameters, optimizers, strict=True):

        def closure(parameter=parameter, optimizer=optimizer):
            optimizer.zero_grad()
            loss = parameter.square().sum()
            loss.backward()
            return loss

        assert optimizer.step(closure).item() == 3.0
        other = LazyAdam([parameter], lr=0.1)
        other.load_state_dict(optimizer.state_dict())
        (optimizer if parameter is parameters[0] else other).step(closure)
    assert torch.equal(*parameters)


@pytest.mark.parametrize(
    ("training_loop", "trainable"),
    [
        ("slcwa", True),
        pytest.param("slcwa", False, marks=pytest.mark.slow),
        pytest.param("MAT", False, marks=pytest.mark.slow),
        pytest.param("MAT", True, marks=pytest.mark.slow),
    ],
)
def test_pipeline(training_loop, trainable):
    factory = make_factory()
    result = pipeline(
        training=factory,
        testing=factory,
        model="AdaMFRotatE",
        model_kwargs=dict(embedding_dim=4, sparse=True, trainable_features=trainable, missing="zero"),
        training_loop=training_loop,
        optimizer="LazyAdam",
        optimizer_kwargs=dict(lr=0.01),
        negative_sampler="FilteredBernoulli",
        negative_sampler_kwargs=dict(num_negs_per_pos=8, pool_size=10),
        training_kwargs=dict(num_epochs=20, batch_size=16, use_tqdm=False),
        evaluation_kwargs=dict(use_tqdm=False),
        random_seed=0,
    )
    assert result.losses[-1] < result.losses[0]


def test_sparse_gradients_are_the_dense_ones():
    gradients = []
    for sparse in (False, True):
        factory = make_factory()
        model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=0, sparse=sparse).double()
        model.score_hrt(factory.mapped_triples[:20]).square().sum().backward()
        gradients.append({name: x.grad for name, x in model.named_parameters() if x.requires_grad})
        assert sparse == any(x.is_sparse for x in gradients[-1].values())
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name].to_dense(), expected, msg=name)


def test_other_optimizers_refuse():
    """Adam itself says that it cannot do this, rather than doing something else."""
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, sparse=True)
    model.score_hrt(factory.mapped_triples).sum().backward()
    with pytest.raises(RuntimeError, match="sparse gradients"):
        Adam(model.get_grad_params()).step()
