"""The pictures of the demonstration; needs matplotlib, i.e., the extra ``plots``."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy
import pandas
from matplotlib.figure import Figure
from pykeen.triples import TriplesFactory

from ...datasets import EmojiKG
from ...explaining.plotting import COLORS, draw_weights
from ...models import MultimodalModel
from ..recording import VALIDATION

__all__ = ["COLORS", "modality_weights", "plot_curves", "plot_weights"]

#: as those of modalities, colors that can be told apart with any kind of color vision
CURVE_COLORS = ["#999999", "#0072B2", "#D55E00"]


def modality_weights(model: MultimodalModel, dataset: EmojiKG) -> pandas.DataFrame:
    """Average the weights of modalities by the type of entity, and by the relation whose heads entities are.

    :param model: The model.
    :param dataset: The dataset.
    :returns: One row for each type and relation, with the columns ``by`` (``"entity type"`` or ``"relation"``), ``of``,
        and one for each modality. Each head counts as often as it has test triples.
    """
    training, testing = dataset.training, dataset.testing
    assert isinstance(training, TriplesFactory)
    weighted = model.modality_weights()
    assert weighted is not None
    weights = pandas.DataFrame(weighted.cpu().numpy(), columns=list(model.modalities))
    types = [training.entity_id_to_label[i].partition(":")[0] for i in range(training.num_entities)]
    by_type = weights.groupby(types, sort=False).mean()
    head, relation, _ = testing.mapped_triples.numpy().T
    relations = [training.relation_id_to_label[i] for i in relation.tolist()]
    by_relation = weights.iloc[head].groupby(numpy.asarray(relations)).mean()
    frames = [
        frame.rename_axis("of").reset_index().assign(by=by)
        for by, frame in (("entity type", by_type), ("relation", by_relation))
    ]
    result: pandas.DataFrame = pandas.concat(frames, ignore_index=True)[["by", "of", *model.modalities]]
    return result


def plot_weights(weights: Mapping[str, pandas.DataFrame]) -> Figure:
    """Plot the average weights of modalities by entity type and relation.

    :param weights: The results of :func:`modality_weights` by the name of the model.
    :returns: The figure.
    """
    figure = Figure(figsize=(9, 1.2 + 2.1 * len(weights)), layout="constrained")
    groups = ["entity type", "relation"]
    axes = figure.subplots(len(weights), len(groups), squeeze=False, sharex=True)
    for row, (name, frame) in zip(axes, weights.items(), strict=True):
        for ax, group in zip(row, groups, strict=True):
            part = frame[frame["by"] == group]
            draw_weights(ax, part["of"], part[part.columns[2:]])
            ax.set_title(f"{name}, by {group}", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle("Modality weights")
    return figure


def plot_curves(curves: Mapping[str, pandas.DataFrame]) -> Figure:
    """Plot learning curves: the validation MRR over epochs, and over time.

    :param curves: The learning curves by the name of the model, cf.
        :class:`pykeen_adamf.experiments.recording.Recorder`.
    :returns: The figure.
    """
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    by_epoch, by_time = figure.subplots(1, 2, sharey=True)
    colors = mpl.color_sequences["tab10"] if len(curves) > len(CURVE_COLORS) else CURVE_COLORS
    for color, (name, curve) in zip(colors, curves.items(), strict=False):
        times = curve["seconds"].cumsum()
        is_measured = curve[VALIDATION].notna()
        values = curve.loc[is_measured, VALIDATION]
        by_epoch.plot(curve.loc[is_measured, "epoch"], values, color=color, marker=".", label=name)
        by_time.plot(times[is_measured], values, color=color, marker=".")
    by_epoch.set(xlabel="epoch", ylabel="validation MRR")
    by_time.set(xlabel="seconds of training")
    for ax in (by_epoch, by_time):
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.3)
        ax.set_ylim(bottom=0)
    by_epoch.legend(frameon=False)
    figure.suptitle("Learning curves")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure, with a resolution for screens."""
    figure.savefig(path, dpi=150)
