"""Answers are those of the model, and what is said of them is what explanations say."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from pykeen.predict import predict_target

from pykeen_adamf.explaining import explain_entities, explain_triples
from pykeen_adamf.exploring import Explorer, Question, render_answers
from pykeen_adamf.exploring.explorer import ALL_TOGETHER
from pykeen_adamf.models import IKRL, AdaMF, LpRotatE

from .cases import HOSTILE, LABELS, RELATIONS, make_bundle


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("with_known", [False, True])
@pytest.mark.parametrize("side", ["head", "tail"])
def test_answers(side, with_known, inverse):
    bundle = make_bundle(inverse=inverse)
    held_out = torch.tensor([[12, 0, 13]])
    explorer = Explorer(bundle, held_out=held_out)
    given = 12 if side == "tail" else 13
    answers = explorer.ask(Question(LABELS[given], RELATIONS[0], side), k=len(LABELS), with_known=with_known)
    known = {"head" if side == "tail" else "tail": given}
    df = predict_target(bundle.model, relation=0, triples_factory=bundle.training, **known).df
    column = {"head": 0, "tail": 2}
    triples = bundle.training.mapped_triples
    mine = triples[(triples[:, 1] == 0) & (triples[:, 2 - column[side]] == given)][:, column[side]].tolist()
    rows = [(i, score) for i, score in zip(df[f"{side}_id"], df["score"], strict=True) if with_known or i not in mine]
    assert [(x.entity.id, x.score) for x in answers] == rows
    assert mine
    assert [x.is_known for x in answers] == [i in mine for i, _ in rows]
    assert [x.entity.id for x in answers if x.is_held_out] == [held_out[0, column[side]]]
    asked = [(given, 0, i) if side == "tail" else (i, 0, given) for i, _ in rows]
    # ranks are those of explanations, except that held-out answers count
    frame = iter(explain_triples(bundle.model, bundle.training, asked, progress=False, side=side).to_dict("records"))
    for answer in answers:
        assert [x.modality for x in answer.changes] == list(bundle.model.modalities)
        for change, row in zip(answer.changes, frame, strict=False):
            assert change.modality == row["modality"]
            assert change.score_change == pytest.approx(row["score_change"], abs=1e-5)
            if not with_known:
                assert (change.rank, change.rank_without) == (row[f"{side}_rank"], row[f"{side}_rank_without"])
        weights = explain_entities(bundle.model, bundle.training, [answer.entity.id])
        assert [x.name for x in answer.modalities] == weights["modality"].tolist()
        assert [x.present for x in answer.modalities] == weights["present"].tolist()
        # one at a time is rounded otherwise
        assert [x.weight for x in answer.modalities] == pytest.approx(weights["weight"].tolist())


def test_the_model_is_left_as_it_was(explorer):
    """Also if it is asked by many at once, with modalities being left out all the time."""
    questions = [Question(label, RELATIONS[0], side) for label in LABELS[:2] for side in ("head", "tail")]
    expected = [explorer.ask(question) for question in questions]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(explorer.ask, questions * 2)) == expected * 2
    assert explorer.model.fused.excluded == frozenset()
    assert not explorer.model.training


@pytest.mark.parametrize(("model", "weighted", "changes"), [(AdaMF, False, 3), (IKRL, False, 0), (LpRotatE, False, 0)])
def test_other_models(model, weighted, changes):
    """What a model does not know is not shown; neighbors by features are there for all of them."""
    explorer = Explorer(make_bundle(model))
    answers = explorer.ask(Question("e1", RELATIONS[1], "tail"), k=3)
    if model is IKRL:
        changes = len(explorer.modalities) if explorer.can_leave_out else 0
    assert [len(x.changes) for x in answers] == [changes] * 3
    assert all((x.weight is not None) == weighted for x in answers[0].modalities)
    assert {"visual", "textual", ALL_TOGETHER} >= set(explorer.neighbors(20)) - {"structural"}
    assert ALL_TOGETHER in explorer.neighbors(20)


class Steps:
    """A calibration that pages can show."""

    def probability(self, scores):
        return torch.linspace(0.75, 0.25, len(scores))


def test_probabilities():
    """They are those of the side that is asked for, and the page says what they mean."""
    explorer = Explorer(make_bundle(), calibrations={"tail": Steps()})
    head, tail = (Question("e1", RELATIONS[1], side) for side in ("head", "tail"))
    assert [x.probability for x in explorer.ask(tail, k=3)] == [0.75, 0.5, 0.25]
    assert [x.probability for x in explorer.ask(head, k=3)] == [None] * 3
    page = render_answers({"model": explorer}, [tail], k=3)
    assert page.count("probability <span") == 3
    assert "with a wrong tail that the relation has elsewhere" in page
    assert "probability" not in render_answers({"model": explorer}, [head])


def test_entities(explorer):
    entity = explorer.find(HOSTILE[2])
    assert (entity.id, entity.num_pictures, entity.text) == (2, 1, f"text of {HOSTILE[2]} {HOSTILE[2]}")
    assert explorer.search(HOSTILE[2])[0] == entity
    assert explorer.entity(1).num_pictures == 0
    examples = explorer.examples(30)
    assert [x.num_pictures for x in examples] == [1] * 20 + [0] * 10
    degrees = [int(explorer.degrees[x.id]) for x in examples]
    assert degrees[:20] == sorted(degrees[:20], reverse=True)
    facts = explorer.facts(12, k=1000)
    triples = {tuple(t) for t in explorer.training.mapped_triples.tolist() if 12 in (t[0], t[2])}
    assert {(h.id, RELATIONS.index(r), t.id) for h, r, t in facts} == triples
    assert explorer.facts(12, k=2) == facts[:2]


def test_who_misses_a_modality_has_no_neighbors_by_it(explorer):
    for name, features in explorer.features.items():
        for i in range(len(LABELS)):
            neighbors = explorer.neighbors(i)
            assert (name in neighbors) == bool(features.presence[i])
            assert all(features.presence[x.id] for x, _ in neighbors.get(name, ()))


@pytest.mark.parametrize("question", [("e99", RELATIONS[0]), ("e1", "nothing")])
def test_unknown_names(explorer, question):
    with pytest.raises(ValueError, match=r"There is no (entity|relation) '"):
        explorer.ask(Question(*question, "tail"))
