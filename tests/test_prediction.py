"""Answers to questions, compared with PyKEEN's own predictions and with explanations."""

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pykeen.predict import predict_target

from pykeen_adamf.bundle import TrainedModel, save
from pykeen_adamf.calibration import Calibrator, calibrate
from pykeen_adamf.checks import ScoreError
from pykeen_adamf.experiments.answering import answer
from pykeen_adamf.explaining import Candidates, explain_entities, explain_triples
from pykeen_adamf.explaining.directory import explain_directory
from pykeen_adamf.models import AdaMF, Structural
from pykeen_adamf.prediction import predict

from .cases import make_factory


@pytest.fixture(scope="module")
def trained():
    """Return a model of random parameters whose heads and tails are scored differently, and its triples."""
    factory = make_factory(create_inverse_triples=True)
    model = AdaMF(triples_factory=factory, embedding_dim=4, fusion="adaptive", random_seed=0).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter.data, generator=torch.Generator().manual_seed(parameter.numel()))
    return model, factory


@settings(max_examples=12, deadline=None)
@given(side=st.sampled_from(["head", "tail"]), given=st.integers(0, 19), relation=st.integers(0, 3), keep=st.booleans())
def test_scores_and_ranks(trained, side, given, relation, keep):
    """They are PyKEEN's, in the same order, without known ones or with them."""
    model, factory = trained
    question = {"tail" if side == "head" else "head": f"e{given}", "relation": f"r{relation}"}
    answers = predict(model, factory, **question, top=None, keep_known=keep, reasons=False)
    expected = predict_target(model, **question, triples_factory=factory)
    frame = (expected.add_membership_columns(training=factory.mapped_triples) if keep else expected).df
    if not keep:
        frame = expected.filter_triples(factory.mapped_triples).df
        assert not answers["known"].any()
    else:
        assert answers["known"].tolist() == frame["in_training"].tolist()
        assert len(answers) == factory.num_entities
    assert answers["entity"].tolist() == frame[f"{side}_label"].tolist()
    numpy.testing.assert_allclose(answers["score"], frame["score"], rtol=1e-5)
    assert answers["rank"].tolist() == list(range(1, len(frame) + 1))


@pytest.mark.parametrize("side", ["head", "tail"])
def test_reasons(trained, side):
    """They are those of explanations: of entities, and of triples whose rank is filtered."""
    model, factory = trained
    others = [("e3", "r1", f"e{i}") for i in range(15, 18)]
    question = {"tail": "e3"} if side == "head" else {"head": "e3"}
    answers = predict(model, factory, **question, relation="r1", known_triples=others, top=4)
    entities = explain_entities(model, factory, answers["entity"].tolist())
    for name in model.modalities:
        weights = entities.loc[entities["modality"] == name, "weight"]
        numpy.testing.assert_allclose(answers[f"weight {name}"], weights, rtol=1e-5)
    rows = [(x, "r1", "e3") if side == "head" else ("e3", "r1", x) for x in answers["entity"]]
    explained = explain_triples(model, factory, rows, others, progress=False)
    for name in model.modalities:
        expected = explained[explained["modality"] == name]
        assert answers[f"rank without {name}"].tolist() == expected[f"{side}_rank_without"].tolist()
        assert answers["rank"].tolist() == expected[f"{side}_rank"].tolist()


def test_candidates(trained):
    """Ranks are those among the candidates, which may be all that a relation has seen."""
    model, factory = trained
    whole = predict(model, factory, head="e3", relation="r1", top=None)
    chosen = whole["entity"].tolist()[1::3]
    some = predict(model, factory, head="e3", relation="r1", candidates=chosen, top=None)
    assert some["entity"].tolist() == chosen
    assert some["rank"].tolist() == list(range(1, len(chosen) + 1))
    assert (some["rank without visual"] <= len(chosen)).all()
    again = predict(model, factory, head=3, relation=1, candidates=Candidates(factory, chosen), top=None)
    assert again.equals(some)
    tails = {x[2] for x in factory.triples.tolist() if x[1] == "r1"}
    seen = predict(model, factory, head="e3", relation="r1", candidates="seen", top=None, keep_known=True)
    assert set(seen["entity"]) == tails


@settings(max_examples=12, deadline=None)
@given(side=st.sampled_from(["head", "tail"]), given=st.integers(0, 19), scored=st.integers(0, 19), seen=st.booleans())
def test_given_entities(trained, side, given, scored, seen):
    """Each is ranked as explanations rank it, be it known or a candidate or not, and amidst those with its score."""
    model, factory = trained
    question = {"tail" if side == "head" else "head": given, "relation": 1}
    candidates = Candidates(factory) if seen else None
    found = predict(model, factory, **question, entities=[scored, f"e{given}"], candidates=candidates, top=1)
    assert found["entity"].tolist() == [f"e{scored}", f"e{given}"]
    rows = [(x, 1, given) if side == "head" else (given, 1, x) for x in (scored, given)]
    explained = explain_triples(model, factory, rows, candidates=candidates, side=side, progress=False)
    for name in model.modalities:
        expected = explained[explained["modality"] == name]
        assert found["rank"].tolist() == expected[f"{side}_rank"].tolist()
        assert found[f"rank without {name}"].tolist() == expected[f"{side}_rank_without"].tolist()
        numpy.testing.assert_allclose(found[f"score change {name}"], expected["score_change"], atol=1e-5)
    others = predict(model, factory, **question, candidates=candidates, top=None, reasons=False)["entity"]
    for row in found.itertuples():
        assert row.of == len({*others, row.entity})


