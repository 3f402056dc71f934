"""Explanations as pictures; drawing needs matplotlib, i.e., the extra ``plots``."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy
import pandas

from ..atomic import written_atomically
from ..constants import STRUCTURAL, TEXTUAL, VISUAL
from .output import check_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLORS",
    "OTHER_COLORS",
    "PICTURE_SUFFIXES",
    "draw_bars",
    "plot_changes",
    "plot_explanation",
    "plot_weights",
    "require_matplotlib",
]

#: The plots beside one another, by title: a row for each thing that is explained, and a column for each modality.
Panels: TypeAlias = Mapping[str, pandas.DataFrame]

#: Colors that can be told apart with any kind of color vision (Okabe and Ito).
COLORS: Final[Mapping[str, str]] = {STRUCTURAL: "#999999", VISUAL: "#0072B2", TEXTUAL: "#E69F00"}
OTHER_COLORS: Final = ("#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")

#: The suffixes of files that pictures are written to.
PICTURE_SUFFIXES: Final = (".png", ".svg")

#: More rows could be neither read nor written.
MAX_ROWS: Final = 200

#: Longer labels are shortened in the middle.
MAX_LABEL: Final = 48

#: Narrower parts of a bar have no room for a number.
MIN_NUMBER: Final = 0.08


def plot_weights(explanation: pandas.DataFrame, path: str | Path | None = None) -> "Figure":
    """Plot the weights of modalities, cf. figure 5 of the AdaMF-MAT paper.

    :param explanation: The result of :func:`explain_entities`, :func:`explain_triples` or :func:`explain_relations`.
    :param path: Where to write the figure to, a ``.png`` or ``.svg`` file.
    :returns: The figure.
    :raises ImportError: if matplotlib is not installed
    :raises ValueError: if there are no weights, nothing or too much to plot, or the path has another suffix
    """
    panels = _find_weights(explanation)
    if not panels:
        raise ValueError("There are no weights to plot: the model does not weight its modalities.")
    return _plot(panels, {}, path)


def plot_changes(explanation: pandas.DataFrame, path: str | Path | None = None) -> "Figure":
    """Plot what changes without each modality: scores, and ranks of triples, or mean reciprocal ranks of relations.

    Parameters and errors are those of :func:`plot_weights`, but entities have no changes.
    """
    panels = _find_changes(explanation)
    if not panels:
        raise ValueError("There are no changes to plot: explain triples or relations rather than entities.")
    return _plot({}, panels, path)


def plot_explanation(explanation: pandas.DataFrame, path: str | Path | None = None) -> "Figure":
    """Plot weights and changes side by side, as far as there are any, cf. :func:`plot_weights`."""
    return _plot(_find_weights(explanation), _find_changes(explanation), path)


def draw_bars(ax: "Axes", table: pandas.DataFrame, stacked: bool) -> None:
    """Draw a table with a column for each modality, the first row on top: weights stacked, changes beside one another.

    :param ax: Where to draw.
    :param table: The table.
    :param stacked: Whether the values are weights, which sum to one.
    """
    position = numpy.arange(len(table))[::-1]
    left, height = numpy.zeros(len(table)), 0.8 if stacked else 0.8 / len(table.columns)
    others = itertools.cycle(OTHER_COLORS)
    for number, (modality, widths) in enumerate(table.items()):
        offset = 0.0 if stacked else height * ((len(table.columns) - 1) / 2 - number)
        color = COLORS.get(str(modality)) or next(others)
        bars = ax.barh(position + offset, widths.to_numpy(), height, left, color=color, label=str(modality))
        if stacked:
            numbers = [f"{width:.0%}" if width >= MIN_NUMBER else "" for width in widths]
            ax.bar_label(bars, numbers, label_type="center", fontsize=8)
            left = left + widths.to_numpy()
    if stacked:
        ax.set_xlim(0, 1)
    else:
        ax.axvline(0, color="black", linewidth=0.8)
        ax.locator_params(axis="x", nbins=6)
    ax.set_yticks(position, [_shorten(label) for label in table.index])
    ax.spines[["top", "right"]].set_visible(False)


def require_matplotlib() -> "type[Figure]":
    """Return the class of figures.

    :raises ImportError: if matplotlib is not installed
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Plots need matplotlib. Install it with: pip install "pykeen-adamf[plots]"') from error
    return Figure


def _find_weights(explanation: pandas.DataFrame) -> Panels:
    """Find the weights, if there are any."""
    titles = {"weight": "Weights"}
    if "weight" not in explanation:
        titles = {"head_weight": "Weights of the head", "tail_weight": "Weights of the tail"}
    if explanation[list(titles)].isna().all(axis=None):
        return {}
    return {title: _tabulate(explanation, explanation[name]) for name, title in titles.items()}


def _find_changes(explanation: pandas.DataFrame) -> Panels:
    """Find the changes, if there are any."""
    if "score_change" not in explanation:
        return {}
    changes = {"score": explanation["score_change"]}
    if "mrr" in explanation:
        changes["MRR"] = explanation["mrr_change"]
    else:
        for side in ("head", "tail"):
            changes[f"{side}'s rank"] = explanation[f"{side}_rank_without"] - explanation[f"{side}_rank"]
    return {f"Change of the {name} if left out": _tabulate(explanation, x) for name, x in changes.items()}


def _tabulate(explanation: pandas.DataFrame, values: "pandas.Series[float]") -> pandas.DataFrame:
    """Return values as a table, with a row for each label, and a column for each modality."""
    if "entity" in explanation:
        labels = explanation["entity"]
    elif "head" in explanation:
        labels = explanation["head"] + ", " + explanation["relation"] + ", " + explanation["tail"]
    else:
        labels = explanation["relation"] + " (n=" + explanation["num_triples"].astype(str) + ")"
    frame = explanation.assign(label=labels, value=values).drop_duplicates(["label", "modality"])
    table = frame.pivot(index="label", columns="modality", values="value")
    return table.loc[frame["label"].unique(), frame["modality"].unique()]


def _plot(weights: Panels, changes: Panels, path: str | Path | None) -> "Figure":
    """Plot panels side by side."""
    figure_class = require_matplotlib()
    if path is not None:
        path = check_path(path, PICTURE_SUFFIXES)
    panels = {**weights, **changes}
    first = next(iter(panels.values()), pandas.DataFrame())
    if first.empty:
        raise ValueError("There is nothing to plot.")
    if len(first) > MAX_ROWS:
        raise ValueError(f"{len(first):,} rows are too many to plot. Select at most {MAX_ROWS} of them.")
    height = 0.15 + 0.15 * len(first.columns) if changes else 0.35
    figure = figure_class(figsize=(2.5 + 3.2 * len(panels), 1.4 + height * len(first)), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, (title, table) in zip(axes, panels.items(), strict=True):
        draw_bars(ax, table, stacked=title in weights)
        ax.set_title(title, fontsize=10)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    if path is not None:
        with written_atomically(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=150)
    return figure


def _shorten(label: str) -> str:
    """Return a label that fits, and that is not taken for a formula."""
    if len(label) > MAX_LABEL:
        label = f"{label[: MAX_LABEL // 2]}…{label[-MAX_LABEL // 2 + 1 :]}"
    return label.replace("$", r"\$")
