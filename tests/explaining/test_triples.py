"""Explanations of triples: every number, calculated once more by other means."""

import numpy
import pandas
import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.triples import CoreTriplesFactory

from pykeen_adamf.explaining import explain_entities, explain_triples
from pykeen_adamf.models import AdaMFRotatE, LpRotatE

from ..cases import make_factory
from .cases import OPTIONS, calculate_scores, calculate_weights, make_case

COLUMNS = [
    *("head", "relation", "tail", "modality", "head_weight", "tail_weight", "score", "score_without", "score_change"),
    *("head_rank", "head_rank_without", "tail_rank", "tail_rank_without"),
]


def count_rank(score, others):
    """Return the mean of the best and the worst rank."""
    better = sum(1 for other in others if other > score)
    equal = sum(1 for other in others if other == score)
    return 1 + better + equal / 2


def rank_by_counting(scores, inverse_scores, triple, known):
    """Return the ranks of head and tail."""
    h, r, t = triple
    entities = range(len(scores))
    heads = [inverse_scores[e, r, t] for e in entities if e != h and (e, r, t) not in known]
    tails = [scores[h, r, e] for e in entities if e != t and (h, r, e) not in known]
    return count_rank(inverse_scores[h, r, t], heads), count_rank(scores[h, r, t], tails)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("name", OPTIONS)
def test_every_number(name, inverse):
    model, factory = make_case(name, inverse)
    asked = make_factory(seed=1).mapped_triples[:20]
    asked = torch.cat([asked, factory.mapped_triples[:3]])
    further = make_factory(seed=2).mapped_triples
    frame = explain_triples(model, factory, asked, further, batch_size=4)
    assert list(frame.columns) == COLUMNS
    assert len(frame) == len(asked) * len(model.modalities)
    known = {tuple(triple) for triple in torch.cat([factory.mapped_triples, further]).tolist()}
    weights = calculate_weights(model)
    scores, inverse_scores = {}, {}
    for modality in (None, *model.modalities):
        full = calculate_scores(model, [modality])
        # relations of the model are each relation, and its inverse
        scores[modality] = full[:, ::2] if inverse else full
        inverse_scores[modality] = full[:, 1::2].transpose(2, 1, 0) if inverse else full
    rows = iter(frame.itertuples())
    for triple in asked.tolist():
        h, r, t = triple
        for number, modality in enumerate(model.modalities):
            row = next(rows)
            assert (row.head, row.relation, row.tail, row.modality) == (f"e{h}", f"r{r}", f"e{t}", modality)
            expected = [
                weights[h, number],
                weights[t, number],
                scores[None][h, r, t],
                scores[modality][h, r, t],
                scores[modality][h, r, t] - scores[None][h, r, t],
            ]
            numpy.testing.assert_allclose(row[5:10], expected, atol=1e-10)
            before, after = (rank_by_counting(scores[m], inverse_scores[m], triple, known) for m in (None, modality))
            assert row[10:] == (before[0], after[0], before[1], after[1])


@pytest.mark.parametrize("inverse", [False, True])
def test_scores_are_pykeens(inverse):
    """Those of triples, in single precision, although they come from the prediction of tails."""
    model, factory = make_case("default", inverse)
    model.float()
    frame = explain_triples(model, factory, factory)
    for modality, part in frame.groupby("modality"):
        expected = model.predict_hrt(factory.mapped_triples).detach().squeeze(dim=-1)
        numpy.testing.assert_allclose(part["score"], expected, rtol=1e-5)
        with model.without_modality(modality):
            expected = model.predict_hrt(factory.mapped_triples).detach().squeeze(dim=-1)
        numpy.testing.assert_allclose(part["score_without"], expected, rtol=1e-5)


@pytest.mark.parametrize("inverse", [False, True])
def test_ranks_are_pykeens(inverse):
    """PyKEEN's evaluator ranks the same with everything, and without each modality."""
    model, factory = make_case("mask", inverse)
    testing = make_factory(seed=1).mapped_triples
    frame = explain_triples(model, factory, testing, testing)

    def evaluate():
        result = RankBasedEvaluator(clear_on_finalize=False).evaluate(
            model, testing, additional_filter_triples=factory.mapped_triples, use_tqdm=False
        )
        return tuple(result.get_metric(f"{side}.realistic.arithmetic_mean_rank") for side in ("head", "tail"))

    def average(part, suffix):
        return part[f"head_rank{suffix}"].mean(), part[f"tail_rank{suffix}"].mean()

    for modality, part in frame.groupby("modality"):
        assert average(part, "") == pytest.approx(evaluate())
        with model.without_modality(modality):
            assert average(part, "_without") == pytest.approx(evaluate())


def test_ties():
    """Entities with equal scores share the mean of their ranks."""
    model, factory = make_case()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    frame = explain_triples(model, factory, [("e0", "r0", "e1")])
    known = {tuple(triple) for triple in factory.mapped_triples.tolist()}
    others = sum((0, 0, e) not in known for e in range(20) if e != 1)
    assert (frame["tail_rank"] == 1 + others / 2).all()
    assert (frame["score_change"] == 0).all()


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000, None])
def test_batches_change_nothing(batch_size):
    """Nor does it matter what else is asked, how often, and in which order."""
    model, factory = make_case()
    triples = make_factory(seed=1).mapped_triples
    expected = explain_triples(model, factory, triples)
    order = torch.randint(len(triples), size=(100,), generator=torch.Generator().manual_seed(0))
    actual = explain_triples(model, factory, triples[order], batch_size=batch_size)
    rows = (3 * order.unsqueeze(dim=-1) + torch.arange(3)).flatten().numpy()
    assert actual.equals(expected.iloc[rows].reset_index(drop=True))


