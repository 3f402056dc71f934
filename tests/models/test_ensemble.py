"""Ensembles of trained models against weighted sums of what their parts predict, in double precision."""

import pandas
import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.models import RotatE
from pykeen.predict import predict_target

from pykeen_adamf.checks import ScoreError
from pykeen_adamf.ensembles import _ask, _reciprocal_rank, fit_ensemble
from pykeen_adamf.explaining import explain_entities
from pykeen_adamf.models import AdaMF, Ensemble, LpRotatE, Structural
from pykeen_adamf.prediction import predict
from pykeen_adamf.training import OneVsAllTrainingLoop

from ..cases import make_factory


def make(cls=AdaMF, inverse=False, seed=0, factory=None, **kwargs):
    factory = factory or make_factory(create_inverse_triples=inverse)
    return cls(triples_factory=factory, embedding_dim=3, random_seed=seed, **kwargs).double().eval()


@pytest.fixture
def parts():
    """Return models of several kinds, one of which has inverse relations, and one of which is PyKEEN's."""
    return [make(AdaMF, interaction="ComplEx", inverse=True), make(LpRotatE), make(RotatE, seed=2)]


@pytest.fixture
def ensemble(parts):
    ensemble = Ensemble(parts)
    ensemble.part_weights.copy_(torch.rand(4, 3, generator=torch.Generator().manual_seed(0)))
    # not asked for two of the relations
    ensemble.part_weights[1:3, 2] = 0.0
    return ensemble


@torch.inference_mode()
def test_scores(parts, ensemble):
    """All of PyKEEN's methods, with and without a choice of answers."""
    triples = make_factory(seed=1).mapped_triples
    _, r, t = triples.T
    weights = ensemble.part_weights[r]
    some = torch.tensor([7, 0, 3])
    expected = {
        "hrt": sum(w[:, None] * x.predict_hrt(triples) for w, x in zip(weights.T, parts, strict=True)),
        "t": sum(w[:, None] * x.predict_t(triples[:, :2]) for w, x in zip(weights.T, parts, strict=True)),
        "h": sum(w[:, None] * x.predict_h(triples[:, 1:]) for w, x in zip(weights.T, parts, strict=True)),
    }
    torch.testing.assert_close(ensemble.predict_hrt(triples), expected["hrt"])
    torch.testing.assert_close(ensemble.predict_t(triples[:, :2]), expected["t"])
    torch.testing.assert_close(ensemble.predict_h(triples[:, 1:]), expected["h"])
    torch.testing.assert_close(ensemble.predict_t(triples[:, :2], slice_size=4), expected["t"])
    torch.testing.assert_close(ensemble.predict_t(triples[:, :2], tails=some), expected["t"][:, some])
    torch.testing.assert_close(ensemble.predict_h(triples[:, 1:], heads=some), expected["h"][:, some])
    # what is scored as a triple is the tail, also by the parts
    torch.testing.assert_close(ensemble.predict_hrt(triples), expected["t"].gather(1, t[:, None]))
    relations = ensemble.predict_r(triples[:, ::2])
    assert relations.shape == (len(triples), 4)
    torch.testing.assert_close(relations.gather(1, r[:, None]), expected["hrt"])
    torch.testing.assert_close(ensemble.predict_r(triples[:, ::2], relations=some % 4), relations[:, some % 4])
    several = torch.stack([r, (r + 1) % 4], dim=1)
    torch.testing.assert_close(ensemble.predict_r(triples[:, ::2], relations=several), relations.gather(1, several))
    # of no questions
    assert ensemble.predict_t(triples[:0, :2]).shape == (0, 20)


def test_product_of_distributions(parts):
    """Ranks are those of the product of distributions over answers, each to the power of its weight."""
    triples, weights = make_factory(seed=1).mapped_triples, [2.0, 0.5, 1.0]
    ensemble = Ensemble(parts, weights)
    with torch.inference_mode():
        product = 1.0
        for weight, part in zip(weights, parts, strict=True):
            product = product * part.predict_t(triples[:, :2]).softmax(dim=-1) ** weight
        assert torch.equal(product.argsort(), ensemble.predict_t(triples[:, :2]).argsort())


