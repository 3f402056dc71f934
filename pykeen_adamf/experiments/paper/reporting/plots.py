"""The plots of an experiment; drawing needs matplotlib, i.e., the extra ``plots``."""

import itertools
from typing import TYPE_CHECKING, Any, Final

import pandas

from ....explaining.plotting import COLORS, OTHER_COLORS, draw_bars, require_matplotlib
from .tables import average_weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot"]

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
    experiment, title = runs[["experiment", "dataset"]].iloc[0]
    figure = require_matplotlib()(layout="constrained")
    if experiment == "figure5":
        weights = average_weights(runs)
        if weights.empty:
            return None
        _draw_weights(figure, weights)
        title += ": average weights by relation"
    else:
        draw = {"figure3": _draw_missing, "figure4": _draw_groups}.get(experiment, _draw_bars)
        draw(figure, runs)
        # there is something around means
        title += " (± standard deviation)" if runs["label"].duplicated().any() else ""
    for ax in figure.axes:
        ax.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    return figure


def _draw_bars(figure: "Figure", runs: pandas.DataFrame) -> None:
    points = runs.groupby("label", sort=False).agg(
        variant=("variant", "first"), mean=("MRR", "mean"), deviation=("MRR", "std")
    )
    points["y"] = range(len(points), 0, -1)
    figure.set_size_inches(7, 1.5 + 0.32 * len(points))
    ax = figure.subplots()
    for is_mat, part in points.groupby(points["variant"].str.contains("-MAT")):
        color, label = (LINE_COLORS[1], "w/ MAT") if is_mat else (LINE_COLORS[0], "w/o MAT")
        ax.barh(part["y"], part["mean"], height=0.7, color=color, label=label)
    ax.errorbar(
        points["mean"], points["y"], xerr=points["deviation"], fmt="none", color="black", capsize=3, linewidth=1
    )
    for y, mean, end in zip(points["y"], points["mean"], points["mean"] + points["deviation"].fillna(0), strict=True):
        ax.annotate(f"{mean:.1f}", (end, y), xytext=(4, 0), textcoords="offset points", va="center")
    ax.set_yticks(points["y"], points.index)
    ax.set_xlabel("MRR in percent")
    # room for the numbers
    ax.margins(x=0.12)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)


def _draw_missing(figure: "Figure", runs: pandas.DataFrame) -> None:
    figure.set_size_inches(6.5, 4)
    ax = figure.subplots()
    models, dropped = runs["variant"].str.removesuffix("-MAT"), runs["missing_ratio"] > 0
    # without anything dropped, there is no order: such points are on the lines of each
    orders = sorted(runs.loc[dropped, "missing_by"].unique(), reverse=True) or ["uniform"]
    for color, (order, model) in zip(
        itertools.cycle(LINE_COLORS), itertools.product(orders, models.unique()), strict=False
    ):
        for mat, style in (("-MAT", "-"), ("", "--")):
            line = runs[(runs["variant"] == f"{model}{mat}") & (~dropped | (runs["missing_by"] == order))]
            label = f"{model} {'w/' if mat else 'w/o'} MAT{f', by {order}' if len(orders) > 1 else ''}"
            _draw_line(ax, line["MRR"], line["missing_ratio"], color=color, linestyle=style, label=label)
    by = " (rare entities first)" if orders == ["degree"] else ""
    ax.set(xlabel=f"missing ratio{by}", ylabel="MRR in percent")
    ax.legend(frameon=False)


def _draw_groups(figure: "Figure", runs: pandas.DataFrame) -> None:
    figure.set_size_inches(8, 3.4)
    num_groups = runs["parameters"].map(lambda x: float(x["num_groups"]))
    for ax, metric, color in zip(figure.subplots(1, 2), ("MRR", "Hits@1"), LINE_COLORS, strict=False):
        _draw_line(ax, runs[metric], num_groups, color=color)
        ax.set(xlabel="L", ylabel=f"{metric} in percent")
        ax.set_xticks(num_groups.astype(int).unique())


def _draw_line(ax: "Axes", values: "pandas.Series[float]", x: "pandas.Series[float]", color: str, **style: Any) -> None:
    """Draw means over a parameter, and the standard deviations as a band."""
    if values.empty:
        return
    points = values.groupby(x).agg(["mean", "std"]).fillna(0.0)
    low, high = points["mean"] - points["std"], points["mean"] + points["std"]
    ax.plot(points.index, points["mean"], marker="o", markersize=4, color=color, **style)
    ax.fill_between(points.index, low, high, color=color, alpha=0.15, linewidth=0)
    ax.grid(alpha=0.3)


def _draw_weights(figure: "Figure", weights: pandas.DataFrame) -> None:
    axes = figure.subplots(1, weights["model"].nunique(), squeeze=False, sharey=True)[0]
    for ax, (model, part) in zip(axes, weights.groupby("model", sort=False), strict=True):
        table = part.pivot(index="relation", columns="modality", values="weight")
        relations = part["relation"].unique()[:MAX_RELATIONS]
        draw_bars(ax, table.loc[relations, part["modality"].unique()], stacked=True)
        ax.set_title(model, fontsize=10)
    rows = min(MAX_RELATIONS, weights["relation"].nunique())
    figure.set_size_inches(2.5 + 3.4 * len(axes), 1.4 + 0.35 * rows)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
