"""The benchmark of new entities holds out what it says, ranks as PyKEEN does, and runs."""

import importlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator

from pykeen_adamf.datasets import EmojiKG

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SPLITS = ("training", "validation", "testing")


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module("new_entities")


@pytest.fixture(scope="module")
def dataset() -> EmojiKG:
    return EmojiKG()


@pytest.fixture(scope="module")
def split(benchmark, dataset):
    return benchmark.hold_out(dataset, share=0.1, seed=3)


def get_triples(dataset) -> Counter:
    factories = [getattr(dataset, name) for name in SPLITS]
    return Counter(tuple(x) for f in factories for x in f.label_triples(f.mapped_triples).tolist())


def test_nothing_of_new_entities_is_trained_on(split, dataset):
    new = set(split.new["visual"].labels)
    assert len(new) == split.counts["of them with a triple to predict"]
    assert split.counts["held-out emoji"] == round(0.1 * 1613)
    assert all(label.startswith("emoji:") for label in new)
    assert new.isdisjoint(split.dataset.training.entity_to_id)
    assert new.isdisjoint(label for h, _, t in get_triples(split.dataset) for label in (h, t))
    assert set(split.dataset.training.entity_to_id) | new <= set(dataset.training.entity_to_id)


def test_known_entities_are_trained(split):
    training = split.dataset.training
    assert set(training.mapped_triples[:, [0, 2]].unique().tolist()) == set(range(training.num_entities))


def test_every_triple_is_kept_or_to_be_predicted(split, dataset):
    everything, training = get_triples(dataset), split.dataset.training
    queries = Counter()
    for query in split.queries:
        relation = training.relation_id_to_label[query.relation]
        for answer in query.answers:
            other = training.entity_id_to_label[answer]
            queries[(query.new, relation, other) if query.target == "tail" else (other, relation, query.new)] += 1
    assert queries <= everything
    assert queries.total() == split.counts["triples to predict"]
    kept = get_triples(split.dataset)
    assert kept <= everything
    rest = everything - kept - queries
    # between two new ones, or with somebody of whom nothing is known any more
    assert all({h, t}.isdisjoint(training.entity_to_id) or not {h, t} <= set(training.entity_to_id) for h, _, t in rest)
    assert kept.total() + queries.total() + rest.total() == everything.total()


def test_features_stay_with_their_entities(split, dataset):
    for name, features in dataset.training.features.items():
        rows = dict(zip(features.labels, features.matrix, strict=True))
        for part in (split.new[name], split.dataset.training.features[name]):
            assert all(torch.equal(x, rows[label]) for label, x in zip(part.labels, part.matrix, strict=True))


def test_ranks(benchmark):
    """PyKEEN's realistic ranks, also of equal scores; other right answers are filtered."""
    scores = torch.tensor([3.0, 1.0, 2.0, 2.0, 5.0, 2.0, 0.0])
    answers = (2, 4, 6)
    query = benchmark.Query("new", 0, "tail", answers)
    filtered = scores.repeat(3, 1)
    for row, answer in enumerate(answers):
        filtered[row, [other for other in answers if other != answer]] = torch.nan
    evaluator = RankBasedEvaluator(clear_on_finalize=False)
    triples = torch.tensor([[0, 0, answer] for answer in answers])
    evaluator.process_scores_(triples, "tail", filtered, true_scores=scores[list(answers)].unsqueeze(dim=-1))
    (expected,) = evaluator.ranks["tail", "realistic"]
    assert benchmark.rank(query, scores) == expected.tolist() == [3.0, 1.0, 5.0]


@pytest.mark.parametrize("num_answers", [1, 3])
def test_random_order(benchmark, num_answers):
    """The expectation is what many random orders give."""
    query = benchmark.Query("new", 0, "tail", tuple(range(num_answers)))
    factory = type("Factory", (), {"num_entities": 40})
    split = benchmark.Split(type("Dataset", (), {"training": factory}), {}, [query], {})
    rng = torch.Generator().manual_seed(0)
    ranks = [rank for _ in range(3000) for rank in benchmark.rank(query, torch.rand(40, generator=rng))]
    assert benchmark.score_randomly(split) == pytest.approx(benchmark.average(ranks), abs=0.02)


@pytest.mark.slow
def test_benchmark(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "new_entities.py"), "--seeds", "1", "--epochs", "1"]
    process = subprocess.run(
        [*command, "--json", str(tmp_path / "results.json")], capture_output=True, text=True, timeout=3000, check=False
    )
    assert process.returncode == 0, process.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["environment"]["processor"]
    shipped = json.loads((BENCHMARKS / "results" / "new_entities.json").read_text())
    assert set(results["summary"]) == set(shipped["summary"])
    for way in results["summary"]:
        assert f"| {way} |" in process.stdout
    # what does not depend on training
    for way in ("random", "popularity", "triples of similar texts"):
        assert results["runs"][0]["new entities"][way]["MRR"] == pytest.approx(
            shipped["runs"][0]["new entities"][way]["MRR"], abs=1e-4
        )
