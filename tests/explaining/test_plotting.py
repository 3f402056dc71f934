"""Pictures of explanations: what is drawn are the numbers of the table."""

import builtins
import sys
import xml.etree.ElementTree

import numpy
import pytest
from PIL import Image

from pykeen_adamf.explaining import (
    explain_entities,
    explain_relations,
    explain_triples,
    plot_changes,
    plot_explanation,
    plot_weights,
)
from pykeen_adamf.explaining.plotting import COLORS, MAX_ROWS

from .cases import make_case

CHANGES = {
    "entities": [],
    "triples": ["score_change", "head", "tail"],
    "relations": ["score_change", "mrr_change"],
}
WEIGHTS = {"entities": ["weight"], "triples": ["head_weight", "tail_weight"], "relations": ["weight"]}


@pytest.fixture(scope="module")
def tables():
    model, factory = make_case()
    return {
        "entities": explain_entities(model, factory, ["e3", "e0"]),
        "triples": explain_triples(model, factory, factory.mapped_triples[:3]),
        "relations": explain_relations(model, factory, factory),
    }


def drawn(ax):
    """Return the widths of the bars, by modality."""
    return {bars.get_label(): [bar.get_width() for bar in bars] for bars in ax.containers}


def expected(table, column):
    if column in {"head", "tail"}:
        table = table.assign(**{column: table[f"{column}_rank_without"] - table[f"{column}_rank"]})
    values = table[column]
    return {modality: values[table["modality"] == modality].tolist() for modality in table["modality"].unique()}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_numbers(tables, kind):
    table = tables[kind]
    axes = plot_explanation(table).axes
    columns = [*WEIGHTS[kind], *CHANGES[kind]]
    assert len({ax.get_title() for ax in axes}) == len(axes) == len(columns)
    for ax, column in zip(axes, columns, strict=True):
        assert drawn(ax) == {name: pytest.approx(values) for name, values in expected(table, column).items()}
        colors = {bars.get_label(): bars.patches[0].get_facecolor() for bars in ax.containers}
        assert len(set(colors.values())) == len(colors) == 3
        # from top to bottom
        position = [bar.get_y() for bar in ax.containers[0]]
        assert position == sorted(position, reverse=True)
    labels = [label.get_text() for label in axes[0].get_yticklabels()]
    if kind == "entities":
        assert labels == ["e3", "e0"]
    elif kind == "triples":
        assert labels[0] == ", ".join(table.loc[0, ["head", "relation", "tail"]])
    else:
        assert labels[0] == f"r0 (n={table.loc[0, 'num_triples']})"
    assert len(plot_weights(table).axes) == len(WEIGHTS[kind])
    if CHANGES[kind]:
        assert len(plot_changes(table).axes) == len(CHANGES[kind])
    else:
        with pytest.raises(ValueError, match="no changes to plot"):
            plot_changes(table)


@pytest.mark.parametrize("plot", [plot_weights, plot_changes, plot_explanation])
@pytest.mark.parametrize("suffix", [".png", ".svg", ".PNG"])
def test_files(tables, tmp_path, plot, suffix):
    path = tmp_path / f"figure{suffix}"
    plot(tables["relations"], path)
    if suffix == ".svg":
        assert len(list(xml.etree.ElementTree.parse(path).iter())) > 100
    else:
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert picture.width > 500
            # it is not empty
            assert len(picture.convert("RGB").getcolors(maxcolors=1 << 20)) > 50
    assert list(tmp_path.iterdir()) == [path]


def test_other_modalities(tables):
    """Modalities of any name have colors of their own."""
    table = tables["relations"].replace({"modality": {"visual": "audio", "textual": "video"}})
    axes = plot_explanation(table).axes
    colors = [[bars.patches[0].get_facecolor() for bars in ax.containers] for ax in axes]
    assert len(set(colors[0])) == 3
    assert colors[0] == colors[1] == colors[2]


def test_labels_are_no_formulas(tables, tmp_path):
    """Nor are they cut off."""
    table = tables["entities"].replace({"entity": {"e3": r"$\frac{1}$", "e0": "http://example.org/" + "x" * 80}})
    figure = plot_weights(table, tmp_path / "figure.png")
    first, second = (label.get_text() for label in figure.axes[0].get_yticklabels())
    assert first == r"\$\frac{1}\$"
    assert second.startswith("http://example.org/x")
    assert second.endswith("x")
    assert len(second) < 60


def test_a_triple_twice_is_drawn_once(tables):
    model, factory = make_case()
    table = explain_triples(model, factory, factory.mapped_triples[[2, 0, 2]])
    assert len(plot_explanation(table).axes[0].get_yticklabels()) == 2


def test_models_without_weights(tables):
    """Only changes are drawn."""
    table = tables["relations"].assign(weight=numpy.nan)
    assert len(plot_explanation(table).axes) == 2
    with pytest.raises(ValueError, match="no weights to plot"):
        plot_weights(table)


def test_bad_input(tables, tmp_path):
    table = tables["relations"]
    with pytest.raises(ValueError, match=r"must end in \.png or \.svg"):
        plot_weights(table, tmp_path / "figure.pdf")
    with pytest.raises(OSError, match="a directory that exists"):
        plot_weights(table, tmp_path / "nowhere" / "figure.png")
    with pytest.raises(ValueError, match="nothing to plot"):
        plot_explanation(tables["triples"].iloc[:0])
    many = tables["entities"].iloc[[0] * (MAX_ROWS + 1)]
    many = many.assign(entity=[f"e{i}" for i in range(len(many))])
    with pytest.raises(ValueError, match="201 rows are too many"):
        plot_weights(many)
    assert not list(tmp_path.iterdir())


def test_without_matplotlib(tables, monkeypatch):
    original = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return original(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r'pip install "pykeen-adamf\[plots\]"'):
        plot_weights(tables["entities"])


def test_colors_are_for_everyone():
    assert len(set(COLORS.values())) == 3
