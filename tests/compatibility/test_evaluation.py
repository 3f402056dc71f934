"""All of PyKEEN's evaluators."""

import importlib.util
from functools import cache

import pytest
import torch
from pykeen.evaluation import (
    ClassificationEvaluator,
    Evaluator,
    LCWAEvaluationLoop,
    MacroRankBasedEvaluator,
    RankBasedEvaluator,
    SampledRankBasedEvaluator,
    evaluator_resolver,
)
from pykeen.models import Model, RotatE

from pykeen_adamf.models import AdaMFRotatE, LpRotatE

from .cases import FEW_METRICS, make_dataset, run_pipeline

TRAINED = [
    ("AdaMFRotatE", "MAT", False),
    ("AdaMFRotatE", "LCWA", True),
    ("LpRotatE", "sLCWA", False),
    ("TBKGC", "LCWA", False),
]


@cache
def train_model(model: str, loop: str, inverse: bool) -> Model:
    """Train a model, in double precision so that no rank depends on the order of a sum."""
    return run_pipeline(model, loop, dataset=make_dataset(create_inverse_triples=inverse)).model.double()


@pytest.fixture(params=TRAINED, ids=lambda param: "-".join(map(str, param)))
def model(request) -> Model:
    return train_model(*request.param)


def make_evaluator(**kwargs) -> RankBasedEvaluator:
    return RankBasedEvaluator(**FEW_METRICS, **kwargs)


def evaluate(evaluator: Evaluator, model: Model, **kwargs) -> dict[str, float]:
    kwargs = {"use_tqdm": False, "additional_filter_triples": known_triples(), **kwargs}
    return evaluator.evaluate(
        model=model, mapped_triples=make_dataset().testing.mapped_triples, **kwargs
    ).to_flat_dict()


def known_triples() -> list[torch.Tensor]:
    dataset = make_dataset()
    return [dataset.training.mapped_triples, dataset.validation.mapped_triples]


def score_candidates(model: Model, triples: torch.Tensor, column: int) -> torch.Tensor:
    """Score triples, of which a column is what is to be predicted, one by one."""
    h, r, t = triples.unbind(dim=-1)
    if model.use_inverse_triples:
        # relation r has the representations 2 r and, for the prediction of heads, 2 r + 1
        triples = torch.stack([t, 2 * r + 1, h] if column == 0 else [h, 2 * r, t], dim=-1)
    with torch.no_grad():
        return model.score_hrt(triples).squeeze(dim=-1)


def calculate_ranks(
    model: Model, triples: torch.Tensor, known: list[torch.Tensor], columns: tuple[int, ...] = (0, 2)
) -> list[float]:
    """Rank the true one among all candidates that do not make a known triple, by counting."""
    model.eval()
    true = {tuple(row) for row in torch.cat([triples, *known]).tolist()}
    ranks = []
    for column in columns:
        num_candidates = model.num_real_relations if column == 1 else model.num_entities
        for triple in triples.tolist():
            candidates = torch.tensor(triple).repeat(num_candidates, 1)
            candidates[:, column] = torch.arange(num_candidates)
            scores = score_candidates(model, candidates, column).tolist()
            score = scores[triple[column]]
            others = [x for x, other in zip(scores, candidates.tolist(), strict=True) if tuple(other) not in true]
            ranks.append(1 + sum(x > score for x in others) + sum(x == score for x in others) / 2)
    return ranks


def test_metrics(model):
    """The metrics are those of ranks that are counted one by one."""
    actual = evaluate(make_evaluator(), model)
    ranks = calculate_ranks(model, make_dataset().testing.mapped_triples, known_triples())
    assert actual["both.realistic.arithmetic_mean_rank"] == pytest.approx(sum(ranks) / len(ranks))
    assert actual["both.realistic.inverse_harmonic_mean_rank"] == pytest.approx(sum(1 / x for x in ranks) / len(ranks))
    assert actual["both.realistic.hits_at_3"] == pytest.approx(sum(x <= 3 for x in ranks) / len(ranks))


