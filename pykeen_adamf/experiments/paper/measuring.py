"""What is measured of a trained model: metrics, ranks, and the weights of modalities."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from pykeen.datasets import Dataset
from pykeen.models import Model
from pykeen.pipeline import PipelineResult
from pykeen.triples import CoreTriplesFactory, TriplesFactory

from ...explaining.model import ModalityWeighting, get_weights, predicting
from ...explaining.ranking import RankedTriples, Ranker
from ..results import METRICS

__all__ = ["check_metrics", "collect_metrics", "rank_triples", "weight_modalities"]

SIDES: Final = ("both", "head", "tail")
#: Scores on a GPU depend on batch sizes, by which close ranks may be exchanged.
TOLERANCE: Final = 1e-3

KINDS: Final = ("realistic", "optimistic", "pessimistic")


def collect_metrics(result: PipelineResult) -> dict[str, dict[str, dict[str, float]]]:
    """Collect metrics of PyKEEN's evaluation.

    :param result: The result of a pipeline.
    :returns: The metrics by side and kind of rank: those of the paper, and the adjusted mean rank
        index (AMRI) of realistic ranks.
    """
    metrics = {
        side: {
            kind: {name: result.get_metric(f"{side}.{kind}.{key}") for name, key in METRICS.items()} for kind in KINDS
        }
        for side in SIDES
    }
    for side in SIDES:
        # it has an expectation to be adjusted by for realistic ranks only
        metrics[side]["realistic"]["AMRI"] = result.get_metric(f"{side}.realistic.adjusted_arithmetic_mean_rank_index")
    return metrics


def rank_triples(model: Model, dataset: Dataset, testing: CoreTriplesFactory) -> RankedTriples:
    """Rank test triples, filtered by all known ones.

    :param model: The model.
    :param dataset: The dataset, whose triples are known.
    :param testing: Those of its test triples which are to be ranked.
    :returns: Scores and realistic ranks.
    """
    factories = [dataset.training, dataset.testing, *([] if dataset.validation is None else [dataset.validation])]
    known = torch.cat([factory.mapped_triples for factory in factories])
    with predicting(model):
        return Ranker(model, testing.mapped_triples, known).rank(lambda _: None)


def check_metrics(metrics: Mapping[str, Mapping[str, Mapping[str, float]]], ranked: RankedTriples) -> None:
    """Check that metrics and ranks, which are calculated by different code, are of the same.

    :param metrics: The result of :func:`collect_metrics`.
    :param ranked: The result of :func:`rank_triples`.
    :raises RuntimeError: if they differ by more than what the order of floating-point operations can explain
    """
    for side, ranks in (("head", ranked.head_ranks), ("tail", ranked.tail_ranks)):
        expected, actual = metrics[side]["realistic"]["MRR"], (1 / ranks).mean().item()
        if abs(expected - actual) > TOLERANCE:
            raise RuntimeError(
                f"The MRR of {side}s is {expected:.6f} by PyKEEN's evaluator, but {actual:.6f} by the ranks of the "
                f"same triples: scores differ from one time to the next. Check the model, and the device."
            )


def weight_modalities(model: Model, testing: CoreTriplesFactory) -> list[dict[str, Any]] | None:
    """Average the weights of modalities over the heads and tails of each relation's triples (cf. figure 5).

    The same as the weights of :func:`pykeen_adamf.explaining.explain_relations`, which also ranks triples without each
    modality; here, this would take longer than all other measurements.

    :param model: The model.
    :param testing: The test triples.
    :returns: One row for each relation and modality, or ``None`` if the model does not weight modalities.
    """
    if not isinstance(model, ModalityWeighting) or not isinstance(testing, TriplesFactory):
        return None
    head, relation, tail = testing.mapped_triples.unbind(dim=-1)
    with predicting(model):
        # of all entities at once, since most of them occur several times
        weights = get_weights(model, torch.arange(model.num_entities, device=model.device))
    if bool(weights.isnan().all()):
        return None
    rows = []
    for i in relation.unique().tolist():
        chosen = relation == i
        means = ((weights[head[chosen]] + weights[tail[chosen]]) / 2).mean(dim=0)
        rows += [
            {
                "relation": testing.relation_id_to_label[i],
                "modality": modality,
                "weight": weight,
                "num_triples": int(chosen.sum()),
            }
            for modality, weight in zip(model.modalities, means.tolist(), strict=True)
        ]
    return rows
