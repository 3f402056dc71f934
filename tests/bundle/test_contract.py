"""Every model can be saved and loaded, with every option, loss, regularizer and training loop."""

import inspect
import json

import pytest
import torch
from class_resolver import ClassResolver
from pykeen.losses import InfoNCELoss, Loss, NSSALoss, loss_resolver
from pykeen.models import model_resolver
from pykeen.regularizers import CombinedRegularizer, LpRegularizer, regularizer_resolver
from pykeen.triples import TriplesFactory

from pykeen_adamf.bundle import load, save
from pykeen_adamf.bundle.arguments import describe_instance, restore_instance
from pykeen_adamf.bundle.layout import FORMAT_VERSION
from pykeen_adamf.bundle.training_triples import digest_labels
from pykeen_adamf.digests import digest_rows
from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.models import AdaMF, AdaMFRotatE
from pykeen_adamf.plugin import REGISTRATIONS

from ..cases import make_factory
from .cases import ALL, CASES, assert_same_predictions, make_half_factory, make_model

#: of features, triples, entities' and relations' labels
GOLDEN = ["b659c7c48b495c92", "87e4402078cc42f2", "2c09d395afb6e93c", "4da9064f2d94109c"]


def test_every_registered_model_is_tested():
    (names,) = [registration.names for registration in REGISTRATIONS if registration.resolver == "model_resolver"]
    assert {model_resolver.lookup(name) for name in names} == set(CASES)


@pytest.mark.parametrize("cls", CASES)
def test_every_option_is_tested(cls):
    """An option that is never changed from its default could be forgotten."""
    options = {
        name
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in {"triples_factory", "embedding_dim"}
    }
    assert options <= {name for kwargs in CASES[cls].values() for name in kwargs}


@pytest.mark.parametrize(("cls", "name"), ALL)
def test_trained_model_predicts_the_same(tmp_path, cls, name):
    kwargs = CASES[cls][name]
    factory = make_factory()
    model = make_model(cls, factory, loop="slcwa", **kwargs)
    bundle = load(save(model, factory, tmp_path / "bundle"), device="cpu")
    assert type(bundle.model) is cls
    assert not bundle.model.training
    assert bundle.training == factory
    assert bundle.training.entity_to_id == factory.entity_to_id
    assert bundle.model._random_seed == kwargs.get("random_seed", 0)
    assert_same_predictions(bundle.model, model, factory)
    state = bundle.model.state_dict()
    for key, x in model.state_dict().items():
        assert torch.equal(state[key], x), key
        assert state[key].dtype == x.dtype, key
    assert {key: x.requires_grad for key, x in bundle.model.named_parameters()} == {
        key: x.requires_grad for key, x in model.named_parameters()
    }
    assert repr(bundle.model) == repr(model)


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("loop", "inverse"),
    [
        *((loop, inverse) for loop in ("slcwa", "lcwa", "symmetriclcwa", "MAT") for inverse in (False, True)),
        *((loop, True) for loop in ("OneToN", "OneVsAll", "OneVsAllMAT")),
    ],
)
def test_every_training_loop(tmp_path, loop, inverse):
    factory = make_factory(create_inverse_triples=inverse)
    model = make_model(AdaMF if loop.startswith("One") else AdaMFRotatE, factory, loop=loop)
    bundle = load(save(model, factory, tmp_path), device="cpu")
    assert bundle.training.create_inverse_triples == inverse
    assert_same_predictions(bundle.model, model, factory)


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("missing", ["random", "zero", "mask"])
@pytest.mark.parametrize("trainable", [False, True])
def test_other_data_types_of_features(tmp_path, dtype, missing, trainable):
    factory = make_half_factory(dtype)
    model = make_model(factory=factory, loop="slcwa", missing=missing, trainable_features=trainable)
    bundle = load(save(model, factory, tmp_path), device="cpu")
    assert bundle.training == factory
    assert_same_predictions(bundle.model, model, factory)


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("cls", CASES)
def test_other_data_types_of_models(tmp_path, cls):
    factory = make_factory()
    model = make_model(cls, factory).double()
    assert_same_predictions(load(save(model, factory, tmp_path), device="cpu").model, model, factory)


