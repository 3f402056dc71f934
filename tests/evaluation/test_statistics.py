"""Paired comparisons of two models."""

import math

import numpy
import pytest
import scipy.stats
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.models import DistMult

from pykeen_adamf.evaluation import (
    METRICS,
    RankFileError,
    Ranks,
    bootstrap_means,
    compare_ranks,
    rank_metrics,
)
from pykeen_adamf.explaining.ranking import Ranker
from tests.cases import make_factory


def make_ranks(num: int = 60, seed: int = 0, high: int = 30) -> Ranks:
    rng = numpy.random.default_rng(seed)
    head, tail = rng.integers(1, high, size=(2, num)).astype(float)
    return Ranks.from_arrays(make_triples(num), head, tail)


def make_triples(num):
    return numpy.stack([numpy.arange(num), numpy.arange(num) % 3, numpy.arange(num)[::-1]], axis=1)


# --- metrics


def test_metrics_by_hand():
    ranks = Ranks.from_arrays(make_triples(2), numpy.array([1.0, 4.0]), numpy.array([2.0, 10.5]))
    values = rank_metrics(ranks)
    assert values.tolist() == [[(1 + 1 / 2) / 2, 0.5, 1, 1], [(1 / 4 + 1 / 10.5) / 2, 0, 0, 0.5]]
    assert rank_metrics(ranks, ["Hits@4"]).tolist() == [[1], [0.5]]


def test_averages_are_pykeens_metrics():
    training, testing = make_factory(num_triples=200).split(random_state=0)
    model = DistMult(triples_factory=training, embedding_dim=4, random_seed=0)
    with torch.inference_mode():
        known = torch.cat([training.mapped_triples, testing.mapped_triples])
        ranked = Ranker(model, testing.mapped_triples, known).rank(lambda _: None)
    ranks = Ranks.from_arrays(testing.mapped_triples.numpy(), ranked.head_ranks.numpy(), ranked.tail_ranks.numpy())
    results = RankBasedEvaluator().evaluate(
        model,
        testing.mapped_triples,
        additional_filter_triples=[training.mapped_triples],
        use_tqdm=False,
    )
    names = ["inverse_harmonic_mean_rank", "hits_at_1", "hits_at_3", "hits_at_10"]
    assert rank_metrics(ranks).mean(axis=0).tolist() == pytest.approx(
        [results.get_metric(f"both.realistic.{name}") for name in names], rel=1e-6
    )


@pytest.mark.parametrize("metric", ["mrr", "Hits", "Hits@", "Hits@ten", "Hits@-1"])
def test_unknown_metrics(metric):
    with pytest.raises(ValueError, match="is no metric of ranks"):
        rank_metrics(make_ranks(), [metric])


# --- bootstrap


def test_as_scipy():
    """Other random numbers, hence only up to the error of 10,000 resamples."""
    values = numpy.random.default_rng(0).gamma(1.0, size=(50, 2)) - 0.8
    interval = bootstrap_means(values, seed=1)
    for column in range(2):
        expected = scipy.stats.bootstrap(
            (values[:, column],), numpy.mean, n_resamples=10_000, method="percentile", random_state=2
        )
        tolerance = 0.05 * expected.standard_error
        assert interval.mean[column] == pytest.approx(values[:, column].mean())
        assert interval.low[column] == pytest.approx(expected.confidence_interval.low, abs=2 * tolerance)
        assert interval.high[column] == pytest.approx(expected.confidence_interval.high, abs=2 * tolerance)


def test_normal_distribution():
    """With many rows, the interval is the mean +- 1.96 standard errors, and the p-value that of the z-test."""
    values = numpy.random.default_rng(0).normal(0.05, size=(1_000, 1))
    standard_error = values.std() / math.sqrt(1_000)
    interval = bootstrap_means(values)
    assert interval.low[0] == pytest.approx(values.mean() - 1.96 * standard_error, abs=0.1 * standard_error)
    assert interval.high[0] == pytest.approx(values.mean() + 1.96 * standard_error, abs=0.1 * standard_error)
    p_value = 2 * scipy.stats.norm.sf(abs(values.mean()) / standard_error)
    assert interval.p_value[0] == pytest.approx(p_value, abs=0.02)


