"""Comparisons in reports."""

import shutil

import pandas
import pytest

from pykeen_adamf.evaluation import compare_ranks, read_ranks
from pykeen_adamf.experiments.paper.reporting.comparisons import find_pairs
from pykeen_adamf.experiments.paper.reporting.runs import read_runs
from tests.datasets.cases import write_benchmark

from .cases import get_variant
from .synthetic import get_folder, report, section, table, write_experiment


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the directory of a finished experiment, and the text of its report."""
    directory = tmp_path_factory.mktemp("finished")
    write_experiment(directory)
    return directory, report(directory)


def test_comparisons(finished):
    directory, text = finished
    rows = table(section(text, "Comparisons"))
    assert [row[0] for row in rows[1:]] == [
        "AdaMF-MAT vs. RotatE",
        "IKRL-MAT vs. IKRL",
        "AdaMF-MAT vs. AdaMF",
    ]
    better, same = (
        [read_ranks(path) for path in sorted(directory.glob(f"runs/emojikg-{name}-seed-*/ranks.npz"))]
        for name in ("adamf-mat", "adamf")
    )
    expected = compare_ranks(better, same)
    mrr = expected.iloc[0]
    assert rows[-1][2] == "**{:+.2f} [{:+.2f}, {:+.2f}]**".format(*(100 * mrr[["difference", "low", "high"]]))
    assert rows[-1][-1] == "< 0.001"
    # the same ranks
    assert rows[2][2:] == ["+0.00 [+0.00, +0.00]"] * 4 + ["1.000"]


def test_coverage(finished):
    """EmojiKG: emoji have both modalities, everything else has a text."""
    rows = table(section(finished[1], "By what there is of modalities"))[1:]
    assert [tuple(row[:3]) for row in rows[:2]] == [
        ("AdaMF-MAT vs. RotatE", "all", "24"),
        ("AdaMF-MAT vs. RotatE", "some", "483"),
    ]


def test_relations(finished):
    directory, text = finished
    rows = table(section(text, "By relation"))[1:]
    assert [row[1:3] for row in rows[:5]] == [
        ["has_keyword", "312"],
        ["in_subgroup", "162"],
        ["gender_counterpart", "16"],
        ["in_group", "9"],
        ["composed_of", "8"],
    ]
    # of so few triples, there is no interval
    assert "[" in rows[1][-2]
    assert "[" not in rows[2][-2]
    assert rows[2][-1] == "-"
    frame = pandas.read_csv(directory / "table2-EmojiKG-relations.tsv", sep="\t")
    assert len(frame) == 15
    assert frame.groupby("pair")["num_triples"].sum().tolist() == [507] * 3


@pytest.mark.slow
def test_pairs_of_ablations(tmp_path):
    write_experiment(tmp_path, "table3", models=None, seeds=1)
    labels = [pair.label for pair in find_pairs(read_runs(tmp_path))]
    assert len(labels) == 12
    assert sum(label.endswith("vs. AdaMF-MAT") for label in labels) == 8
    assert sum(label.endswith("vs. AdaMF (S+V+T, adaptive)") for label in labels) == 4


# --- what is not there


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("content", [None, b"no ranks"])
def test_unreadable_ranks(tmp_path, content):
    """There is a report, without the comparisons that need them."""
    runs = write_experiment(tmp_path, models=["IKRL", "IKRL-MAT", "AdaMF", "AdaMF-MAT"], seeds=1)
    path = next(get_folder(tmp_path, run).ranks for run in runs if get_variant(run) == "AdaMF")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    text = section(report(tmp_path), "Comparisons")
    assert [row[0] for row in table(text)[1:]] == ["IKRL-MAT vs. IKRL"]
    assert f"**There is no comparison of AdaMF-MAT vs. AdaMF: {path} " in text
    assert "Remove the files of this run" in text
    for other in tmp_path.glob("runs/*/ranks.npz"):
        other.unlink()
    text = section(report(tmp_path), "Comparisons")
    assert text.strip().startswith("There are no comparisons: IKRL-MAT vs. IKRL: ")


def test_other_data(tmp_path):
    def change(run, result):
        if get_variant(run) == "AdaMF":
            result["data"]["training"] = "other"

    write_experiment(tmp_path, models=["AdaMF", "AdaMF-MAT"], seeds=1, change=change)
    assert "**The runs are not on the same data: they differ in training.**" in report(tmp_path)


@pytest.mark.slow
def test_the_dataset_is_gone(tmp_path):
    """Reports are made of the folders of runs alone."""
    small = write_benchmark(tmp_path / "DB15K")
    models = ["RotatE", "RotatE (PyKEEN)", "AdaMF", "AdaMF-MAT"]
    kwargs = {"directory": str(small)}
    write_experiment(tmp_path / "x", dataset="DB15K", seeds=1, models=models, dataset_kwargs=kwargs)
    before = report(tmp_path / "x")
    shutil.rmtree(small)
    assert report(tmp_path / "x") == before
    assert len(table(section(before, "By relation"))) > 1


def test_ranks_without_groups(tmp_path):
    """Of runs that were made by hand: whatever is in their files is reported."""
    write_experiment(tmp_path, models=["AdaMF", "AdaMF-MAT"], seeds=1, has_groups=False)
    text = report(tmp_path)
    assert len(table(section(text, "Comparisons"))) == 2
    assert "**Not by modalities or relations: AdaMF-MAT vs. AdaMF**, since runs were made by hand" in text
    assert section(text, "By what there is of modalities").strip() == "None of these comparisons."
    assert "By relation" not in text