def test_models_can_be_trained_on(tmp_path):
    """One more step does the same to both."""
    factory = make_factory()
    model = make_model(factory=factory, loop="slcwa")
    loaded = load(save(model, factory, tmp_path), device="cpu").model
    for x in (model, loaded):
        x.train()
        optimizer = torch.optim.SGD(x.get_grad_params(), lr=0.1)
        positive, negative = x.score_hrt(factory.mapped_triples), x.score_hrt(factory.mapped_triples.flip(0))
        loss = x.loss.process_slcwa_scores(positive, negative.view(-1, 1))
        loss.backward()
        optimizer.step()
    assert_same_predictions(loaded, model, factory)


def instances(resolver: ClassResolver) -> list:
    """Make one instance of each class with its defaults, and one with every plain argument changed."""
    result = []
    for cls in sorted(set(resolver.lookup_dict.values()), key=lambda x: x.__name__):
        if cls is CombinedRegularizer:
            continue
        result.append(cls())
        changed = {
            name: not parameter.default if isinstance(parameter.default, bool) else parameter.default * 0.5
            for name, parameter in inspect.signature(cls.__init__).parameters.items()
            if isinstance(parameter.default, bool | float)
        }
        result.append(cls(**changed))
    return result


LOSSES = [
    *instances(loss_resolver),
    *(cls(reduction="sum") for cls in (NSSALoss, InfoNCELoss)),
    loss_resolver.make("doublemargin", positive_margin=3.0, offset=1.0, margin_activation="softplus"),
    loss_resolver.make("bcewithlogits", pos_weight=2.0),
    loss_resolver.make("focal", gamma=1.0, alpha=0.25, reduction="sum"),
]
REGULARIZERS = [
    *instances(regularizer_resolver),
    CombinedRegularizer([LpRegularizer(weight=0.2, p=1), regularizer_resolver.make("powersum")], total_weight=0.7),
]


@pytest.mark.parametrize("instance", [*LOSSES, *REGULARIZERS], ids=lambda x: type(x).__name__)
def test_every_loss_and_regularizer(instance):
    resolver = loss_resolver if isinstance(instance, Loss) else regularizer_resolver
    description = json.loads(json.dumps(describe_instance(instance, "it")))
    restored = restore_instance(description, resolver, "it")
    assert type(restored) is type(instance)
    assert all(torch.equal(x, y) for x, y in zip(restored.buffers(), instance.buffers(), strict=True))
    scores = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    if isinstance(instance, Loss):
        positive, negative = (part.contiguous() for part in scores.split([1, 2], dim=1))
        results = [x.process_slcwa_scores(positive, negative) for x in (restored, instance)]
    elif description["name"] == "orthogonality":
        results = [x.epsilon for x in (restored, instance)]
    else:
        results = [x(scores) for x in (restored, instance)]
    torch.testing.assert_close(*results, rtol=1e-6, atol=0)


def test_digests_stay_the_same():
    """Later versions must read what has been written; if they cannot, count up the version of the format."""
    matrix = torch.arange(6, dtype=torch.float16).view(3, 2)
    features = ModalityFeatures.from_matrix(matrix, ["a", "ß", "🚀"], presence=[False, True, True])
    factory = TriplesFactory(torch.tensor([[0, 0, 2], [1, 1, 0]]), {"🚀": 2, "a": 0, "ß": 1}, {"r": 0, "s": 1})
    digests = [features.digest(), digest_rows(factory.mapped_triples), *digest_labels(factory).values()]
    assert (FORMAT_VERSION, [digest[:16] for digest in digests]) == (1, GOLDEN)


def test_frozen_features_are_tested_in_every_way():
    """Their table is stored, or not; both occur."""
    frozen = [name for name, kwargs in CASES[AdaMFRotatE].items() if kwargs.get("trainable_features") is False]
    assert {CASES[AdaMFRotatE][name].get("missing", "random") for name in frozen} == {"random", "zero", "mask"}