@pytest.mark.parametrize("cls", [AdaMFRotatE, LpRotatE, RotatE])
def test_unfiltered_metrics(cls):
    """This version of PyKEEN refuses unfiltered ranks, whatever the model."""
    untrained = cls(triples_factory=make_dataset().training, embedding_dim=4, random_seed=0)
    with pytest.raises(ValueError, match="RankBasedEvaluator needs the true scores!"):
        evaluate(RankBasedEvaluator(filtered=False), untrained)


def test_batches_and_slices(model):
    """Neither the size of batches nor that of slices changes anything."""
    expected = evaluate(make_evaluator(), model)
    for batch_size in (None, 1, 4):
        for slice_size in (None, 1, 7, 100):
            assert evaluate(make_evaluator(), model, batch_size=batch_size, slice_size=slice_size) == expected
    evaluator = make_evaluator(batch_size=3, slice_size=6, mode=None)
    assert evaluate(evaluator, model, batch_size=evaluator.batch_size, slice_size=evaluator.slice_size) == expected


EVALUATORS = {
    "rank": RankBasedEvaluator,
    "macro": MacroRankBasedEvaluator,
    "sampled": lambda: SampledRankBasedEvaluator(
        evaluation_factory=make_dataset().testing,
        head_negatives=torch.arange(6).repeat(make_dataset().testing.num_triples, 1),
        tail_negatives=torch.arange(14, 20).repeat(make_dataset().testing.num_triples, 1),
    ),
    "sampled at random": lambda: SampledRankBasedEvaluator(
        evaluation_factory=make_dataset().testing, num_negatives=5, additional_filter_triples=known_triples()
    ),
    "classification": ClassificationEvaluator,
}


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("name", EVALUATORS)
def test_evaluators(model, name, monkeypatch):
    """Every evaluator gets the same numbers from predictions of a table as from PyKEEN's own way to score."""
    evaluator = EVALUATORS[name]()
    ours, others = evaluate(evaluator, model, batch_size=4), [evaluate(evaluator, model, batch_size=32)]
    # as if an entity's representation were different each time
    monkeypatch.setattr(model, "_can_share", lambda: False)
    others.append(evaluate(evaluator, model, batch_size=4))
    for other in others:
        assert ours.keys() == other.keys()
        for key, value in ours.items():
            # where scores of heads and of tails are compared with each other, some are of the same triple
            if name != "classification" or not key.startswith("both"):
                assert value == pytest.approx(other[key], nan_ok=True), key


@pytest.mark.parametrize("name", EVALUATORS)
@pytest.mark.parametrize(("model_name", "loop"), [("AdaMFRotatE", "MAT"), ("LpRotatE", "sLCWA")])
def test_evaluators_in_the_pipeline(model_name, loop, name):
    result = run_pipeline(model_name, loop, evaluator=EVALUATORS[name]())
    assert result.metric_results.to_df().shape[0] > 10
    if name != "classification":
        assert 0 < result.get_metric("mrr") <= 1


@pytest.mark.skipif(importlib.util.find_spec("ogb") is not None, reason="is about environments without OGB")
def test_ogb():
    """PyKEEN says what it needs."""
    evaluator = evaluator_resolver.make("ogb", evaluation_factory=make_dataset().testing, num_negatives=5)
    with pytest.raises(ImportError, match="requires `ogb` to be installed"):
        evaluate(evaluator, train_model(*TRAINED[0]), additional_filter_triples=None)


@pytest.mark.parametrize("mode", ["training", "validation", "testing"])
def test_inductive_mode(model, mode):
    """The models are transductive, and say so."""
    with pytest.raises(ValueError, match=f"does not support inductive mode: {mode}"):
        evaluate(make_evaluator(mode=mode), model)


# Restrictions


