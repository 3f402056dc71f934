"""Datasets in which modalities are missing on purpose."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pykeen.datasets import get_dataset
from pykeen.datasets.base import EagerDataset
from pykeen.pipeline import pipeline

from pykeen_adamf.datasets import EagerMultimodalDataset
from pykeen_adamf.datasets.dropping import DROPPING_ORDERS, count_triples, drop_from_dataset, drop_from_factory
from pykeen_adamf.triples import MultimodalTriplesFactory, without_features
from tests.cases import make_factory
from tests.features.cases import relaxed


def make_dataset(with_validation: bool = True) -> EagerMultimodalDataset:
    parts = make_factory(num_entities=40, num_triples=200).split([0.6, 0.2, 0.2], random_state=0)
    return EagerMultimodalDataset(*parts[: 3 if with_validation else 2], metadata={"name": "small", "version": 2})


dataset = make_dataset()
orders = st.sampled_from(DROPPING_ORDERS)


def factories(dataset):
    return dataset.training, dataset.testing, dataset.validation


def missing(factory, name):
    """Return who misses a modality."""
    return set((~factory.features[name].presence).nonzero().view(-1).tolist())


@relaxed
@given(pair=st.tuples(st.floats(0, 1), st.floats(0, 1)), seed=st.integers(0, 9), by=orders)
def test_exact_counts_and_nested(pair, seed, by):
    fewer, more = (drop_from_dataset(dataset, ratio, seed, by=by).training for ratio in sorted(pair))
    for name, original in dataset.training.features.items():
        for ratio, factory in zip(sorted(pair), (fewer, more), strict=True):
            dropped = original.num_present - factory.features[name].num_present
            assert dropped == round(ratio * original.num_present)
        assert missing(dataset.training, name) <= missing(fewer, name) <= missing(more, name)


@relaxed
@given(ratio=st.floats(0, 1), seed=st.integers(0, 9), by=orders)
def test_all_factories_alike(ratio, seed, by):
    derived = drop_from_dataset(dataset, ratio, seed, by=by)
    for factory, original in zip(factories(derived), factories(dataset), strict=True):
        assert isinstance(factory, MultimodalTriplesFactory)
        assert torch.equal(factory.mapped_triples, original.mapped_triples)
        assert factory.entity_to_id == original.entity_to_id
        assert factory.features == derived.training.features
        for name, modality in factory.features.items():
            # one copy for all
            assert modality is derived.training.features[name]
            kept = modality.presence
            assert torch.equal(modality.matrix[kept], original.features[name].matrix[kept])
            assert not modality.matrix[~kept].any()
    assert derived == drop_from_dataset(dataset, ratio, seed, by=by)


def test_the_given_dataset_is_not_changed():
    derived = drop_from_dataset(dataset, 0.5, seed=0)
    assert derived.training.features != dataset.training.features
    assert dataset == make_dataset()


def test_extremes():
    nothing, everything = (drop_from_dataset(dataset, ratio, seed=0) for ratio in (0, 1))
    for name, modality in dataset.training.features.items():
        assert nothing.training.features[name] == modality
        assert everything.training.features[name].num_present == 0
        assert not everything.testing.features[name].matrix.any()
        assert everything.training.features[name].dim == modality.dim
    assert everything.training.coverage().num_none == 40


@pytest.mark.parametrize("by", DROPPING_ORDERS)
def test_one_modality(by):
    """Who loses it does not depend on what else is dropped."""
    one, all_ = (drop_from_dataset(dataset, 0.4, 1, by=by, modalities=names) for names in (["textual"], None))
    assert list(one.training.features) == list(dataset.training.features)
    assert one.training.features["visual"] is dataset.training.features["visual"]
    assert one.training.features["textual"] == all_.training.features["textual"]


def test_modalities_are_dropped_independently():
    """Entities that have both lose one, the other, both, or none."""
    parts = make_factory(num_entities=40, num_triples=200, missing=0).split([0.8, 0.2], random_state=0)
    features = drop_from_dataset(EagerMultimodalDataset(*parts), 0.5, seed=0).training.features
    pairs = torch.stack([modality.presence for modality in features.values()], dim=-1)
    assert len(pairs.unique(dim=0)) == 4


def test_by_degree_of_training_triples():
    """Recounted by hand."""
    derived = drop_from_dataset(dataset, 0.5, seed=0, by="degree")
    degree = dict.fromkeys(range(40), 0)
    for head, _, tail in dataset.training.mapped_triples.tolist():
        for entity in {head, tail}:
            degree[entity] += 1
    for name, modality in derived.training.features.items():
        dropped = missing(derived.training, name) - missing(dataset.training, name)
        assert max(map(degree.get, dropped)) <= min(degree[i] for i in modality.presence.nonzero().view(-1).tolist())


def test_count_triples():
    """A loop is one triple, and inverse triples are none of their own."""
    factory = make_factory(num_entities=4).clone_and_exchange_triples(
        torch.tensor([[0, 0, 0], [0, 1, 1], [1, 0, 2]]), create_inverse_triples=True
    )
    assert count_triples(factory).tolist() == [2, 2, 1, 0]


@pytest.mark.parametrize("by", DROPPING_ORDERS)
def test_factories(by):
    factory = drop_from_factory(dataset.training, 0.3, seed=2, by=by)
    assert factory == drop_from_dataset(dataset, 0.3, seed=2, by=by).training


def test_metadata():
    assert drop_from_dataset(dataset, 0.2, seed=3, by="degree").metadata == {
        "version": 2,
        "dropping": {
            "base": "small",
            "ratio": 0.2,
            "seed": 3,
            "by": "degree",
            "modalities": ["visual", "textual"],
        },
    }


def test_without_validation_triples():
    derived = drop_from_dataset(make_dataset(with_validation=False), 0.2, seed=0)
    assert derived.validation is None


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_bad_ratios(ratio):
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        drop_from_dataset(dataset, ratio, seed=0)
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        drop_from_factory(dataset.training, ratio, seed=0)


def test_bad_names():
    with pytest.raises(ValueError, match=r"no modalities \['audio'\] .* Choose from \['visual', 'textual'\]"):
        drop_from_dataset(dataset, 0.2, seed=0, modalities=["visual", "audio"])
    with pytest.raises(ValueError, match="but not by 'size'"):
        drop_from_dataset(dataset, 0.2, seed=0, by="size")


def test_without_features():
    plain = without_features(dataset.training)
    with pytest.raises(ValueError, match="The factory has no features"):
        drop_from_factory(plain, 0.2, seed=0)
    with pytest.raises(ValueError, match="The factory has no features"):
        drop_from_factory(MultimodalTriplesFactory.from_triples_factory(plain, features={}), 0.2, seed=0)
    with pytest.raises(ValueError, match="The testing factory has no features"):
        drop_from_dataset(EagerDataset(dataset.training, without_features(dataset.testing)), 0.2, seed=0)


def test_different_features():
    other = drop_from_factory(dataset.testing, 0.2, seed=0)
    with pytest.raises(ValueError, match="features of the training and the testing factory differ"):
        drop_from_dataset(EagerMultimodalDataset(dataset.training, other), 0.2, seed=0)


def test_trains():
    emojis = drop_from_dataset(get_dataset(dataset="EmojiKG"), 0.4, seed=0)
    result = pipeline(
        dataset=emojis,
        model="AdaMFRotatE",
        model_kwargs=dict(embedding_dim=4),
        training_loop="MAT",
        training_kwargs=dict(num_epochs=1, use_tqdm=False),
        evaluation_kwargs=dict(use_tqdm=False),
        random_seed=0,
    )
    assert torch.tensor(result.losses).isfinite().all()