def test_evaluation(ensemble):
    """PyKEEN's evaluator ranks by these scores, and a part alone is ranked as it is without the ensemble."""
    factory = make_factory(seed=1)
    known = [make_factory().mapped_triples]
    kwargs = dict(additional_filter_triples=known, use_tqdm=False)
    for i, part in enumerate(ensemble.parts):
        ensemble.part_weights.copy_(torch.eye(3)[i])
        results = [RankBasedEvaluator().evaluate(x, factory.mapped_triples, **kwargs) for x in (ensemble, part)]
        pandas.testing.assert_frame_equal(*[x.to_df() for x in results])


def test_prediction(ensemble):
    """It is asked like other models, with modalities of those parts that have them."""
    factory = make_factory()
    assert ensemble.modalities == ["structural", "visual", "textual"]
    answers = predict(ensemble, factory, relation="r0", head="e1", top=None, keep_known=True)
    with torch.inference_mode():
        scores = ensemble.predict_t(torch.tensor([[1, 0]]))[0]
        with ensemble.parts[0].without_modality("visual"):
            without = ensemble.predict_t(torch.tensor([[1, 0]]))[0]
    ids = [factory.entity_to_id[x] for x in answers["entity"]]
    assert ids == scores.argsort(descending=True).tolist()
    changes = torch.tensor(answers["score change visual"].to_numpy())
    torch.testing.assert_close(changes, (without - scores)[ids].to(changes), rtol=1e-4, atol=1e-5)
    assert changes.any()
    found = predict_target(ensemble, head="e1", relation="r0", triples_factory=factory).df
    assert found["tail_label"].tolist() == answers["entity"].tolist()


@pytest.mark.parametrize("method", ["boosting", "meta", "selection"])
def test_fit(method):
    """A part that knows the answers outweighs one that is louder, and answers get better; equal ones weigh the same."""
    factory = make_factory(create_inverse_triples=True)
    good, bad = (make(Structural, interaction="ComplEx", factory=factory, seed=i) for i in range(2))
    OneVsAllTrainingLoop(model=good, triples_factory=factory, optimizer="Adam", optimizer_kwargs=dict(lr=0.1)).train(
        factory, num_epochs=100, batch_size=64, use_tqdm=False
    )
    with torch.no_grad():
        bad.entity_representations[0]._embeddings.weight.mul_(40)
    ensemble = Ensemble([good.eval(), bad])

    def measure():
        result = RankBasedEvaluator().evaluate(ensemble, factory.mapped_triples, use_tqdm=False)
        return result.get_metric("both.realistic.inverse_harmonic_mean_rank")

    equal = measure()
    weights = fit_ensemble(ensemble, factory.mapped_triples, [], method)
    assert torch.equal(weights, ensemble.part_weights)
    assert (weights[:, 0] > weights[:, 1]).all()
    assert measure() > equal
    same = Ensemble([good, good])
    torch.testing.assert_close(
        fit_ensemble(same, factory.mapped_triples, [], "average"), torch.full((4, 2), 0.5).double()
    )


def test_parts_stay(parts, ensemble):
    """Weights are part of the state; parts are not copied, and do not predict otherwise afterwards."""
    assert ensemble.num_parts == 3
    assert all(x is y for x, y in zip(ensemble.parts, parts, strict=True))
    other = Ensemble(parts)
    assert torch.equal(other.part_weights, torch.full((4, 3), 1 / 3, dtype=torch.double))
    other.load_state_dict(ensemble.state_dict())
    assert torch.equal(other.part_weights, ensemble.part_weights)


def test_device():
    """Weights are where the parts are, and all parts are in one place."""
    ensemble = Ensemble([make().to("meta"), make(LpRotatE).to("meta")], [1, 2])
    assert ensemble.device == ensemble.part_weights.device == torch.device("meta")
    with pytest.raises(ValueError, match="Part 1 of the ensemble has device meta, but the first part has cpu"):
        Ensemble([make(), make().to("meta")])
    tensor = Ensemble([make(), make()], torch.tensor([0.25, 0.5]))
    assert tensor.part_weights.tolist() == [[0.25, 0.5]] * 4


