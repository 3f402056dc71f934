"""The plots of an experiment; drawing needs matplotlib, i.e., the extra ``plots``."""

import itertools
from typing import TYPE_CHECKING, Any, Final

import numpy
import pandas

from ....explaining.plotting import COLORS, OTHER_COLORS, draw_bars, require_matplotlib
from .tables import average_weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PICTURE_SUFFIX", "plot"]

#: The suffix of the files of plots.
PICTURE_SUFFIX: Final = ".png"

#: Colors that can be told apart with any kind of color vision.
LINE_COLORS: Final = (*list(COLORS.values())[1:], *OTHER_COLORS)

#: More relations than these, those with most triples, could not be read.
MAX_RELATIONS: Final = 25


def plot(runs: pandas.DataFrame) -> "Figure | None":
    """Plot the results of an experiment on one dataset.

    :param runs: The finished runs on the dataset.
    :returns: The figure, or ``None`` if there is nothing to plot.
    :raises ImportError: if matplotlib is not installed
    """
    plots = {"figure3": _plot_missing, "figure4": _plot_groups, "figure5": _plot_weights}
    return plots.get(runs["experiment"].iloc[0], _plot_bars)(runs)


def _plot_bars(runs: pandas.DataFrame) -> "Figure":
    """Plot the MRR of each row of a table."""
    points = runs.groupby("label", sort=False).agg(
        variant=("variant", "first"), mean=("MRR", "mean"), deviation=("MRR", "std")
    )
    figure = require_matplotlib()(figsize=(7, 1.5 + 0.32 * len(points)), layout="constrained")
    ax = figure.subplots()
    places = range(len(points), 0, -1)
    # by whether they are trained with MAT
    colors = {False: LINE_COLORS[0], True: LINE_COLORS[1]}
    for y, (variant, mean, deviation) in zip(places, points.itertuples(index=False), strict=True):
        color = colors[variant.partition(" ")[0].endswith("-MAT")]
        error = None if pandas.isna(deviation) else deviation
        ax.barh(y, mean, xerr=error, height=0.7, color=color, error_kw=dict(capsize=3, linewidth=1))
        ax.annotate(f"{mean:.1f}", (mean + (error or 0), y), xytext=(4, 0), textcoords="offset points", va="center")
    ax.set_yticks(places, points.index)
    ax.set(xlabel=f"MRR in percent{_explain(runs, 'bars')}", title=runs["dataset"].iloc[0])
    # room for the numbers
    ax.margins(x=0.12)
    for mat, label in ((True, "w/ MAT"), (False, "w/o MAT")):
        ax.barh(0, numpy.nan, color=colors[mat], label=label)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def _plot_missing(runs: pandas.DataFrame) -> "Figure":
    """Plot the MRR over the missing ratio, with one line for each model with and without MAT."""
    figure = require_matplotlib()(figsize=(6.5, 4), layout="constrained")
    ax = figure.subplots()
    models, dropped = runs["variant"].str.removesuffix("-MAT"), runs["missing_ratio"] > 0
    # without anything dropped, there is no order: such points are on the lines of each
    orders = sorted(runs.loc[dropped, "missing_by"].unique(), reverse=True) or ["uniform"]
    colors = iter(LINE_COLORS)
    for order, model in itertools.product(orders, models.unique()):
        color = next(colors)
        for mat, style in (("-MAT", "-"), ("", "--")):
            line = runs[(runs["variant"] == f"{model}{mat}") & (~dropped | (runs["missing_by"] == order))]
            label = f"{model} {'w/' if mat else 'w/o'} MAT{f', by {order}' if len(orders) > 1 else ''}"
            _draw_line(ax, line["MRR"], line["missing_ratio"], color=color, linestyle=style, label=label)
    by = " (rare entities first)" if orders == ["degree"] else ""
    title = runs["dataset"].iloc[0] + _explain(runs, "bands")
    ax.set(xlabel=f"missing ratio{by}", ylabel="MRR in percent", title=title)
    _finish(ax)
    return figure


def _plot_groups(runs: pandas.DataFrame) -> "Figure":
    """Plot MRR and Hits@1 over the number of groups of synthetic triples."""
    figure = require_matplotlib()(figsize=(8, 3.4), layout="constrained")
    num_groups = runs["parameters"].map(lambda x: float(x["num_groups"]))
    for ax, metric, color in zip(figure.subplots(1, 2), ("MRR", "Hits@1"), LINE_COLORS, strict=False):
        _draw_line(ax, runs[metric], num_groups, color=color)
        ax.set(xlabel="L", ylabel=f"{metric} in percent")
        ax.set_xticks(num_groups.astype(int).unique())
        _finish(ax)
    figure.suptitle(runs["dataset"].iloc[0] + _explain(runs, "bands"))
    return figure


def _draw_line(ax: "Axes", values: "pandas.Series[float]", x: "pandas.Series[float]", color: str, **style: Any) -> None:
    """Draw means over a parameter, and the standard deviations as a band."""
    if values.empty:
        return
    points = values.groupby(x).agg(["mean", "std"]).fillna(0.0)
    low, high = points["mean"] - points["std"], points["mean"] + points["std"]
    ax.plot(points.index, points["mean"], marker="o", markersize=4, color=color, **style)
    ax.fill_between(points.index, low, high, color=color, alpha=0.15, linewidth=0)


def _finish(ax: "Axes") -> None:
    """Finish a plot of lines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.3)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False)


def _explain(runs: pandas.DataFrame, what: str) -> str:
    """Explain what is drawn around means, if there is anything."""
    return f" ({what}: ± standard deviation)" if runs["label"].duplicated().any() else ""


def _plot_weights(runs: pandas.DataFrame) -> "Figure | None":
    """Plot the weights of modalities by relation, with models side by side."""
    tables = {}
    for model, part in average_weights(runs).groupby("model", sort=False):
        table = part.pivot(index="relation", columns="modality", values="weight")
        tables[model] = table.loc[part["relation"].unique()[:MAX_RELATIONS], part["modality"].unique()]
    if not tables:
        return None
    rows = max(map(len, tables.values()))
    figure = require_matplotlib()(figsize=(2.5 + 3.4 * len(tables), 1.4 + 0.35 * rows), layout="constrained")
    axes = figure.subplots(1, len(tables), squeeze=False, sharey=True)[0]
    for ax, (model, table) in zip(axes, tables.items(), strict=True):
        draw_bars(ax, table, stacked=True)
        ax.set_title(model, fontsize=10)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    figure.suptitle(f"{runs['dataset'].iloc[0]}: average weights by relation")
    return figure
