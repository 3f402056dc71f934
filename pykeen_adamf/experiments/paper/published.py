"""The figures of tables 2 and 3 of the AdaMF-MAT paper in percent, of its own features and budget.

They stand beside results of other features, splits and budgets for orientation, and are no target of those. By the
caption of table 2, those of unimodal models and of MMRNS are taken from Xu et al. (2022); all others are of runs by the
authors of the paper.
"""

import re
from collections.abc import Mapping
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


def _across(*results: tuple[float, float, float, float]) -> dict[str, PublishedResult]:
    """Return the results on each dataset."""
    return {name: PublishedResult(*result) for name, result in zip(("DB15K", "MKG-W", "MKG-Y"), results, strict=True)}


#: Table 2: link prediction, by model and dataset.
TABLE_2: Final[Mapping[str, Mapping[str, PublishedResult]]] = {
    "TransE": _across((24.86, 12.78, 31.48, 47.07), (29.19, 21.06, 33.20, 44.23), (30.73, 23.45, 35.18, 43.37)),
    "TransD": _across((21.52, 8.34, 29.93, 44.24), (25.56, 15.88, 32.99, 40.18), (26.39, 17.01, 33.60, 40.31)),
    "DistMult": _across((23.03, 14.78, 26.28, 39.59), (20.99, 15.93, 22.28, 30.86), (25.04, 19.33, 27.80, 35.95)),
    "ComplEx": _across((27.48, 18.37, 31.57, 45.37), (24.93, 19.09, 26.69, 36.73), (28.71, 22.26, 32.12, 40.93)),
    "RotatE": _across((29.28, 17.87, 36.12, 49.66), (33.67, 26.80, 36.68, 46.73), (34.95, 29.10, 38.35, 45.30)),
    "PairRE": _across((31.13, 21.62, 35.91, 49.30), (34.40, 28.24, 36.71, 46.04), (32.01, 25.53, 35.84, 43.89)),
    "GC-OTE": _across((31.85, 22.11, 36.52, 51.18), (33.92, 26.55, 35.96, 46.05), (32.95, 26.77, 36.44, 44.08)),
    "IKRL": _across((26.82, 14.09, 34.93, 49.09), (32.36, 26.11, 34.75, 44.07), (33.22, 30.37, 34.28, 38.26)),
    "TBKGC": _across((28.40, 15.61, 37.03, 49.86), (31.48, 25.31, 33.98, 43.24), (33.99, 30.47, 35.27, 40.07)),
    "TransAE": _across((28.09, 21.25, 31.17, 41.17), (30.00, 21.23, 34.91, 44.72), (28.10, 25.31, 29.10, 33.03)),
    "MMKRL": _across((26.81, 13.85, 35.07, 49.39), (30.10, 22.16, 34.09, 44.69), (36.81, 31.66, 39.79, 45.31)),
    "RSME": _across((29.76, 24.15, 32.12, 40.29), (29.23, 23.36, 31.97, 40.43), (34.44, 31.78, 36.07, 39.09)),
    "VBKGC": _across((30.61, 19.75, 37.18, 49.44), (30.61, 24.91, 33.01, 40.88), (37.04, 33.76, 38.75, 42.30)),
    "OTKGE": _across((23.86, 18.45, 25.89, 34.23), (34.36, 28.85, 36.25, 44.88), (35.51, 31.97, 37.18, 41.38)),
    "KBGAN(TransE)": _across((25.73, 9.91, 36.95, 51.93), (29.47, 22.21, 34.87, 40.64), (29.71, 22.81, 34.88, 40.21)),
    "KBGAN(TransD)": _across((23.74, 9.34, 33.51, 47.94), (29.67, 22.38, 35.24, 40.80), (28.73, 20.99, 34.64, 40.76)),
    "MANS": _across((28.82, 16.87, 36.58, 49.26), (30.88, 24.89, 33.63, 41.78), (29.03, 25.25, 31.35, 34.49)),
    "MMRNS(RotatE)": _across((29.67, 17.89, 36.66, 51.01), (34.13, 27.37, 37.48, 46.82), (35.93, 30.53, 39.07, 45.47)),
    "MMRNS(SOTA)": _across((32.68, 23.01, 37.86, 51.01), (35.03, 28.59, 37.49, 47.47), (35.93, 30.53, 39.07, 45.47)),
    "AdaMF": _across((32.51, 21.31, 39.67, 51.68), (34.27, 27.21, 37.86, 47.21), (38.06, 33.49, 40.44, 45.48)),
    "AdaMF-MAT": _across((35.14, 25.30, 41.11, 52.92), (35.85, 29.04, 39.01, 48.42), (38.57, 34.34, 40.59, 45.76)),
}

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
    "AdaMF-MAT": PublishedResult(35.14, 25.30, 41.11, 52.92),
    "AdaMF (S+V+T, adaptive)": PublishedResult(33.19, 23.08, 40.34, 52.47),
    "AdaMF (S+V+T, mean)": PublishedResult(32.57, 21.45, 39.71, 51.68),
    "AdaMF (S+V)": PublishedResult(32.34, 21.84, 38.90, 50.76),
    "AdaMF (S+T)": PublishedResult(31.82, 19.63, 39.69, 52.51),
    "AdaMF (V+T)": PublishedResult(31.01, 18.45, 39.38, 52.27),
    "AdaMF-MAT w/o (h*, r, t)": PublishedResult(34.64, 24.52, 40.98, 52.49),
    "AdaMF-MAT w/o (h, r, t*)": PublishedResult(34.65, 24.49, 41.13, 52.61),
    "AdaMF-MAT w/o (h*, r, t*)": PublishedResult(34.61, 24.36, 40.98, 52.65),
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