def test_all_resamples_of_two_rows():
    """The means are 0, 1/2 and 1 with the probabilities 1/4, 1/2 and 1/4."""
    interval = bootstrap_means(numpy.array([[0.0], [1.0]]), num_resamples=20_000)
    assert (interval.low[0], interval.mean[0], interval.high[0]) == (0, 0.5, 1)
    assert interval.p_value[0] == pytest.approx(0.5, abs=0.03)


def test_coverage_of_the_interval():
    """Of 300 samples with a mean of zero, 95 % of the intervals contain it, up to 4 standard deviations."""
    rng = numpy.random.default_rng(0)
    covered = 0
    for seed in range(300):
        interval = bootstrap_means(rng.normal(size=(40, 1)), num_resamples=500, seed=seed)
        covered += interval.low[0] <= 0 <= interval.high[0]
    assert covered / 300 == pytest.approx(0.94, abs=4 * math.sqrt(0.95 * 0.05 / 300))


def test_no_difference():
    interval = bootstrap_means(numpy.zeros((5, 1)))
    assert [x[0] for x in interval] == [0, 0, 0, 1]


def test_p_values_are_never_zero():
    interval = bootstrap_means(numpy.ones((5, 1)), num_resamples=999)
    assert [x[0] for x in interval] == [1, 1, 1, pytest.approx(2 / 1000)]


