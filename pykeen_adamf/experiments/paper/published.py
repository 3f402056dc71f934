"""The figures of tables 2 and 3 of the AdaMF-MAT paper in percent, of its own features and budget.

They stand beside results of other features, splits and budgets for orientation, and are no target of those. By the
caption of table 2, those of unimodal models and of MMRNS are taken from Xu et al. (2022); all others are of runs by the
authors of the paper.
"""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

__all__ = [
    "CITED",
    "CITED_MODELS",
    "PAPER",
    "PAPER_EMBEDDING_DIM",
    "TABLE_2",
    "TABLE_3",
    "TABLE_3_DATASET",
    "PublishedResult",
    "find_published",
    "is_cited",
]

#: Where the figures are from.
PAPER: Final = "Zhang et al. (2024), https://arxiv.org/abs/2402.15444"

#: Where the paper has the figures of :data:`CITED_MODELS` from: "Relation-enhanced negative sampling for
#: multimodal knowledge graph completion", the paper of MMRNS.
CITED: Final = "Xu et al. (2022)"

#: The embedding dimension of all models in the paper (section 4.1.4).
PAPER_EMBEDDING_DIM: Final = 200


class PublishedResult(NamedTuple):
    """A row of a table for one dataset, in percent, as printed."""

    mrr: float
    hits_at_1: float
    hits_at_3: float
    hits_at_10: float

    def by_metric(self) -> dict[str, float]:
        """Return the figures by the names of the metrics."""
        return dict(zip(("MRR", "Hits@1", "Hits@3", "Hits@10"), self, strict=True))


def _read(table: str) -> dict[str, dict[str, PublishedResult]]:
    """Read the figures of a table, by model and dataset."""
    results: dict[str, dict[str, PublishedResult]] = {}
    with Path(__file__).with_suffix(".tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["table"] == table:
                figures = PublishedResult(*(float(row[name]) for name in ("MRR", "Hits@1", "Hits@3", "Hits@10")))
                results.setdefault(row["model"], {})[row["dataset"]] = figures
    return results


#: Table 2: link prediction, by model and dataset.
TABLE_2: Final[Mapping[str, Mapping[str, PublishedResult]]] = _read("table2")

#: The models of table 2 whose figures are from :data:`CITED`.
CITED_MODELS: Final = frozenset(
    {
        *("TransE", "TransD", "DistMult", "ComplEx", "RotatE", "PairRE", "GC-OTE"),
        *("MMRNS(RotatE)", "MMRNS(SOTA)"),
    }
)

#: The dataset of table 3.
TABLE_3_DATASET: Final = "DB15K"

#: Table 3: ablations. AdaMF has other figures there (S+V+T, adaptive) than in table 2.
TABLE_3: Final[Mapping[str, PublishedResult]] = {
    name: results[TABLE_3_DATASET] for name, results in _read("table3").items()
}


def find_published(experiment: str, variant: str, dataset: str) -> PublishedResult | None:
    """Find what the paper has for a row.

    :param experiment: The name of the experiment.
    :param variant: The name of a model, or of an ablation. Upper case and punctuation do not matter.
    :param dataset: The name of a dataset, likewise.
    :returns: The figures, or ``None`` if there are none: for other experiments, models and datasets.
    """
    rows: Mapping[str, Mapping[str, PublishedResult]] = {}
    if experiment == "table2":
        rows = TABLE_2
    elif experiment == "table3":
        rows = {name: {TABLE_3_DATASET: result} for name, result in TABLE_3.items()}
    for name, results in rows.items():
        if _normalize(name) == _normalize(variant):
            return next((result for key, result in results.items() if _normalize(key) == _normalize(dataset)), None)
    return None


def is_cited(experiment: str, variant: str) -> bool:
    """Return whether the paper has the figures of a row from :data:`CITED`.

    :param experiment: The name of the experiment.
    :param variant: The name of a model. Upper case and punctuation do not matter.
    :returns: Whether it has.
    """
    return experiment == "table2" and _normalize(variant) in map(_normalize, CITED_MODELS)


def _normalize(name: str) -> str:
    """Reduce a name to what tells it from others: letters, digits, and which entities are synthetic."""
    return re.sub(r"[^a-z0-9*+]", "", name.lower().replace("w/o", "without"))