@pytest.mark.parametrize(("model_name", "loop"), [("AdaMFRotatE", "MAT"), ("LpRotatE", "LCWA")])
@pytest.mark.parametrize(
    "whitelist",
    [
        dict(evaluation_relation_whitelist=["r1", "r3"]),
        dict(evaluation_entity_whitelist=[f"e{i}" for i in range(14)]),
        dict(
            evaluation_entity_whitelist=[f"e{i}" for i in range(18)], evaluation_relation_whitelist=["r0", "r1", "r2"]
        ),
    ],
)
def test_whitelists(model_name, loop, whitelist):
    """Only triples of these entities and relations are evaluated; training is the same."""
    dataset = make_dataset()
    allowed = {"entities": set(dataset.entity_to_id), "relations": set(dataset.relation_to_id)}
    if "evaluation_entity_whitelist" in whitelist:
        allowed["entities"] &= set(whitelist["evaluation_entity_whitelist"])
    if "evaluation_relation_whitelist" in whitelist:
        allowed["relations"] &= set(whitelist["evaluation_relation_whitelist"])
    labels = dataset.testing.label_triples(dataset.testing.mapped_triples)
    kept = [{head, tail} <= allowed["entities"] and relation in allowed["relations"] for head, relation, tail in labels]
    assert 0 < sum(kept) < len(kept)
    restricted = dataset.validation.new_with_restriction(
        entities=whitelist.get("evaluation_entity_whitelist"), relations=whitelist.get("evaluation_relation_whitelist")
    ).mapped_triples
    result = run_pipeline(model_name, loop, **whitelist)
    assert result.get_metric("both.realistic.count") == 2 * sum(kept)
    assert result.losses == run_pipeline(model_name, loop).losses
    ranks = calculate_ranks(
        result.model,
        dataset.testing.mapped_triples[torch.tensor(kept)],
        # PyKEEN restricts what is known of the validation triples, too
        [dataset.training.mapped_triples, restricted],
    )
    assert result.get_metric("both.realistic.arithmetic_mean_rank") == pytest.approx(sum(ranks) / len(ranks))


@pytest.mark.parametrize("restriction", [dict(restrict_entities_to=range(14)), dict(restrict_relations_to=[1, 3])])
def test_restrictions(model, restriction):
    """Candidates can be restricted, too; triples that do not fit are refused, or left out."""
    with pytest.raises(ValueError, match="mapped_triples contains IDs of"):
        evaluate(make_evaluator(), model, **restriction)
    metrics = evaluate(make_evaluator(), model, pre_filtered_triples=False, **restriction)
    triples = make_dataset().testing.mapped_triples
    if "restrict_entities_to" in restriction:
        expected = int((triples[:, [0, 2]] < 14).all(dim=-1).sum())
    else:
        expected = int(torch.isin(triples[:, 1], torch.tensor([1, 3])).sum())
    assert metrics["head.realistic.count"] == expected


def test_additional_filter_triples():
    """More known triples to leave out never make a rank worse."""
    model = train_model(*TRAINED[0])
    ranks = [
        evaluate(make_evaluator(), model, additional_filter_triples=known)["both.realistic.arithmetic_mean_rank"]
        for known in (None, known_triples()[0], known_triples())
    ]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] > ranks[-1]


# Loops


@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_evaluation_loop(model, batch_size):
    """PyKEEN's newer way to evaluate comes to the same result."""
    loop = LCWAEvaluationLoop(
        triples_factory=make_dataset().testing,
        model=model,
        evaluator=make_evaluator(),
        additional_filter_triples=known_triples(),
    )
    actual = loop.evaluate(batch_size=batch_size, use_tqdm=False).to_flat_dict()
    assert actual == pytest.approx(evaluate(make_evaluator(), model), nan_ok=True)


def test_relations_in_an_evaluation_loop(model):
    """It predicts relations, too, unless there are inverse ones."""
    if model.use_inverse_triples:
        pytest.skip("PyKEEN's relation prediction is not made for inverse relations")
    triples = make_dataset().testing.mapped_triples
    loop = LCWAEvaluationLoop(
        triples_factory=make_dataset().testing,
        model=model,
        evaluator=make_evaluator(),
        targets=["relation"],
        additional_filter_triples=known_triples(),
    )
    actual = loop.evaluate(use_tqdm=False).to_flat_dict()
    ranks = calculate_ranks(model, triples, known_triples(), columns=(1,))
    assert actual["relation.realistic.arithmetic_mean_rank"] == pytest.approx(sum(ranks) / len(ranks))
