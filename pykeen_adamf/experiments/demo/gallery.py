"""Emoji, and answers to questions, side by side as pictures; needs matplotlib, i.e., the extra ``plots``."""

import io
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from ...datasets import EmojiKG
from .pictures import COLORS
from .questions import TEMPLATES, Answer, Question

__all__ = ["plot_answers", "plot_emoji"]

#: how much larger than they are pictures are shown
SCALE = 4

RIGHT = "#009E73"


def plot_emoji(dataset: EmojiKG, labels: Sequence[str]) -> Figure:
    """Plot entities in a row, emoji with their pictures and names.

    :param dataset: The dataset.
    :param labels: The labels of the entities.
    :returns: The figure.
    """
    figure = Figure(figsize=(1.5 * len(labels), 1.8), layout="constrained")
    for ax, label in zip(figure.subplots(1, len(labels), squeeze=False)[0], labels, strict=True):
        _draw(ax, dataset, label)
    return figure


def plot_answers(dataset: EmojiKG, question: Question, answers: Mapping[str, Answer]) -> Figure:
    """Plot a question, and the best answers of each model; the held-out one has a frame.

    :param dataset: The dataset.
    :param question: The question.
    :param answers: The answers, by the name of the model.
    :returns: The figure.
    """
    num_best = max(len(given.best) for given in answers.values())
    figure = Figure(figsize=(3.2 + 1.4 * num_best, 0.8 + 1.7 * len(answers)), layout="constrained")
    ratios = [1.2, *[1] * num_best, 1.2]
    grid = figure.add_gridspec(len(answers), num_best + 2, width_ratios=ratios)
    template = TEMPLATES[question.relation, question.side]
    figure.suptitle(template.format(_name(question.given)), fontsize=14)
    _draw(figure.add_subplot(grid[:, 0]), dataset, question.given)
    shown: set[str] = set()
    for row, (model, given) in enumerate(answers.items()):
        for column, label in enumerate(given.best):
            ax = figure.add_subplot(grid[row, column + 1])
            _draw(ax, dataset, label, right=label == question.expected)
            if column == 0:
                ax.set_ylabel(f"{model}\n(rank {given.rank:,})", fontsize=11)
        if given.weights:
            _draw_weights(figure.add_subplot(grid[row, -1]), given.weights)
            shown.update(given.weights)
    handles = [Patch(color=color, label=name) for name, color in COLORS.items() if name in shown]
    handles.append(Patch(facecolor="none", edgecolor=RIGHT, linewidth=2, label="held-out answer"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _name(label: str) -> str:
    """Return the name of an entity without characters that fonts lack."""
    kind, _, name = label.partition(":")
    return name if kind == "emoji" else f"{kind} “{name}”"


def _draw(ax: Axes, dataset: EmojiKG, label: str, right: bool = False) -> None:
    """Draw an entity: an emoji by its picture, and others by their names."""
    kind, _, name = label.partition(":")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=right, color=RIGHT, linewidth=3)
    if kind == "emoji":
        picture = Image.open(io.BytesIO(dataset.picture(label))).convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
        ax.imshow(picture.resize((picture.width * SCALE, picture.height * SCALE), Image.Resampling.LANCZOS))
        ax.set_xlabel(textwrap.fill(name, 18), fontsize=9)
    else:
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ax.set_box_aspect(1)
        ax.text(0.5, 0.55, textwrap.fill(name, 12), ha="center", va="center", fontsize=11)
        ax.set_xlabel(kind, fontsize=9, color="#666666")


def _draw_weights(ax: Axes, weights: Mapping[str, float]) -> None:
    """Draw the weights of modalities as one bar."""
    left = 0.0
    for modality, weight in weights.items():
        ax.barh([0], [weight], left=left, height=0.5, color=COLORS.get(modality))
        ax.text(left + weight / 2, 0, f"{100 * weight:.0f}", ha="center", va="center", fontsize=9)
        left += weight
    ax.set(xlim=(0, 1), ylim=(-0.8, 0.8), xticks=[], yticks=[])
    ax.set_xlabel("weights in %", fontsize=9, color="#666666")
    ax.spines[:].set_visible(False)
