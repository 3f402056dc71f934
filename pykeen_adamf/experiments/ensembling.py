"""Ensembles of runs: their weights by validation triples, and what they are worth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas
import torch
from pykeen.models import Model
from pykeen.typing import MappedTriples

from ..bundle import combine, save_ensemble
from ..calibration import VALIDATION
from ..ensembles import Method, fit_ensemble
from ..evaluation.measuring import RankKeepingEvaluator, collect_metrics
from ..models import Ensemble

__all__ = ["make_ensemble"]


def make_ensemble(
    directories: Sequence[str | Path],
    output: str | Path,
    *,
    method: Method = "selection",
    test: bool = False,
    device: str | None = None,
    progress: bool = True,
) -> pandas.DataFrame:
    """Make an ensemble of runs, with weights by their validation triples, save it, and measure it beside its parts.

    :param directories: The folders of the runs, of which at least one has validation triples. The others may be
        bundles.
    :param output: The directory to save it to, cf. :func:`pykeen_adamf.bundle.save_ensemble`.
    :param method: How to find the weights, cf. :func:`pykeen_adamf.ensembles.fit_ensemble`.
    :param test: Whether to rank test triples, too. Decide first what you want to know of them.
    :param device: The device. Defaults to a GPU, if there is one.
    :param progress: Whether to show progress bars.
    :returns: One row for each part and for the ensemble: ``model``, ``weight`` (on average over relations), and
        filtered metrics by split. Those of validation triples are too good for the ensemble: its weights were found by
        them.
    :raises ValueError: if the runs do not fit together, or have no validation triples
    """
    trained = combine(directories, device)
    ensemble = trained.model
    assert isinstance(ensemble, Ensemble)
    needed = [VALIDATION, "testing"] if test else [VALIDATION]
    if missing := [name for name in needed if name not in trained.held_out]:
        raise ValueError(
            f"{', '.join(map(str, directories))} have no {' and no '.join(missing)} triples. Pass the folder of a run "
            f"that has them, rather than its bundle."
        )
    known = [trained.training.mapped_triples]
    with trained.blaming():
        fit_ensemble(ensemble, torch.as_tensor(trained.held_out[VALIDATION]), known, method)
    save_ensemble(ensemble, directories, output)
    models = [*zip(map(str, directories), ensemble.parts, strict=True), (str(output), ensemble)]
    weights = [*ensemble.part_weights.mean(dim=0).tolist(), float("nan")]
    rows: list[dict[str, Any]] = [
        {"model": name, "weight": weight} for (name, _), weight in zip(models, weights, strict=True)
    ]
    for split in needed:
        triples = torch.as_tensor(trained.held_out[split])
        for row, (_, model) in zip(rows, models, strict=True):
            row |= {f"{split} {name}": value for name, value in _measure(model, triples, known, progress).items()}
        known.append(triples)
    return pandas.DataFrame(rows)


def _measure(model: Model, triples: MappedTriples, known: Sequence[MappedTriples], progress: bool) -> dict[str, float]:
    found = RankKeepingEvaluator().evaluate(model, triples, additional_filter_triples=[*known], use_tqdm=progress)
    return collect_metrics(found)["both"]["realistic"]
