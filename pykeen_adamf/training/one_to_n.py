"""PyKEEN's training loop with all entities for each head and relation, for models of several parts, too."""

from typing import Any

import torch
from pykeen.training import LCWATrainingLoop
from pykeen.triples import CoreTriplesFactory
from pykeen.triples.instances import LCWABatch
from torch.utils.data import DataLoader

from ..models import QueryScoringModel
from ..typing import FloatTensor
from .resumable import ResumableTrainingLoop

__all__ = ["OneToNTrainingLoop"]


class OneToNTrainingLoop(ResumableTrainingLoop, LCWATrainingLoop):
    """PyKEEN's LCWA training loop, which can be interrupted, and in which the parts of an ensemble have a loss each.

    The labels of a head and relation are all their tails in training triples. Each decoder of
    :class:`pykeen_adamf.models.MoMoK`, or part of :class:`pykeen_adamf.models.MoSE`, has a loss of its own for them:
    any that PyKEEN has for LCWA. The losses are added up. For all other models, it is PyKEEN's loop.
    """

    def describe_options(self) -> dict[str, str]:  # noqa: D102
        return {**super().describe_options(), "target": str(self.target)}

    def _create_training_data_loader(
        self, triples_factory: CoreTriplesFactory, sampler: str | None, **kwargs: Any
    ) -> DataLoader[LCWABatch]:
        loader = super()._create_training_data_loader(triples_factory, sampler=sampler, **kwargs)
        self._check_last_batch(len(loader.dataset), kwargs["batch_size"], kwargs["drop_last"])  # type: ignore[arg-type]
        return loader

    def _process_batch(
        self, batch: LCWABatch, start: int, stop: int, label_smoothing: float = 0.0, slice_size: int | None = None
    ) -> FloatTensor:
        model: Any = self.model
        form = model.get_query_form() if isinstance(model, QueryScoringModel) and self.target == 2 else None
        if form is None or getattr(model, "num_parts", 1) == 1:
            return super()._process_batch(batch, start, stop, label_smoothing, slice_size)
        if slice_size is not None:
            raise AttributeError("Slicing is not possible with a loss for each decoder. Leave slice_size out.")
        pairs, labels = (batch[key][start:stop].to(self.device) for key in ("pairs", "target"))
        weights = batch.get("weights")
        comparison, parts = model.make_parts(form, pairs[:, 0], pairs[:, 1])
        losses = [
            self.loss.process_lcwa_scores(
                predictions=comparison.all_pairs(*part),
                labels=labels,
                label_smoothing=label_smoothing,
                num_entities=self.num_targets,
                weights=None if weights is None else weights[start:stop].to(self.device),
            )
            for part in parts
        ]
        loss: FloatTensor = torch.stack(losses).sum() + model.collect_regularization_term()
        return loss
