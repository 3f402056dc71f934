"""The published figures, and where they are shown."""

import numpy
import pytest

from pykeen_adamf.datasets.published import BENCHMARKS
from pykeen_adamf.evaluation import METRICS
from pykeen_adamf.experiments.paper.published import CITED, PUBLISHED, find_published
from tests.datasets.cases import make_matrix, write_benchmark

from .synthetic import report, section, table, write_experiment


def find_figures(experiment, variant, dataset):
    """Return the figures of a row."""
    row = find_published(experiment, variant, dataset)
    return tuple(row[metric] for metric in METRICS)


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
    assert find_figures("table2", variant, dataset) == result


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
    assert find_figures("table3", variant, "DB15K") == result


def test_complete():
    """Table 2 has 21 rows for each of 3 datasets, table 3 has 9; the same model is the same in both."""
    table2, table3 = (PUBLISHED[PUBLISHED["table"] == name] for name in ("table2", "table3"))
    assert table2["model"].nunique() == 21
    for _, rows in table2.groupby("model"):
        assert rows["dataset"].tolist() == list(BENCHMARKS)
    assert len(table3) == table3["model"].nunique() == 9
    assert set(table3["dataset"]) == {"DB15K"}
    assert not PUBLISHED.isna().any(axis=None)
    assert find_figures("table3", "AdaMF-MAT", "DB15K") == find_figures("table2", "AdaMF-MAT", "DB15K")


def test_larger_k_is_no_harder():
    for row in PUBLISHED.to_dict(orient="records"):
        assert row["Hits@1"] < row["Hits@3"] < row["Hits@10"]
        assert row["Hits@1"] < row["MRR"] < row["Hits@10"]


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
    for name in PUBLISHED.loc[PUBLISHED["table"] == "table3", "model"]:
        found = find_published("table3", name.replace("w/o", "without").replace(",", ""), "DB15K")
        assert found["model"] == name


def test_cited():
    """By the caption of table 2: unimodal models, its first seven rows, and both rows of MMRNS."""
    names = PUBLISHED.loc[PUBLISHED["table"] == "table2", "model"].unique().tolist()
    cited = PUBLISHED[PUBLISHED["source"] == CITED]
    assert set(cited["table"]) == {"table2"}
    assert names[:7] + [x for x in names if x.startswith("MMRNS")] == cited["model"].unique().tolist()
    assert (cited.groupby("model").size() == len(BENCHMARKS)).all()
    assert find_published("table2", "rotate", "DB15K")["source"] == CITED
    assert find_published("table2", "RotatE (PyKEEN)", "DB15K") is None


# --- where they are shown


@pytest.fixture
def small(tmp_path):
    """Return the directory of a benchmark with few entities."""
    return write_benchmark(tmp_path / "DB15K")


def give_features(directory, **dims):
    """Write features, and return the parameters of a dataset with them."""
    for name, dim in dims.items():
        numpy.save(directory / f"own-{name}.npy", make_matrix(dim).numpy())
    return {"directory": str(directory), "features": {name: f"own-{name}.npy" for name in dims}}


def test_published_figures(tmp_path, small):
    """They stand beside results of other features, and are called what they are."""
    # the textual ones have the dimension of the published ones
    kwargs = give_features(small, visual=5, textual=768)
    write_experiment(
        tmp_path / "x",
        dataset="DB15K",
        seeds=1,
        models=["RotatE", "VBKGC", "AdaMF-MAT", "IKRL-MAT"],
        dataset_kwargs=kwargs,
    )
    text = report(tmp_path / "x")
    rows = {row[0]: row for row in table(section(text, "Results"))}
    assert rows["RotatE"][-4:] == ["29.28", "17.87", "36.12", "49.66"]
    assert rows["AdaMF-MAT"][-4:] == ["35.14", "25.30", "41.11", "52.92"]
    assert rows["IKRL-MAT"][-4:] == ["-"] * 4
    assert "In the published figures of VBKGC, negatives are drawn as for other models, rather than as twins" in text
    assert "no target of these results. Those of RotatE are not the paper's own, but from Xu et al. (2022)." in text
    setting = {row[0]: row for row in table(section(text, "Setting"))}
    assert "not the published features" in setting["visual features"][1]
    assert "is not recorded" in setting["textual features"][1]
    # the name of the file says more than its dimension, and its directory nothing
    assert all(setting[f"{name} features"][1].startswith(f"file own-{name}.npy, ") for name in ("visual", "textual"))
    # one seed has no standard deviation
    assert "±" not in " ".join(rows["RotatE"])


@pytest.mark.slow
def test_published_ablations(tmp_path, small):
    write_experiment(
        tmp_path / "x",
        "table3",
        dataset="DB15K",
        seeds=1,
        models=None,
        dataset_kwargs=give_features(small, visual=5, textual=3),
    )
    rows = table(section(report(tmp_path / "x"), "Results"))[1:]
    assert [row[-4] for row in rows] == [
        *("35.14", "33.19", "32.57", "32.34", "31.82", "31.01"),
        *("34.64", "34.65", "34.61"),
    ]
