"""The figures of tables 2 and 3 of the AdaMF-MAT paper in percent, of its own features and budget.

They stand beside results of other features, splits and budgets for orientation, and are no target of those. By the
caption of table 2, those of unimodal models and of MMRNS are taken from Xu et al. (2022); all others are of runs by the
authors of the paper.
"""

import re
from pathlib import Path
from typing import Any, Final

import pandas

__all__ = ["CITED", "NOTES", "PAPER", "PUBLISHED", "find_published"]

#: Where the figures are from.
PAPER: Final = "Zhang et al. (2024), https://arxiv.org/abs/2402.15444"

#: Where the paper has some of them from: "Relation-enhanced negative sampling for multimodal knowledge graph
#: completion", the paper of MMRNS.
CITED: Final = "Xu et al. (2022)"

#: A row for each table, model (or ablation) and dataset: the figures as printed, and their ``source``. AdaMF has other
#: figures in table 3 (S+V+T, adaptive) than in table 2.
PUBLISHED: Final = pandas.read_csv(Path(__file__).with_suffix(".tsv"), sep="\t")

#: Which figures rest on code that computes something else than the system's own paper, by the name of the model.
NOTES: Final = {
    "TransAE": "the autoencoder has no part in what was measured, a plain TransE",
    "RSME": "projected images are further coordinates beside the structural ones, instead of parts of them",
    "OTKGE": "the transport plans are those of ten entities, as in the authors' code; so they are here",
    "MMRNS (RotatE)": "sentences and parts of images attend to each other; here, a modality has one vector",
    "VBKGC": "negatives are drawn as for other models, rather than as twins; here, they are twins",
}


def find_published(experiment: str, variant: str, dataset: str) -> dict[str, Any] | None:
    """Find what the paper has for a row.

    :param experiment: The name of the experiment.
    :param variant: The name of a model, or of an ablation. Upper case and punctuation do not matter.
    :param dataset: The name of a dataset, likewise.
    :returns: The row of :data:`PUBLISHED`, or ``None`` if there is none: for other experiments, models and datasets.
    """
    names = PUBLISHED[["table", "model", "dataset"]].map(_normalize)
    rows = PUBLISHED[(names == [*map(_normalize, (experiment, variant, dataset))]).all(axis=1)]
    return None if rows.empty else {str(name): value for name, value in rows.iloc[0].items()}


def _normalize(name: str) -> str:
    """Reduce a name to what tells it from others: letters, digits, and which entities are synthetic."""
    return re.sub(r"[^a-z0-9*+]", "", name.lower().replace("w/o", "without"))
