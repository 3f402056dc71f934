"""Options that are refused, and models that cannot be trained."""

import pytest
from pykeen.models import RotatE

from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler
from pykeen_adamf.training import MATTrainingLoop

from ..cases import make_factory
from .cases import SAMPLER, make_loop


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


def test_sampler_options():
    """Options of the negative sampler can be given when training starts, as hyper-parameter optimization does."""
    loop = make_loop(MATTrainingLoop, loop_kwargs=SAMPLER)
    loop.train(make_factory(), num_epochs=1, batch_size=16, use_tqdm=False, num_negs_per_pos=3, filtered=False)
    assert loop.negative_sampler_kwargs == dict(num_negs_per_pos=3, filtered=False)
    with pytest.raises(TypeError, match="pool_sizes"):
        loop.train(make_factory(), pool_sizes=3)


def test_options_of_a_sampler_which_exists():
    factory = make_factory()
    sampler = FilteredBernoulliNegativeSampler(mapped_triples=factory.mapped_triples)
    loop = make_loop(MATTrainingLoop, loop_kwargs=dict(negative_sampler=sampler))
    with pytest.raises(ValueError, match=r"num_negs_per_pos.* cannot be set .* created already"):
        loop.train(factory, num_negs_per_pos=3)


def test_schedule_that_needs_a_metric():
    with pytest.raises(ValueError, match="needs a metric to follow"):
        make_loop(MATTrainingLoop, loop_kwargs=dict(generator_lr_scheduler="reducelronplateau"))
