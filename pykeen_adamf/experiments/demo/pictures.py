"""The pictures of the demonstration and its notebook; needs matplotlib, i.e., the extra ``plots``."""

import io
import itertools
import textwrap
from collections.abc import Mapping, Sequence

import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image, ImageOps

from ...datasets import EmojiKG
from ...explaining.plotting import COLORS, OTHER_COLORS, draw_bars
from ..recording import VALIDATION
from .questions import Answer, Question, format_question

__all__ = ["plot_answers", "plot_curves", "plot_emoji"]

#: how much larger than they are emoji are shown
SCALE = 4

#: the frame of the held-out answer
RIGHT = "#009E73"


def plot_emoji(dataset: EmojiKG, labels: Sequence[str]) -> Figure:
    """Plot entities in a row, emoji with their pictures and names."""
    figure = Figure(figsize=(1.5 * len(labels), 1.8), layout="constrained")
    for ax, label in zip(figure.subplots(1, len(labels), squeeze=False)[0], labels, strict=True):
        _draw(ax, dataset, label)
    return figure


def plot_answers(dataset: EmojiKG, question: Question, answers: Mapping[str, Answer]) -> Figure:
    """Plot a question, and the best answers of each model; the held-out one has a frame."""
    num_best = max(len(given.best) for given in answers.values())
    figure = Figure(figsize=(3.2 + 1.4 * num_best, 0.8 + 1.7 * len(answers)), layout="constrained")
    grid = figure.add_gridspec(len(answers), num_best + 2, width_ratios=[1.2, *[1] * num_best, 1.2])
    # fonts lack emoji
    figure.suptitle(format_question(None, question), fontsize=14)
    _draw(figure.add_subplot(grid[:, 0]), dataset, question.given)
    for row, (model, given) in enumerate(answers.items()):
        axes = [figure.add_subplot(grid[row, column]) for column in range(1, len(given.best) + 1)]
        axes[0].set_ylabel(f"{model}\n(rank {given.rank:,})", fontsize=11)
        for ax, label in zip(axes, given.best, strict=True):
            _draw(ax, dataset, label, right=label == question.expected)
        if given.weights:
            ax = figure.add_subplot(grid[row, -1])
            draw_bars(ax, pandas.DataFrame([given.weights], index=[""]), stacked=True)
            ax.set(ylim=(-1.3, 1.3), xticks=[], yticks=[], xlabel="weights")
            ax.spines[:].set_visible(False)
    shown = {name for given in answers.values() for name in given.weights}
    handles = [Patch(color=color, label=name) for name, color in COLORS.items() if name in shown]
    handles.append(Patch(facecolor="none", edgecolor=RIGHT, linewidth=2, label="held-out answer"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _draw(ax: Axes, dataset: EmojiKG, label: str, right: bool = False) -> None:
    """Draw an entity: an emoji by its picture, and others by their names."""
    kind, _, name = label.partition(":")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=right, color=RIGHT, linewidth=3)
    if kind == "emoji":
        picture = Image.open(io.BytesIO(dataset.picture(label))).convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        ax.imshow(ImageOps.scale(picture, SCALE, Image.Resampling.LANCZOS))
        ax.set_xlabel(textwrap.fill(name, 18), fontsize=9)
    else:
        ax.set(xlim=(0, 1), ylim=(0, 1), box_aspect=1)
        ax.text(0.5, 0.55, textwrap.fill(name, 12), ha="center", va="center", fontsize=11)
        ax.set_xlabel(kind, fontsize=9, color="#666666")


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
