"""Ensembles of runs: their weights by validation triples, and what they are worth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas
import torch
from pykeen.models import Model
from pykeen.typing import MappedTriples

from ..bundle import combine, save_ensemble
from ..bundle.ensembles import check_output
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
    :returns: One row for each part and for the ensemble: ``model``, ``weight`` (what scores are multiplied by, on
        average over relations: small where scores are large), and filtered metrics by split. Those of validation
        triples are too good for the ensemble: its weights were found by them.
    :raises ValueError: if the runs do not fit together, have no validation triples, or scores that are no numbers, or
        there is anything else in the directory
    """
    check_output(output)
    trained = combine(directories, device)
    ensemble, held_out = trained.model, {name: torch.as_tensor(x) for name, x in trained.held_out.items()}
    assert isinstance(ensemble, Ensemble)
    for split, needed, otherwise in (
        (VALIDATION, method != "average", "use the method 'average', which needs none"),
        ("testing", test, "do not ask for test triples"),
    ):
        if needed and split not in held_out:
            raise ValueError(
                f"None of {', '.join(map(str, directories))} has {split} triples. Pass the folder of a run with such, "
                f"rather than its bundle, or {otherwise}."
            )
    known = [trained.training.mapped_triples]
    if method != "average":
        fit_ensemble(ensemble, held_out[VALIDATION], known, method, use_tqdm=progress)
    models: list[tuple[str, Model]] = [*zip(ensemble.names, ensemble.parts, strict=True), (str(output), ensemble)]
    weights = [*ensemble.part_weights.mean(dim=0).tolist(), float("nan")]
    rows: list[dict[str, Any]] = [{"model": x[0], "weight": weight} for x, weight in zip(models, weights, strict=True)]
    for split in [x for x in (VALIDATION, "testing") if x in held_out and (test or x == VALIDATION)]:
        # the ensemble first, which says which part has scores that are no numbers
        for row, (_, model) in reversed([*zip(rows, models, strict=True)]):
            found = _measure(model, held_out[split], known, progress)
            row |= {f"{split} {name}": value for name, value in found.items()}
        known.append(held_out[split])
    save_ensemble(trained, output)
    return pandas.DataFrame(rows)


def _measure(model: Model, triples: MappedTriples, known: Sequence[MappedTriples], progress: bool) -> dict[str, float]:
    found = RankKeepingEvaluator().evaluate(model, triples, additional_filter_triples=[*known], use_tqdm=progress)
    return collect_metrics(found)["both"]["realistic"]
