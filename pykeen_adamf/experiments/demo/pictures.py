"""The plot of the demonstration and its notebook; needs matplotlib, i.e., the extra ``plots``."""

import itertools
from collections.abc import Mapping

import pandas
from matplotlib.figure import Figure

from ...explaining.plotting import COLORS, OTHER_COLORS
from ..recording import VALIDATION

__all__ = ["plot_curves"]


def plot_curves(curves: Mapping[str, pandas.DataFrame]) -> Figure:
    """Plot the validation MRR over epochs, and over time, from what runs have written, by the name of the model."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, column, xlabel in zip(axes, ("epoch", "time"), ("epoch", "seconds of training"), strict=True):
        # as those of modalities, colors that can be told apart with any kind of color vision
        colors = itertools.cycle([*COLORS.values(), *OTHER_COLORS])
        for color, (name, curve) in zip(colors, curves.items(), strict=False):
            points = curve.assign(time=curve["seconds"].cumsum()).dropna(subset=VALIDATION)
            ax.plot(points[column], points[VALIDATION], color=color, marker=".", label=name)
        ax.set(xlabel=xlabel, ylim=(0, None))
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("validation MRR")
    axes[0].legend(frameon=False)
    figure.suptitle("Learning curves")
    return figure
