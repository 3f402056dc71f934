"""Predictions from one table of all entities: PyKEEN's scores and ranks, and never those of another state."""

import copy
import pickle

import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.models import ERModel
from pykeen.predict import predict_target
from pykeen.training import LCWATrainingLoop

from pykeen_adamf.models import AdaMFRotatE, LpRotatE
from pykeen_adamf.optimizers import LazyAdam

from ..cases import make_factory
from .test_models import MODELS


def make_model(name: str = "AdaMF", seed: int = 0):
    cls, kwargs = MODELS[name]
    return cls(triples_factory=make_factory(), embedding_dim=4, random_seed=seed, **kwargs).eval()


def pykeens(model, method: str, batch, **kwargs):
    return getattr(ERModel, method)(model, batch, **kwargs)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("method", ["score_h", "score_t"])
@pytest.mark.parametrize("ids", [None, [3], [5, 1, 1, 7]])
def test_scores(name, dtype, method, ids):
    model = make_model(name).to(dtype)
    triples = make_factory().mapped_triples
    batch = triples[:, 1:] if method == "score_h" else triples[:, :2]
    argument = {"heads" if method == "score_h" else "tails": None if ids is None else torch.as_tensor(ids)}
    tolerance = 1e-10 if dtype == torch.float64 else 1e-4
    with torch.inference_mode():
        actual = getattr(model, method)(batch, **argument)
        expected = pykeens(model, method, batch, **argument)
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("inverse", [False, True])
def test_ranks(name, inverse):
    """Through PyKEEN's evaluator: every metric of both sides."""
    cls, kwargs = MODELS[name]
    factory = make_factory(create_inverse_triples=inverse)
    results = []
    for plain in (False, True):
        model = cls(triples_factory=factory, embedding_dim=4, random_seed=0, **kwargs).double()
        if plain:
            # through PyKEEN's own methods
            model._get_predicting_interaction = lambda *args: None
        results.append(
            RankBasedEvaluator(clear_on_finalize=False).evaluate(
                model, make_factory(seed=1).mapped_triples, additional_filter_triples=factory.mapped_triples
            )
        )
    assert results[0].to_flat_dict() == results[1].to_flat_dict()


CHANGES = {
    **{
        f"{cls.__name__}{kwargs}": lambda model, cls=cls, kwargs=kwargs: cls(
            model.get_grad_params(), lr=0.1, **kwargs
        ).step()
        for cls in (torch.optim.SGD, torch.optim.Adam, LazyAdam)
        for kwargs in ([{}] if cls is LazyAdam else [{}, dict(fused=True), dict(foreach=True)])
    },
    "moving average": lambda model: [x.data.copy_(0.9 * x.data) for x in model.get_grad_params()],
    "reset": lambda model: model.reset_parameters_(),
    "loaded": lambda model: model.load_state_dict(make_model(seed=1).state_dict()),
    "in place": lambda model: [x.mul_(2) for x in model.get_grad_params()],
    "through data": lambda model: [
        setattr(x, "data", 2 * x.data) for x in (*model.get_grad_params(), *model.buffers()) if x.is_floating_point()
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_seen(change):
    model = make_model()
    batch = make_factory().mapped_triples
    model.score_hrt(batch).square().sum().backward()
    with torch.no_grad():
        before = model.score_t(batch[:, :2])
        CHANGES[change](model)
        after = model.score_t(batch[:, :2])
        assert not torch.allclose(before, after)
        torch.testing.assert_close(after, pykeens(model, "score_t", batch[:, :2]))


def test_training_is_seen():
    """Also of a loop that assigns to the parameters' data, after each epoch."""
    factory = make_factory()
    model = LpRotatE(triples_factory=factory, embedding_dim=4, random_seed=0)
    for _ in range(2):
        loop = LCWATrainingLoop(model=model, triples_factory=factory, optimizer="adam")
        loop.train(factory, num_epochs=1, use_tqdm=False)
        model.eval()
        with torch.no_grad():
            batch = factory.mapped_triples[:, :2]
            torch.testing.assert_close(model.score_t(batch), pykeens(model, "score_t", batch))


def test_calculated_once(monkeypatch):
    model = make_model()
    calls = []
    forward = model.entity_representations[0].forward
    monkeypatch.setattr(model.entity_representations[0], "forward", lambda *x: calls.append(1) or forward(*x))
    RankBasedEvaluator().evaluate(model, make_factory().mapped_triples, batch_size=2, use_tqdm=False)
    predict_target(model, head=0, relation=0, triples_factory=make_factory())
    assert len(calls) == 1


def test_gradients_and_training_are_pykeens():
    """Where gradients are wanted, they flow; and a model that is being trained has nothing to keep."""
    model = make_model()
    batch = make_factory().mapped_triples[:, :2]
    assert model.score_t(batch).requires_grad
    model.train()
    with torch.no_grad():
        model.score_t(batch)
    assert model._entity_table._tables == {}


def test_usable_after_inference_mode():
    """What was kept in inference mode is of use outside of it."""
    model = make_model()
    batch = make_factory().mapped_triples[:, :2]
    with torch.inference_mode():
        model.score_t(batch)
    with torch.no_grad():
        assert not model.score_t(batch).is_inference()
    model.train()
    model.score_t(batch).sum().backward()


def test_copies_are_without():
    model = make_model()
    with torch.no_grad():
        model.score_t(make_factory().mapped_triples[:, :2])
    assert model._entity_table._tables
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other._entity_table._tables == {}
        # nor is it needed by models which were saved without
        del other._entity_table
        with torch.no_grad():
            other.eval().score_t(make_factory().mapped_triples[:, :2])


def test_precision_is_seen():
    model = make_model()
    batch = make_factory().mapped_triples[:, :2]
    with torch.no_grad():
        model.score_t(batch)
        assert model.double().score_t(batch).dtype == torch.float64


def test_frozen_features_are_not_copied():
    """Frozen features stay where they are; nothing that happens to a model changes them."""
    factory = make_factory(missing=0.0)
    features = factory.features["visual"]
    original = features.matrix.clone()

    def make(**kwargs):
        return AdaMFRotatE(triples_factory=factory, embedding_dim=4, trainable_features=False, **kwargs)

    model = make()
    table = model.fused.bases["visual"].table
    assert table.data_ptr() == features.matrix.data_ptr()
    assert table not in set(model.get_grad_params())
    # the same ones
    model.load_state_dict(make().state_dict())
    assert table.data_ptr() == features.matrix.data_ptr()
    # others
    state = {name: value + 1 if name.endswith("visual.table") else value for name, value in make().state_dict().items()}
    model.load_state_dict(state)
    assert torch.equal(features.matrix, original)
    assert torch.equal(model.fused.bases["visual"].table, original + 1)
    model.reset_parameters_()
    assert torch.equal(model.fused.bases["visual"].table, original)
    # random ones have to be somewhere else
    factory = make_factory()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, trainable_features=False)
    assert model.fused.bases["visual"].table.data_ptr() != factory.features["visual"].matrix.data_ptr()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, trainable_features=False, missing="mask")
    model.load_state_dict(model.state_dict())
    assert model.fused.bases["visual"].table.data_ptr() == factory.features["visual"].matrix.data_ptr()


