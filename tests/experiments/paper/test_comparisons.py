"""Comparisons in reports."""

import pandas
import pytest

from pykeen_adamf.experiments.paper.reporting.pairs import find_pairs
from pykeen_adamf.experiments.paper.reporting.points import read_points
from pykeen_adamf.experiments.statistics import compare_ranks, read_ranks

from .synthetic import report, section, table, write_experiment


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
        [read_ranks(path) for path in sorted(directory.glob(f"runs/emojikg-{name}-seed-*.npz"))]
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


def test_pairs_of_ablations(tmp_path):
    write_experiment(tmp_path, "table3", models=None, seeds=1)
    experiment = read_points(tmp_path)
    labels = [pair.label for pair in find_pairs("table3", experiment.on("EmojiKG"))]
    assert len(labels) == 12
    assert sum(label.endswith("vs. AdaMF-MAT") for label in labels) == 8
    assert sum(label.endswith("vs. AdaMF (S+V+T, adaptive)") for label in labels) == 4
