"""The plots of an experiment; drawing needs matplotlib, i.e., the extra ``plots``."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy

from ....atomic import written_atomically
from ....explaining.plotting import COLORS, OTHER_COLORS, PICTURE_SUFFIXES, draw_weights, require_matplotlib
from .points import Point
from .weights import average_weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot", "write_figure"]

#: Colors that can be told apart with any kind of color vision.
LINE_COLORS: Final = (*list(COLORS.values())[1:], *OTHER_COLORS)

#: More relations than these, those with most triples, could not be read.
MAX_RELATIONS: Final = 25


def plot(experiment: str, points: Sequence[Point]) -> "Figure | None":
    """Plot the results of an experiment on one dataset.

    :param experiment: The name of the experiment.
    :param points: The points of the dataset that have results.
    :returns: The figure, or ``None`` if there is nothing to plot.
    :raises ImportError: if matplotlib is not installed
    """
    if experiment == "figure3":
        return _plot_missing(points)
    if experiment == "figure4":
        return _plot_groups(points)
    if experiment == "figure5":
        return _plot_weights(points)
    return _plot_bars(points)


def write_figure(figure: "Figure", directory: Path, name: str) -> list[Path]:
    """Write a figure in all formats; the same figure makes the same files.

    :param figure: The figure.
    :param directory: The directory to write to.
    :param name: The name of the files without suffix.
    :returns: The paths of the files.
    :raises OSError: if they cannot be written
    """
    # there is matplotlib, or there were no figure
    from matplotlib import rc_context

    paths = [directory / f"{name}{suffix}" for suffix in PICTURE_SUFFIXES]
    for path in paths:
        # SVG files would have the date and random IDs
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        with rc_context({"svg.hashsalt": name}), written_atomically(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=150, metadata=metadata)
    return paths


def _plot_bars(points: Sequence[Point]) -> "Figure":
    """Plot the MRR of each row of a table."""
    figure = require_matplotlib()(figsize=(7, 1.5 + 0.32 * len(points)), layout="constrained")
    ax = figure.subplots()
    # by whether they are trained with MAT
    colors = {False: LINE_COLORS[0], True: LINE_COLORS[1]}
    for y, point in zip(range(len(points), 0, -1), points, strict=True):
        mean, deviation = point.summarize("MRR")
        color = colors[point.variant.partition(" ")[0].endswith("-MAT")]
        ax.barh(y, mean, xerr=deviation, height=0.7, color=color, error_kw=dict(capsize=3, linewidth=1))
        ax.annotate(f"{mean:.1f}", (mean + (deviation or 0), y), xytext=(4, 0), textcoords="offset points", va="center")
    ax.set_yticks(range(len(points), 0, -1), [point.label for point in points])
    ax.set(xlabel=f"MRR in percent{_explain(points, 'bars')}", title=points[0].dataset)
    # room for the numbers
    ax.margins(x=0.12)
    for mat, label in ((True, "w/ MAT"), (False, "w/o MAT")):
        ax.barh(0, numpy.nan, color=colors[mat], label=label)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def _plot_missing(points: Sequence[Point]) -> "Figure":
    """Plot the MRR over the missing ratio, with one line for each model with and without MAT."""
    figure = require_matplotlib()(figsize=(6.5, 4), layout="constrained")
    ax = figure.subplots()
    models = list(dict.fromkeys(str(point.parameters["model"]) for point in points))
    # without anything dropped, there is no order: such points are on the lines of each
    orders = sorted({point.missing_by for point in points if point.missing_ratio} or {"uniform"}, reverse=True)
    colors = iter(LINE_COLORS)
    for order, model in itertools.product(orders, models):
        color = next(colors)
        for mat, style in ((True, "-"), (False, "--")):
            line = [
                point
                for point in points
                if (point.parameters["model"], point.parameters["mat"]) == (model, mat)
                and (not point.missing_ratio or point.missing_by == order)
            ]
            label = f"{model} {'w/' if mat else 'w/o'} MAT{f', by {order}' if len(orders) > 1 else ''}"
            _draw_line(ax, line, "missing_ratio", "MRR", dict(color=color, linestyle=style, label=label))
    by = " (rare entities first)" if orders == ["degree"] else ""
    ax.set(xlabel=f"missing ratio{by}", ylabel="MRR in percent", title=points[0].dataset + _explain(points, "bands"))
    _finish(ax)
    return figure


def _plot_groups(points: Sequence[Point]) -> "Figure":
    """Plot MRR and Hits@1 over the number of groups of synthetic triples."""
    figure = require_matplotlib()(figsize=(8, 3.4), layout="constrained")
    for ax, metric, color in zip(figure.subplots(1, 2), ("MRR", "Hits@1"), LINE_COLORS, strict=False):
        _draw_line(ax, points, "num_groups", metric, dict(color=color))
        ax.set(xlabel="L", ylabel=f"{metric} in percent")
        ax.set_xticks([int(point.parameters["num_groups"]) for point in points])
        _finish(ax)
    figure.suptitle(points[0].dataset + _explain(points, "bands"))
    return figure


def _draw_line(ax: "Axes", points: Sequence[Point], parameter: str, metric: str, style: Mapping[str, Any]) -> None:
    """Draw means over a parameter, and the standard deviations as a band."""
    if not points:
        return
    points = sorted(points, key=lambda point: float(point.parameters[parameter]))
    x = [float(point.parameters[parameter]) for point in points]
    mean, deviation = numpy.array(
        [(mean, deviation or 0.0) for mean, deviation in (p.summarize(metric) for p in points)]
    ).T
    ax.plot(x, mean, marker="o", markersize=4, **style)
    ax.fill_between(x, mean - deviation, mean + deviation, color=style["color"], alpha=0.15, linewidth=0)


def _finish(ax: "Axes") -> None:
    """Finish a plot of lines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.3)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False)


def _explain(points: Sequence[Point], what: str) -> str:
    """Explain what is drawn around means, if there is anything."""
    return f" ({what}: ± standard deviation)" if any(len(point.results) > 1 for point in points) else ""


def _plot_weights(points: Sequence[Point]) -> "Figure | None":
    """Plot the weights of modalities by relation, with models side by side."""
    tables = {point.label: table for point in points if (table := average_weights(point, MAX_RELATIONS)) is not None}
    if not tables:
        return None
    rows = max(map(len, tables.values()))
    figure = require_matplotlib()(figsize=(2.5 + 3.4 * len(tables), 1.4 + 0.35 * rows), layout="constrained")
    axes = figure.subplots(1, len(tables), squeeze=False, sharey=True)[0]
    for ax, (label, table) in zip(axes, tables.items(), strict=True):
        draw_weights(ax, table.index, table)
        ax.set_title(label, fontsize=10)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    figure.suptitle(f"{points[0].dataset}: average weights by relation")
    return figure