@pytest.mark.parametrize("dtype", ["single", "int64", torch.long, 3])
def test_bad_compute_dtype(dtype):
    with pytest.raises(ValueError, match="compute_dtype"):
        AdaMFRotatE(triples_factory=make_factory(), embedding_dim=4, compute_dtype=dtype)


def test_unfreezing():
    """Features that are trained after all are a copy."""
    factory = make_factory(missing=0.0)
    original = factory.features["visual"].matrix.clone()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, trainable_features=False)
    model.requires_grad_(True)
    optimizer = torch.optim.SGD(model.get_grad_params(), lr=1.0)
    model.score_hrt(factory.mapped_triples).sum().backward()
    optimizer.step()
    assert torch.equal(factory.features["visual"].matrix, original)
    assert not torch.equal(model.fused.bases["visual"].table, original)
    model.reset_parameters_()
    assert torch.equal(model.fused.bases["visual"].table, original)


@pytest.mark.parametrize("name", MODELS)
def test_no_triples(name):
    assert make_model(name).score_hrt(torch.zeros(0, 3, dtype=torch.long)).shape == (0, 1)


@pytest.mark.parametrize("name", MODELS)
def test_negative_ids(name):
    """Where a label was not found, there is no score."""
    model = make_model(name)
    with pytest.raises(IndexError):
        model.score_hrt(torch.tensor([[-1, 0, 1]]))
    with pytest.raises(IndexError), torch.no_grad():
        model.score_t(torch.tensor([[-1, 0]]))


def test_inference_tensors():
    """A model that was made in inference mode predicts, too."""
    model = make_model()
    batch = make_factory().mapped_triples[:, :2]
    with torch.no_grad():
        expected = model.score_t(batch)
    with torch.inference_mode():
        torch.testing.assert_close(copy.deepcopy(model).score_t(batch), expected)


def test_monte_carlo_dropout():
    model = make_model()
    dropout = model.fused.bases["structural"].dropout = torch.nn.Dropout(0.5)
    model.eval()
    dropout.train()
    batch = make_factory().mapped_triples[:, :2]
    with torch.no_grad():
        assert not torch.equal(model.score_t(batch), model.score_t(batch))


def test_few_candidates(monkeypatch):
    """The representations of all entities are not calculated for some of them only."""
    model = make_model()
    batch = make_factory().mapped_triples[:, :2]
    with torch.no_grad():
        few = model.score_t(batch, tails=torch.tensor([3]))
        assert model._entity_table._tables == {}
        torch.testing.assert_close(model.score_t(batch)[:, [3]], few)
        torch.testing.assert_close(model.score_t(batch, tails=torch.tensor([3])), few)
