"""Answers of the right type."""

import pytest
import torch
from pykeen.predict import predict_target

from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.experiments.demo.questions import Question, answer
from pykeen_adamf.explaining import Candidates, explain_triples
from pykeen_adamf.labeled_triples import read_labeled_triples
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.new_entities import predict_new_entities
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory
from .cases import make_case

TRIPLES = [
    ("ada", "born_in", "london"),
    ("kurt", "born_in", "brno"),
    ("ada", "knows", "charles"),
    ("paris", "in", "france"),
]
TYPES = {
    "ada": ["person", "author"],
    "kurt": "person",
    "charles": "person",
    "london": "city",
    "paris": "city",
    "brno": ("city", "district"),
    "france": "country",
    "berlin": "city",
}


@pytest.fixture
def factory():
    return MultimodalTriplesFactory.from_labeled_triples(read_labeled_triples(TRIPLES), features={})


def names_of(factory, ids):
    return {factory.entity_id_to_label[i] for i in ids.tolist()}


def test_seen(factory):
    candidates = Candidates(factory)
    assert names_of(factory, candidates.get("born_in", "tail")) == {"london", "brno"}
    assert names_of(factory, candidates.get("born_in", "head")) == {"ada", "kurt"}
    assert names_of(factory, candidates.get(factory.relation_to_id["in"], "head")) == {"paris"}


@pytest.mark.parametrize("kind", ["mapping", "table", "text", "header"])
def test_types(factory, tmp_path, kind):
    """Also those that this relation has not had, but not those of no triple."""
    allowed = TYPES
    if kind != "mapping":
        pairs = [(x, t) for x, given in TYPES.items() for t in ([given] if isinstance(given, str) else given)]
        allowed = tmp_path / ("types.csv" if kind == "table" else "types.tsv")
        separator = "," if kind == "table" else "\t"
        lines = [separator.join(pair) for pair in pairs]
        allowed.write_text("\n".join((["entity\ttype"] if kind == "header" else []) + lines))
    candidates = Candidates(factory, str(allowed) if kind == "text" else allowed)
    assert names_of(factory, candidates.get("born_in", "tail")) == {"london", "brno", "paris"}
    assert names_of(factory, candidates.get("born_in", "head")) == {"ada", "kurt", "charles"}
    assert names_of(factory, candidates.get("in", "tail")) == {"france"}


def test_what_has_no_type(factory):
    """It is a candidate where it was seen."""
    candidates = Candidates(factory, {"london": "city", "paris": "city"})
    assert names_of(factory, candidates.get("born_in", "tail")) == {"london", "brno", "paris"}
    assert names_of(factory, candidates.get("in", "tail")) == {"france"}


@pytest.mark.parametrize("kind", ["list", "file"])
def test_entities(factory, tmp_path, kind):
    (tmp_path / "x.txt").write_text("paris\nbrno\n")
    candidates = Candidates(factory, ["brno", "paris", "brno"] if kind == "list" else tmp_path / "x.txt")
    for relation in ("born_in", "in"):
        assert names_of(factory, candidates.get(relation, "head")) == {"paris", "brno"}


def test_relations_without_triples(factory):
    """Nothing is known that would restrict them."""
    empty = factory.clone_and_exchange_triples(factory.mapped_triples[:1])
    candidates = Candidates(empty, TYPES)
    unseen = next(r for r in range(3) if r != int(empty.mapped_triples[0, 1]))
    assert len(candidates.get(unseen, "tail")) == factory.num_entities


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        (["Paris"], "There is no entity 'Paris'.* Did you mean 'paris'"),
        ([], "There are no candidates: name at least one entity"),
        (
            {"<ada>": "person"},
            "None of the 1 entities with a type, e.g., '<ada>', is in.*Did you mean 'ada'",
        ),
        ("sene", "does not exist"),
    ],
)
def test_bad_candidates(factory, allowed, message):
    with pytest.raises(ValueError, match=message):
        Candidates(factory, allowed)
    with pytest.raises(ValueError, match="The side must be 'head' or 'tail', but is 'relation'"):
        Candidates(factory).get("in", "relation")
    with pytest.raises(ValueError, match=r"There is no relation 'born'.* Did you mean 'born_in'"):
        Candidates(factory).get("born", "tail")


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("side", ["head", "tail"])
def test_prediction(inverse, side):
    """The candidates keep their scores; the others are not there."""
    factory = make_factory(create_inverse_triples=inverse)
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=0)
    given = {"head" if side == "tail" else "tail": "e3", "relation": "r1"}
    targets = Candidates(factory).get("r1", side)
    every, chosen = (
        predict_target(model, triples_factory=factory, targets=x, **given).df.set_index(f"{side}_id")["score"]
        for x in (None, targets)
    )
    assert sorted(chosen.index) == targets.tolist() != list(range(20))
    torch.testing.assert_close(torch.tensor(chosen.to_numpy()), torch.tensor(every[chosen.index].to_numpy()))


@pytest.mark.parametrize("inverse", [False, True])
def test_ranks(inverse):
    """They are among candidates alone, which are better by as many as others were ahead."""
    model, factory = make_case("default", inverse)
    known = {tuple(triple) for triple in factory.mapped_triples.tolist()}
    asked = make_factory(seed=1).mapped_triples[:20]
    candidates = Candidates(factory)
    before = explain_triples(model, factory, asked)
    after = explain_triples(model, factory, asked, candidates=candidates, batch_size=3)
    assert (before["score"] == after["score"]).all()
    for side in ("head", "tail"):
        assert (after[f"{side}_rank"] <= before[f"{side}_rank"]).all()
        assert (after[f"{side}_rank"] < before[f"{side}_rank"]).any()
    num = len(model.modalities)
    for i, (h, r, t) in enumerate(asked.tolist()):
        scores = predict_target(model, head=h, relation=r, triples_factory=factory).df.set_index("tail_id")["score"]
        others = [x for x in candidates.get(r, "tail").tolist() if x != t and (h, r, x) not in known]
        assert after["tail_rank"][i * num] == 1 + (scores[others] > scores[t]).sum()


def test_new_entities():
    _, factory = make_case()
    model = AdaMFRotatE(triples_factory=factory, embedding_dim=4, random_seed=0)
    candidates = Candidates(factory)
    features = {"visual": torch.rand(12)}
    frame = predict_new_entities(model, factory, features, "r1", candidates=candidates)
    every = predict_new_entities(model, factory, features, "r1")
    kept = every[every["tail_id"].isin(candidates.get("r1", "tail").tolist())].reset_index(drop=True)
    assert frame.equals(kept)
    assert 0 < len(frame) < len(every)


def test_emoji():
    """An emoji is answered where one is asked for."""
    dataset = EmojiKG()
    model = AdaMFRotatE(triples_factory=dataset.training, embedding_dim=4, random_seed=0)
    head, _, tail = dataset.testing.triples[dataset.testing.triples[:, 1] == "has_keyword"][0]
    question = Question(head, "has_keyword", tail, "head")
    every = answer(model, dataset, question, k=50)
    chosen = answer(model, dataset, question, k=50, candidates=Candidates(dataset.training, dataset.types))
    assert {label.partition(":")[0] for label in every.best} != {"emoji"}
    assert {label.partition(":")[0] for label in chosen.best} == {"emoji"}
    assert chosen.rank < every.rank