def test_no_modalities():
    """What has none is not explained by any."""
    with pytest.raises(ValueError, match="Ensemble cannot be explained by modality"):
        explain_entities(Ensemble([make(LpRotatE)] * 2), make_factory(), ["e1"])


def test_bad_input(parts, ensemble):
    for models in ([], parts[0], [*parts, "rotate"]):
        with pytest.raises(ValueError, match="is made of one or more trained models of PyKEEN, not of"):
            Ensemble(models)
    other = make(factory=make_factory(num_entities=21))
    with pytest.raises(ValueError, match="Part 2 of the ensemble has num_entities 21, but the first part has 20"):
        Ensemble([*parts[:2], other])
    for weights in ([1.0], [1.0, -1.0, 1.0], [0.0] * 3, [1.0, 2.0, float("nan")], [1.0, "2", 3.0], [1e400, 1, 1]):
        with pytest.raises(ValueError, match="weights of 3 models must be as many numbers"):
            Ensemble(parts, weights)
    with (
        pytest.raises(ValueError, match="No part has a modality 'audio'; there are structural, visual, textual"),
        ensemble.without_modality("audio"),
    ):
        pass
    for action in (ensemble.train, ensemble.reset_parameters_, ensemble.collect_regularization_term):
        with pytest.raises(ValueError, match="An ensemble only predicts: train its parts"):
            action()


def test_selection(ensemble):
    """What is compared is PyKEEN's MRR; the result is at least as good as the best part, whatever scores' sizes."""
    triples, known = make_factory(seed=1).mapped_triples, [make_factory().mapped_triples]
    with torch.no_grad():
        # ComplEx has scores a thousand times as large
        ensemble.parts[0].relation_representations[0]._embeddings.weight.mul_(1000)

    def measure():
        kwargs = dict(additional_filter_triples=known, use_tqdm=False)
        result = RankBasedEvaluator().evaluate(ensemble, triples, **kwargs)
        return result.get_metric("both.realistic.inverse_harmonic_mean_rank")

    scores, answers = _ask(ensemble, triples, torch.cat([triples, *known]), len(triples))
    alone = []
    for i, x in enumerate(scores):
        ensemble.part_weights.copy_(torch.eye(3)[i])
        alone.append(measure())
        assert _reciprocal_rank(torch.zeros_like(x), x, answers) == pytest.approx(alone[-1])
    fit_ensemble(ensemble, triples, known, "selection")
    assert measure() > max(alone)
    # fewer triples than there are, but at least one
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("pykeen_adamf.ensembles.MAX_NUMBERS", 1)
        weights = fit_ensemble(ensemble, triples, known, "selection")
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(4, dtype=torch.double))


@pytest.mark.parametrize("method", ["meta", "selection"])
def test_infinite_scores(method):
    """They have no size by which they could be compared."""
    parts = [make(interaction="DistMult").float() for _ in range(2)]
    with torch.no_grad():
        parts[1].relation_representations[0]._embeddings.weight.fill_(3e38).mul_(100)
    with pytest.raises(ScoreError, match=r"art 1 .*(infinite|no numbers)"):
        fit_ensemble(Ensemble(parts), make_factory(seed=1).mapped_triples, [], method)


def test_large_scores():
    """Their size is calculated in double precision."""
    parts = [make(interaction="DistMult").float() for _ in range(2)]
    with torch.no_grad():
        parts[1].relation_representations[0]._embeddings.weight.mul_(1e30)
    weights = fit_ensemble(Ensemble(parts), make_factory(seed=1).mapped_triples, [], "selection")
    assert weights.isfinite().all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(4))


def test_scores_that_are_no_numbers(ensemble):
    with torch.no_grad():
        ensemble.parts[2].relation_representations[0]._embeddings.weight.fill_(float("nan"))
    ensemble.part_weights.fill_(1.0)
    for method in ("boosting", "meta", "selection"):
        with pytest.raises(ScoreError, match=r"Part 2 of the ensemble cannot be used\. .*no numbers"):
            fit_ensemble(ensemble, make_factory(seed=1).mapped_triples, [], method)
