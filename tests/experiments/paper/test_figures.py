"""The figures of the paper, and plots in general."""

import subprocess
import sys
from functools import partial

import pandas
import pytest

from pykeen_adamf.evaluation import comparison
from pykeen_adamf.experiments.paper.reporting.plots import plot
from pykeen_adamf.experiments.paper.reporting.runs import read_runs
from pykeen_adamf.experiments.paper.reporting.tables import average_weights

from .synthetic import report, section, table, write_experiment

#: experiments with many comparisons
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("table3", "figure3")]


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    """No test of this file looks at intervals, which would be most of the time."""
    monkeypatch.setattr(comparison, "bootstrap_means", partial(comparison.bootstrap_means, num_resamples=100))


@pytest.mark.slow
def test_missing_modalities(tmp_path):
    write_experiment(tmp_path, "figure3", models=["AdaMF", "AdaMF-MAT"])
    text = report(tmp_path)
    assert "![Missing modalities (figure 3): EmojiKG](figure3-EmojiKG.png)" in text
    assert "training and evaluation alike: random ones, by seed. What" in section(text, "Setting")
    rows = [row[0] for row in table(section(text, "Comparisons"))[1:]]
    assert rows == [f"AdaMF-MAT vs. AdaMF, missing ratio {ratio}" for ratio in (0.0, 0.2, 0.4, 0.6, 0.8)]
    coverage = table(section(text, "By what there is of modalities"))[1:]
    none = {row[0][-3:]: int(row[2]) for row in coverage if row[1] == "none"}
    # more and more
    assert list(none) == ["0.2", "0.4", "0.6", "0.8"]
    assert list(none.values()) == sorted(none.values())


@pytest.mark.slow
def test_rare_entities_first(tmp_path):
    """Both orders of dropping may be in one directory, and are compared each with itself."""
    for order in ("degree", "uniform"):
        write_experiment(tmp_path, "figure3", models=["AdaMF", "AdaMF-MAT"], missing_by=order)
    text = report(tmp_path)
    assert "alike: those of the entities in the fewest training triples first or random ones" in section(
        text, "Setting"
    )
    rows = [row[0] for row in table(section(text, "Comparisons"))[1:]]
    # where nothing is dropped, there is no order of it
    assert sorted(rows) == sorted(
        [
            "AdaMF-MAT vs. AdaMF, missing ratio 0.0",
            *(f"AdaMF-MAT vs. AdaMF, missing ratio {ratio}" for ratio in (0.2, 0.4, 0.6, 0.8)),
            *(f"AdaMF-MAT vs. AdaMF, missing ratio {ratio}, dropped by degree" for ratio in (0.2, 0.4, 0.6, 0.8)),
        ]
    )
    # the classes of coverage are those of what was dropped
    coverage = table(section(text, "By what there is of modalities"))[1:]
    none = {row[0].partition("ratio ")[2]: int(row[2]) for row in coverage if row[1] == "none"}
    assert none["0.4, dropped by degree"] != none["0.4"]
    ax = plot(read_runs(tmp_path)).axes[0]
    assert [text.get_text() for text in ax.get_legend().texts] == [
        f"AdaMF w/{x} MAT, by {order}" for order in ("uniform", "degree") for x in ("", "o")
    ]
    # the lines of both begin with what is the same
    assert all(line.get_xdata().tolist() == [0.0, 0.2, 0.4, 0.6, 0.8] for line in ax.get_lines())


@pytest.mark.slow
def test_groups(tmp_path):
    write_experiment(tmp_path, "figure4", models=None, seeds=1)
    text = report(tmp_path)
    assert [row[0] for row in table(section(text, "Comparisons"))[1:]] == [
        f"AdaMF-MAT, L = {number} vs. AdaMF-MAT, L = 1" for number in (2, 4, 8)
    ]
    # configured alike, but for L
    assert len(table(section(text, "Setting"), 1)) == 2


def test_weights(tmp_path):
    write_experiment(tmp_path, "figure5", models=None)
    text = report(tmp_path)
    weights = average_weights(read_runs(tmp_path))
    assert weights["model"].tolist() == ["AdaMF"] * 6 + ["AdaMF-MAT"] * 6
    assert weights["relation"].tolist()[:6] == ["has_keyword"] * 3 + ["in_subgroup"] * 3
    assert weights["modality"].tolist() == ["structural", "visual", "textual"] * 4
    # seeds 0 and 1
    assert weights["weight"].tolist()[:3] == pytest.approx([1.5 / 9, 2.5 / 9, 3.5 / 9])
    # the standard deviation of 1/9 and 2/9 is 1/9 divided by the root of two, which is 7.86 %
    rows = table(section(text, "Weights of modalities"))
    assert rows[0] == ["", "relation", "test triples", "structural", "visual", "textual"]
    assert [row[:3] for row in rows[1:]] == [
        [model, *relation]
        for model in ("AdaMF", "AdaMF-MAT")
        for relation in (["has_keyword", "312"], ["in_subgroup", "162"])
    ]
    assert rows[1][3:] == ["16.67 ± 7.86", "27.78 ± 7.86", "38.89 ± 7.86"]
    frame = pandas.read_csv(tmp_path / "figure5-EmojiKG-weights.tsv", sep="\t")
    assert len(frame) == 2 * 2 * 3
    assert frame["weight"][0] == pytest.approx(1.5 / 9)
    assert frame["standard_deviation"][0] == pytest.approx(1 / 9 / 2**0.5)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["table2", *SLOW, "figure4", "figure5"])
def test_plots(tmp_path, experiment):
    write_experiment(tmp_path, experiment, models=None, seeds=1, missing=[("TBKGC", 0)])
    report(tmp_path)
    assert (tmp_path / f"{experiment}-EmojiKG.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*.svg"))


@pytest.mark.slow
def test_without_matplotlib(tmp_path):
    """In a process of its own, in which it cannot be imported."""
    write_experiment(tmp_path, models=["RotatE"], seeds=1)
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pykeen_adamf.experiments.paper.report import write_report\n"
        f"write_report({str(tmp_path)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    text = (tmp_path / "report.md").read_text()
    assert 'There is no plot. Plots need matplotlib. Install it with: pip install "pykeen-adamf[plots]"' in text
    assert not list(tmp_path.glob("*.png"))
