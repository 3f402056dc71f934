"""What is measured of a trained model: metrics, ranks, and the weights of modalities."""

from collections.abc import Mapping
from typing import Any

import numpy
import torch
from pykeen.evaluation import MetricResults, RankBasedEvaluator, RankBasedMetricResults
from pykeen.models import Model
from pykeen.triples import CoreTriplesFactory, TriplesFactory
from pykeen.typing import LABEL_HEAD, LABEL_TAIL, RANK_REALISTIC

from ..explaining.model import ModalityWeighting, get_weights, predicting
from ..triples import MultimodalTriplesFactory
from ..typing import NumpyArray
from .comparison import classify_coverage
from .ranks import METRICS

__all__ = ["RankKeepingEvaluator", "collect_metrics", "group_triples", "weight_modalities"]


class RankKeepingEvaluator(RankBasedEvaluator):
    """PyKEEN's rank-based evaluator, which keeps the ranks of the last evaluation."""

    _kept: Mapping[str, NumpyArray]

    def finalize(self) -> RankBasedMetricResults:  # noqa: D102
        self._kept = {
            f"{side}_rank": numpy.concatenate(self.ranks[side, RANK_REALISTIC]).astype(float)
            for side in (LABEL_HEAD, LABEL_TAIL)
            if self.ranks[side, RANK_REALISTIC]
        }
        return super().finalize()

    def get_ranks(self) -> dict[str, NumpyArray]:
        """Return the filtered realistic ranks of the triples, in their order: ``head_rank`` and ``tail_rank``."""
        return dict(self._kept)


def collect_metrics(result: MetricResults[Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Collect metrics of PyKEEN's rank-based evaluation by side and kind of rank.

    They are the paper's, and the adjusted mean rank index (AMRI) of realistic ranks.
    """
    # it has an expectation to be adjusted by for realistic ranks only
    realistic = {**METRICS, "AMRI": "adjusted_arithmetic_mean_rank_index"}
    names = {"realistic": realistic, "optimistic": METRICS, "pessimistic": METRICS}
    return {
        side: {
            kind: {name: result.get_metric(f"{side}.{kind}.{key}") for name, key in keys.items()}
            for kind, keys in names.items()
        }
        for side in ("both", "head", "tail")
    }


def group_triples(testing: CoreTriplesFactory, training: CoreTriplesFactory) -> dict[str, NumpyArray]:
    """Find the groups that triples are compared by, by name: their relations' labels, and :func:`classify_coverage`."""
    triples = testing.mapped_triples.numpy()
    labels = testing.relation_id_to_label if isinstance(testing, TriplesFactory) else {}
    groups = {"relation": numpy.array([labels.get(i, str(i)) for i in triples[:, 1].tolist()])}
    if isinstance(training, MultimodalTriplesFactory) and training.features:
        presence = torch.stack([x.presence for x in training.features.values()], dim=-1).numpy()
        groups["coverage"] = classify_coverage(triples, presence)
    return groups


def weight_modalities(model: Model, testing: CoreTriplesFactory) -> list[dict[str, Any]] | None:
    """Average the weights of modalities over the heads and tails of each relation's triples (cf. figure 5).

    The same as the weights of :func:`pykeen_adamf.explaining.explain_relations`, which also ranks triples without each
    modality; here, this would take longer than all other measurements.

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
        means = ((weights[head[chosen]] + weights[tail[chosen]]) / 2).mean(dim=0).tolist()
        label, num = testing.relation_id_to_label[i], int(chosen.sum())
        for modality, weight in zip(model.modalities, means, strict=True):
            rows.append({"relation": label, "modality": modality, "weight": weight, "num_triples": num})
    return rows