def test_chunks_do_not_matter(monkeypatch):
    """Neither does the global random state."""
    values = numpy.random.default_rng(0).normal(size=(7, 3))
    expected = bootstrap_means(values, num_resamples=100, seed=3)
    monkeypatch.setattr("pykeen_adamf.evaluation.comparison.MAX_DRAWS", 50)
    numpy.random.seed(0)  # noqa: NPY002
    for one, other in zip(bootstrap_means(values, num_resamples=100, seed=3), expected, strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_resamples": 0}, "resamples must be positive, but is 0"),
        ({"confidence": 0}, "between 0 and 1"),
        ({"confidence": 95}, "between 0 and 1, but is 95"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_means(numpy.ones((5, 1)), **options)
    with pytest.raises(ValueError, match="at least one sample"):
        bootstrap_means(numpy.ones((0, 1)))


# --- comparisons


def test_equal_models():
    frame = compare_ranks([make_ranks()], [make_ranks(), make_ranks()])
    assert frame["metric"].tolist() == list(METRICS)
    assert (frame["first"] - frame["second"]).abs().max() < 1e-15
    assert frame[["difference", "low", "high"]].abs().to_numpy().max() < 1e-15
    assert frame["p_value"].tolist() == [1] * 4


def test_known_difference():
    """One model has rank 1 everywhere, the other rank 2: there is nothing to be uncertain about."""
    triples, ones = make_triples(20), numpy.ones(20)
    frame = compare_ranks([Ranks.from_arrays(triples, ones, ones)], [Ranks.from_arrays(triples, 2 * ones, 2 * ones)])
    frame = frame.set_index("metric")
    assert frame[["first", "second", "difference", "low", "high"]].to_numpy().tolist() == [
        [1, 0.5, 0.5, 0.5, 0.5],
        [1, 0, 1, 1, 1],
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
    ]
    assert (frame["p_value"] < 0.001).tolist() == [True, True, False, False]


def test_symmetric():
    one, other = [make_ranks(seed=0), make_ranks(seed=1)], [make_ranks(seed=2, high=25)]
    forward, backward = compare_ranks(one, other), compare_ranks(other, one)
    for name, counterpart in (("difference", "difference"), ("low", "high"), ("high", "low")):
        numpy.testing.assert_allclose(forward[name], -backward[counterpart], atol=1e-12)
    assert forward["first"].tolist() == backward["second"].tolist()
    assert forward["p_value"].tolist() == pytest.approx(backward["p_value"].tolist(), abs=2e-3)


def test_seeds_are_averaged_first():
    """Pairs of seeds would be another question, with a wider interval."""
    one, other = [make_ranks(seed=0), make_ranks(seed=1)], [make_ranks(seed=2)]
    frame = compare_ranks(one, other, seed=4)
    values = (rank_metrics(one[0]) + rank_metrics(one[1])) / 2 - rank_metrics(other[0])
    expected = bootstrap_means(values, seed=4)
    for name, column in (("difference", 0), ("low", 1), ("high", 2), ("p_value", 3)):
        numpy.testing.assert_allclose(frame[name], expected[column])


def test_head_and_tail_stay_together():
    """If both ranks of a triple are bad, they are so in the same resamples: the interval is that of triples."""
    num = 200
    bad = numpy.arange(num) % 2 == 0
    rank = numpy.where(bad, 2.0, 1.0)
    ones = numpy.ones(num)
    triples = make_triples(num)
    frame = compare_ranks([Ranks.from_arrays(triples, rank, rank)], [Ranks.from_arrays(triples, ones, ones)])
    hits = frame.set_index("metric").loc["Hits@1"]
    # of 200 rather than of 400 independent ones
    assert hits["high"] - hits["low"] == pytest.approx(2 * 1.96 * math.sqrt(0.25 / num), rel=0.08)


def test_triples_in_another_order():
    ranks = make_ranks()
    order = numpy.random.default_rng(0).permutation(ranks.num_triples)
    shuffled = Ranks.from_arrays(ranks.triples[order], ranks.head_rank[order], ranks.tail_rank[order])
    assert shuffled.triples.tolist() == ranks.triples.tolist()
    assert shuffled.head_rank.tolist() == ranks.head_rank.tolist()


def test_groups():
    one, other = make_ranks(seed=0), make_ranks(seed=1)
    groups = one.triples[:, 1]
    frame = compare_ranks([one], [other], groups=groups, metrics=["MRR", "Hits@1"])
    assert frame["group"].tolist() == [0, 0, 1, 1, 2, 2]
    assert frame["num_triples"].tolist() == [20] * 6
    for group, part in frame.groupby("group"):
        chosen = groups == group
        alone = compare_ranks(
            *([Ranks(x.triples[chosen], x.head_rank[chosen], x.tail_rank[chosen])] for x in (one, other)),
            metrics=["MRR", "Hits@1"],
        )
        assert part.drop(columns="group").to_numpy().tolist() == alone.to_numpy().tolist()


def test_groups_that_depend_on_the_seed():
    """Triple 0 is always in group "a", triple 1 with the first seed only, triple 2 never."""
    triples, ones = make_triples(3), numpy.ones(3)
    one = [Ranks.from_arrays(triples, rank * ones, rank * ones) for rank in (1.0, 2.0)]
    other = [Ranks.from_arrays(triples, 4 * ones, 4 * ones)] * 2
    groups = numpy.array([["a", "a", "b"], ["a", "b", "b"]])
    frame = compare_ranks(one, other, groups=groups, metrics=["MRR"]).set_index("group")
    assert frame["num_triples"].to_dict() == {"a": 2, "b": 2}
    # the first seed has 1, the second one 1/2
    assert frame["first"].to_dict() == {"a": (0.75 + 1) / 2, "b": (0.5 + 0.75) / 2}
    assert frame["second"].to_dict() == {"a": 0.25, "b": 0.25}
    same = compare_ranks(one, other, groups=numpy.stack([groups[0]] * 2))
    assert same.equals(compare_ranks(one, other, groups=groups[0]))
    with pytest.raises(ValueError, match="each of the seeds of both models"):
        compare_ranks(one, other[:1], groups=groups)
    with pytest.raises(ValueError, match="each of 3 triples"):
        compare_ranks(one, other, groups=groups[:, :2])


def test_what_cannot_be_compared():
    with pytest.raises(RankFileError, match="different triples"):
        compare_ranks([make_ranks(10)], [make_ranks(11)])
    with pytest.raises(RankFileError, match="no ranks of one of the models"):
        compare_ranks([make_ranks(10)], [])
    with pytest.raises(RankFileError, match="no ranks of one of the models"):
        compare_ranks([], [make_ranks(10)])
    with pytest.raises(ValueError, match="one group for each of 10 triples"):
        compare_ranks([make_ranks(10)], [make_ranks(10)], groups=numpy.zeros(9))
