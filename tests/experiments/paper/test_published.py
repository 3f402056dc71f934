"""The published figures, and where they are shown."""

import pytest

from pykeen_adamf.datasets.published import BENCHMARKS
from pykeen_adamf.experiments.paper.published import TABLE_2, TABLE_3, TABLE_3_DATASET, PublishedResult, find_published


@pytest.mark.parametrize(
    ("variant", "dataset", "result"),
    [
        ("TransE", "DB15K", (24.86, 12.78, 31.48, 47.07)),
        ("TransD", "DB15K", (21.52, 8.34, 29.93, 44.24)),
        ("RotatE", "MKG-W", (33.67, 26.80, 36.68, 46.73)),
        ("PairRE", "MKG-Y", (32.01, 25.53, 35.84, 43.89)),
        ("IKRL", "MKG-Y", (33.22, 30.37, 34.28, 38.26)),
        ("TBKGC", "DB15K", (28.40, 15.61, 37.03, 49.86)),
        ("AdaMF", "MKG-Y", (38.06, 33.49, 40.44, 45.48)),
        ("AdaMF-MAT", "DB15K", (35.14, 25.30, 41.11, 52.92)),
        ("AdaMF-MAT", "MKG-W", (35.85, 29.04, 39.01, 48.42)),
    ],
)
def test_table_2(variant, dataset, result):
    assert TABLE_2[variant][dataset] == result
    assert find_published("table2", variant, dataset) == PublishedResult(*result)


@pytest.mark.parametrize(
    ("variant", "result"),
    [
        ("AdaMF (S+V+T, adaptive)", (33.19, 23.08, 40.34, 52.47)),
        ("AdaMF (S+V+T, mean)", (32.57, 21.45, 39.71, 51.68)),
        ("AdaMF (V+T)", (31.01, 18.45, 39.38, 52.27)),
        ("AdaMF-MAT w/o (h*, r, t)", (34.64, 24.52, 40.98, 52.49)),
        ("AdaMF-MAT w/o (h, r, t*)", (34.65, 24.49, 41.13, 52.61)),
        ("AdaMF-MAT w/o (h*, r, t*)", (34.61, 24.36, 40.98, 52.65)),
    ],
)
def test_table_3(variant, result):
    assert TABLE_3[variant] == result
    assert find_published("table3", variant, "DB15K") == PublishedResult(*result)


def test_complete():
    """Table 2 has 21 rows for each of 3 datasets, table 3 has 9; the same model is the same in both."""
    assert len(TABLE_2) == 21
    assert len(TABLE_3) == 9
    for results in TABLE_2.values():
        assert list(results) == list(BENCHMARKS)
    assert TABLE_3["AdaMF-MAT"] == TABLE_2["AdaMF-MAT"][TABLE_3_DATASET]


def test_larger_k_is_no_harder():
    rows = [*TABLE_3.values(), *(result for results in TABLE_2.values() for result in results.values())]
    for row in rows:
        assert row.hits_at_1 < row.hits_at_3 < row.hits_at_10
        assert row.hits_at_1 < row.mrr < row.hits_at_10
    assert rows[0].by_metric() == {"MRR": 35.14, "Hits@1": 25.30, "Hits@3": 41.11, "Hits@10": 52.92}


@pytest.mark.parametrize(
    ("experiment", "variant", "dataset"),
    [
        ("table2", "AdaMF", "EmojiKG"),
        ("table2", "IKRL-MAT", "DB15K"),
        ("table3", "AdaMF (S+V)", "MKG-W"),
        ("figure3", "AdaMF", "DB15K"),
    ],
)
def test_nothing_was_published(experiment, variant, dataset):
    assert find_published(experiment, variant, dataset) is None


def test_spelling_does_not_matter():
    assert find_published("table2", "adamf-mat", "db15k") == find_published("table2", "AdaMF-MAT", "DB15K")
    assert find_published("table2", "RotatE", "mkgw") is not None
    for name, result in TABLE_3.items():
        assert find_published("table3", name.replace("w/o", "without").replace(",", ""), "DB15K") == result