def test_ties():
    """If all have the same score, the rank is that in the middle."""
    factory = make_factory()
    model = Structural(triples_factory=factory, embedding_dim=4)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter.data)
    found = predict(model, factory, head="e3", relation="r1", entities=["e5"], keep_known=True)
    assert found[["rank", "of"]].values.tolist() == [[(1 + factory.num_entities) / 2, factory.num_entities]]


def test_without_features():
    factory = make_factory()
    answers = predict(Structural(triples_factory=factory, embedding_dim=4), factory, tail="e3", relation="r1", top=2)
    assert list(answers) == ["rank", "entity", "score", "known"]
    assert len(answers) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"relation": "r1"}, "either a head or a tail"),
        ({"relation": "r1", "head": "e1", "tail": "e2"}, "either a head or a tail"),
        ({"relation": "r11", "head": "e1"}, "no relation 'r11'.*Did you mean 'r1'"),
        ({"relation": "r1", "head": "e1x"}, "no entity 'e1x'.*Did you mean '"),
        ({"relation": "r1", "head": "e1", "candidates": ["x"]}, "no entity 'x'"),
        ({"relation": "r1", "head": "e1", "top": 0}, "at least one answer"),
    ],
)
def test_refusals(trained, options, message):
    with pytest.raises(ValueError, match=message):
        predict(*trained, **options)


# --- probabilities


class Oracle(Structural):
    """Scores triples by how far the IDs of their entities are apart, the nearest ones best."""

    def predict_t(self, hr_batch, **kwargs):
        return -(hr_batch[:, :1] + 1 - torch.arange(self.num_entities)).abs().float()

    def predict_h(self, rt_batch, **kwargs):
        return -(torch.arange(self.num_entities) + 1 - rt_batch[:, 1:]).abs().float()


@pytest.fixture
def oracle():
    """Return a model that knows the truth, its triples, and others: each entity is followed by the next one."""
    factory = make_factory(num_entities=60, num_relations=2, num_triples=200)
    true = torch.tensor([[i, r, i + 1] for r in range(2) for i in range(59)])
    return Oracle(triples_factory=factory, embedding_dim=2), factory, true


@pytest.mark.parametrize("side", ["head", "tail"])
def test_calibration(oracle, side):
    """Probabilities go up with scores; true triples have a high one, and corrupted ones a low one."""
    pytest.importorskip("sklearn")
    calibration = Calibrator.fit(*oracle, side=side)
    found = calibration.probability(torch.tensor([-50.0, -5.0, -1.0, 0.0]))
    assert (found.diff() >= 0).all()
    assert found[0] < 0.05
    assert found[-1] > 0.9
    # whatever the state of the random number generator, which is left alone
    state = torch.random.get_rng_state()
    again = Calibrator.fit(*oracle, side=side).probability(torch.tensor([-5.0]))
    assert torch.equal(state, torch.random.get_rng_state())
    assert again.item() == found[1].item()


def test_isotonic(monkeypatch, oracle):
    """With more true triples, the probability at a score is the share of true ones there, both counting the same."""
    pytest.importorskip("sklearn")
    monkeypatch.setattr("pykeen_adamf.calibration.MIN_ISOTONIC", 100)
    calibration = Calibrator.fit(*oracle)
    assert calibration.probability(torch.tensor([[0.0], [-60.0]])).flatten().tolist() == pytest.approx([1, 0])


def test_few_triples(oracle):
    pytest.importorskip("sklearn")
    model, factory, true = oracle
    with pytest.raises(ValueError, match=r"need 10 true triples .* but there are 3"):
        Calibrator.fit(model, factory, true[:3])
    with pytest.raises(ValueError, match="but there are 0"):
        Calibrator.fit(model, factory, factory.mapped_triples)


def test_scores_that_are_no_numbers(tmp_path):
    """Numbers of a file that are too large to be multiplied: whoever is asked says which model it is."""
    factory = make_factory()
    model = AdaMF(triples_factory=factory, embedding_dim=4, random_seed=0)
    with torch.no_grad():
        for parameter in model.relation_representations.parameters():
            parameter.fill_(3e38)
    save(model, factory, tmp_path / "model")
    message = f"{tmp_path / 'model'} cannot be used.*no numbers"
    with pytest.raises(ScoreError, match=message):
        answer(tmp_path / "model", head="e1", relation="r1", device="cpu")
    with pytest.raises(ScoreError, match=message):
        explain_directory(tmp_path / "model", device="cpu", progress=False)
    pytest.importorskip("sklearn")
    true = tmp_path / "true.tsv"
    true.write_text("".join(f"e{i}\tr1\te{i + 1}\n" for i in range(15)))
    with pytest.raises(ScoreError, match=message):
        calibrate(TrainedModel(tmp_path / "model", model, factory, {}), true)
