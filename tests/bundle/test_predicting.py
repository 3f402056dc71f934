"""PyKEEN's predictions with labels, from a loaded bundle."""

import pandas
import pytest
import torch
from pykeen.predict import predict_all, predict_target, predict_triples

from pykeen_adamf.bundle import load, save
from pykeen_adamf.models import AdaMFRotatE, LpRotatE

from ..cases import make_factory
from .cases import make_model


@pytest.fixture(scope="module", params=[False, True], ids=["", "inverse triples"])
def factory(request):
    return make_factory(create_inverse_triples=request.param)


@pytest.fixture(scope="module", params=[AdaMFRotatE, LpRotatE])
def model(request, factory):
    return make_model(request.param, factory, loop="slcwa")


@pytest.fixture(scope="module")
def bundle(model, factory, tmp_path_factory):
    return load(save(model, factory, tmp_path_factory.mktemp("bundle")), device="cpu")


def score(model, factory) -> dict[tuple[str, str, str], float]:
    """Score all triples in a plain way, by their labels."""
    ids = [range(model.num_entities), range(model.num_real_relations), range(model.num_entities)]
    triples = torch.cartesian_prod(*map(torch.tensor, ids))
    scores = model.predict_hrt(triples).flatten().tolist()
    return {
        (f"e{h}", f"r{r}", f"e{t}"): score for (h, r, t), score in zip(triples.tolist(), scores, strict=True)
    }  # fmt: skip


def get_known(factory) -> set[tuple[str, str, str]]:
    return {(f"e{h}", f"r{r}", f"e{t}") for h, r, t in factory.mapped_triples.tolist()}


def assert_sorted(df: pandas.DataFrame) -> None:
    assert df["score"].is_monotonic_decreasing


#: a query for each, in the order of a triple
TARGETS = {
    "head": dict(relation="r1", tail="e4"),
    "relation": dict(head="e2", tail="e4"),
    "tail": dict(head="e2", relation="r1"),
}


@pytest.mark.parametrize("target", TARGETS)
def test_target(bundle, model, factory, target):
    query = TARGETS[target]
    predictions = predict_target(model=bundle.model, **query, triples_factory=bundle.training)
    df = predictions.df
    assert_sorted(df)
    labels = [f"r{i}" for i in range(4)] if target == "relation" else [f"e{i}" for i in range(20)]
    assert sorted(df[f"{target}_label"]) == sorted(labels)
    if target == "head" and factory.create_inverse_triples:
        # PyKEEN asks for the tails of the inverse relation
        scores = dict(zip(labels, model.predict_h(torch.tensor([[1, 4]])).squeeze().tolist(), strict=True))
    else:
        every = score(model, factory)
        scores = {label: every[tuple({**query, target: label}[key] for key in TARGETS)] for label in labels}
    for label, value in zip(df[f"{target}_label"], df["score"], strict=True):
        assert value == pytest.approx(scores[label], rel=1e-4)


@pytest.mark.parametrize("target", TARGETS)
def test_known_triples_are_filtered(bundle, factory, target):
    """By those of the bundle itself."""
    known = get_known(factory)
    h, r, t = sorted(known)[0]
    query = {key: value for key, value in zip(TARGETS, (h, r, t), strict=True) if key != target}
    predictions = predict_target(model=bundle.model, **query, triples_factory=bundle.training)
    found = predictions.filter_triples(bundle.training).df[f"{target}_label"]
    expected = {
        label
        for label in predictions.df[f"{target}_label"]
        if tuple({**query, target: label}[key] for key in TARGETS) not in known
    }
    assert set(found) == expected
    assert len(found) < len(predictions.df)
    marked = predictions.add_membership_columns(training=bundle.training).df
    assert set(marked.loc[~marked["in_training"], f"{target}_label"]) == expected


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["labels", "ids"])
def test_some_targets(bundle, target, kind):
    if target == "relation" and bundle.training.create_inverse_triples:
        pytest.skip("PyKEEN 1.11.1 cannot do this for any model")
    labels = ["r3", "r0"] if target == "relation" else ["e3", "e11", "e7"]
    targets = labels if kind == "labels" else torch.tensor([int(label[1:]) for label in labels])
    query = TARGETS[target]
    some = predict_target(model=bundle.model, **query, triples_factory=bundle.training, targets=targets).df
    assert sorted(some[f"{target}_label"]) == sorted(labels)
    everything = predict_target(model=bundle.model, **query, triples_factory=bundle.training).df
    column = everything.set_index(f"{target}_label")["score"]
    assert some["score"].tolist() == pytest.approx(column[some[f"{target}_label"]].tolist(), rel=1e-4)


def test_triples(bundle, model, factory):
    """Triples that nobody has seen before, by label."""
    scores = score(model, factory)
    triples = [("e0", "r1", "e2"), ("e5", "r0", "e5"), ("e19", "r3", "e1")]
    df = predict_triples(model=bundle.model, triples=triples, triples_factory=bundle.training)
    df = df.process(factory=bundle.training).df
    assert [tuple(row) for row in df[["head_label", "relation_label", "tail_label"]].to_numpy()] == triples
    assert df["score"].tolist() == pytest.approx([scores[triple] for triple in triples], rel=1e-5)


@pytest.mark.parametrize("k", [1, 7, 1600])
def test_all(bundle, model, factory, k):
    scores = score(model, factory)
    pack = predict_all(model=bundle.model, k=k)
    df = pack.process(factory=bundle.training).df
    assert_sorted(df)
    assert df["score"].tolist() == pytest.approx(sorted(scores.values(), reverse=True)[:k], rel=1e-4)
    for row in df.head(20).itertuples():
        assert row.score == pytest.approx(scores[row.head_label, row.relation_label, row.tail_label], rel=1e-4)


def test_all_without_limit(bundle):
    assert len(predict_all(model=bundle.model).process(factory=bundle.training).df) == 20 * 4 * 20


def test_all_without_known_triples(bundle, factory):
    predictions = predict_all(model=bundle.model, k=200).process(factory=bundle.training)
    df = predictions.filter_triples(bundle.training).df
    found = set(df[["head_label", "relation_label", "tail_label"]].itertuples(index=False, name=None))
    everything = predictions.df[["head_label", "relation_label", "tail_label"]].itertuples(index=False, name=None)
    assert found == set(everything) - get_known(factory)
    assert found