def test_each_pair_is_scored_once(monkeypatch):
    """And the entities are fused once, and once more without each modality."""
    model, factory = make_case()
    predicted, fused = [], []
    predict_h, predict_t, forward = model.predict_h, model.predict_t, model.fused.forward
    monkeypatch.setattr(model, "predict_h", lambda batch: predicted.append(len(batch)) or predict_h(batch))
    monkeypatch.setattr(model, "predict_t", lambda batch: predicted.append(len(batch)) or predict_t(batch))
    monkeypatch.setattr(model.fused, "forward", lambda *args: fused.append(1) or forward(*args))
    triples = torch.tensor([[0, 0, 1], [0, 0, 2], [0, 0, 3], [4, 0, 3]])
    explain_triples(model, factory, triples, batch_size=100)
    # (*, 0, 1), (*, 0, 2), (*, 0, 3); (0, 0, *), (4, 0, *)
    assert predicted == [3, 2] * 4
    assert len(fused) == 4


def test_no_triples():
    model, factory = make_case()
    frame = explain_triples(model, factory, [])
    assert list(frame.columns) == COLUMNS
    assert not len(frame)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_as_it_is(training):
    model, factory = make_case()
    state = {name: x.clone() for name, x in model.state_dict().items()}
    model.train(training)
    explain_triples(model, factory, factory)
    assert all(module.training == training for module in model.modules())
    with pytest.raises(ValueError, match="batch size must be positive"):
        explain_triples(model, factory, factory, batch_size=0)
    assert all(module.training == training for module in model.modules())
    assert all(torch.equal(x, state[name]) for name, x in model.state_dict().items())
    assert all(x.grad is None for x in model.parameters())
    model.score_hrt(factory.mapped_triples).sum().backward()


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["default", "mask", "mean"])
def test_on_a_gpu(name):
    """The numbers are the same."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    model, factory = make_case(name)
    expected = explain_triples(model, factory, factory)
    actual = explain_triples(model.to("cuda"), factory, factory.mapped_triples.to("cuda"))
    pandas.testing.assert_frame_equal(actual, expected)
    assert len(explain_entities(model, factory)) == 3 * factory.num_entities


def test_a_model_that_diverged():
    model, factory = make_case()
    with torch.no_grad():
        model.fused.bases["visual"].projection.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="no numbers"):
        explain_triples(model, factory, factory)


class Unweighted(LpRotatE):
    """A model with a modality, but without weights of it: the smallest that can be explained."""

    modalities = ("structural", "visual")
    removed = None

    def without_modality(self, name):
        return RemovedFrom(self, name)


class RemovedFrom:
    def __init__(self, model, name):
        self.model, self.name = model, name

    def __enter__(self):
        self.model.removed = self.name

    def __exit__(self, *args):
        self.model.removed = None


def test_models_without_weights():
    """They are explained by what they predict."""
    factory = make_factory()
    frame = explain_triples(Unweighted(triples_factory=factory, random_seed=0), factory, factory)
    assert frame["head_weight"].isna().all()
    assert frame["tail_weight"].isna().all()
    assert frame["score"].notna().all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: (LpRotatE(triples_factory=make_factory(), random_seed=0), make_factory()), "^LpRotatE cannot be"),
        (lambda: (make_case()[0], make_factory(num_entities=21)), "20 entities and 4 relations, but .* 21 entities"),
        (lambda: (make_case()[0], make_factory(num_relations=3)), "4 relations, but .* 3 relations"),
        (
            lambda: (
                AdaMFRotatE(triples_factory=make_factory(), modalities=["visual"], use_structural=False, random_seed=0),
                make_factory(),
            ),
            "only modality is 'visual'",
        ),
        (
            lambda: (
                make_case()[0],
                CoreTriplesFactory.create(torch.tensor([[0, 0, 1]]), num_entities=20, num_relations=4),
            ),
            "A CoreTriplesFactory has no labels",
        ),
    ],
)
def test_bad_input(make, message):
    model, factory = make()
    with pytest.raises(ValueError, match=message):
        explain_triples(model, factory, factory.mapped_triples)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("side", ["head", "tail"])
def test_one_side(side, inverse):
    """It is as it is with the other one, which is not looked at; scores are those which the side is ranked by."""
    model, factory = make_case("default", inverse)
    both, one = (explain_triples(model, factory, factory.mapped_triples[:5], side=x) for x in (None, side))
    other = "tail" if side == "head" else "head"
    assert one[[f"{other}_rank", f"{other}_rank_without"]].isna().all(axis=None)
    same = [name for name in COLUMNS if not name.startswith((f"{other}_rank", "score"))]
    pandas.testing.assert_frame_equal(one[same], both[same])
    scores = calculate_scores(model)
    for row in one.drop_duplicates(["head", "relation", "tail"]).itertuples():
        h, t = factory.entity_to_id[row.head], factory.entity_to_id[row.tail]
        r = factory.relation_to_id[row.relation]
        expected = scores[t, 2 * r + 1, h] if inverse and side == "head" else scores[h, 2 * r if inverse else r, t]
        assert row.score == pytest.approx(expected)
