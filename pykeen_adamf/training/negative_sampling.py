"""The loss with sampled negatives, from scores that are also used for something else."""

from typing import Final

from pykeen.losses import Loss
from pykeen.models import Model
from pykeen.triples.instances import SLCWABatch

from ..models import QueryScoringModel
from ..typing import FloatTensor, LongTensor

__all__ = ["negative_sampling_loss", "score_negatives", "score_positives"]

#: The key of batches of which at most one entity of each negative, and nothing else, is corrupted.
ONE_ENTITY_CORRUPTED: Final = "one_entity_corrupted"


def score_positives(model: Model, positives: LongTensor) -> FloatTensor:
    """Return the scores of ID-based positive triples, shapes: ``(batch_size, 3)`` to ``(batch_size, 1)``."""
    if isinstance(model, QueryScoringModel):
        # not corrupted at all: nothing needs to be found out
        return model.score_corrupted(positives, positives.unsqueeze(dim=1))
    return model.score_hrt(positives)


def score_negatives(model: Model, batch: SLCWABatch, start: int, stop: int) -> FloatTensor:
    """Score the negatives of a part of a batch.

    :param model: The model.
    :param batch: The batch. If it says :data:`ONE_ENTITY_CORRUPTED`, nobody looks whether this is so.
    :param start: The first positive triple of the part.
    :param stop: The positive triple after its last one.
    :returns: shape: ``(stop - start, num_negatives)``, or ``(num_valid,)`` if the batch has masks, the scores.
    """
    positives, negatives = batch["positives"][start:stop], batch["negatives"][start:stop]
    masks = batch.get("masks")
    if isinstance(model, QueryScoringModel) and (
        batch.get(ONE_ENTITY_CORRUPTED) or _is_one_entity_corrupted(positives, negatives)
    ):
        scores = model.score_corrupted(positives, negatives)
        return scores if masks is None else scores[masks[start:stop].to(scores.device)]
    if masks is not None:
        negatives = negatives[masks[start:stop]]
    return model.score_hrt(negatives.reshape(-1, 3).to(model.device)).view(negatives.shape[:-1])


def _is_one_entity_corrupted(positives: LongTensor, negatives: LongTensor) -> bool:
    """Return whether no negative differs from its positive triple in more than one entity."""
    same_head, same_relation, same_tail = (negatives[..., column] == positives[:, column, None] for column in range(3))
    return bool(((same_head | same_tail) & same_relation).all())


def negative_sampling_loss(
    model: Model,
    loss: Loss,
    batch: SLCWABatch,
    start: int,
    stop: int,
    positive_scores: FloatTensor,
    negative_scores: FloatTensor,
    label_smoothing: float = 0.0,
) -> FloatTensor:
    """Calculate the loss, including regularization, as :class:`pykeen.training.SLCWATrainingLoop` does.

    The part of a batch is that of :func:`score_negatives`.

    :param loss: The loss.
    :param positive_scores: shape: ``(stop - start, 1)``, the scores of the positive triples.
    :param negative_scores: The scores of negative triples, cf. :func:`score_negatives`.
    :param label_smoothing: The amount of label smoothing.
    :returns: shape: ``()``, the loss.
    """
    masks, pos_weights, neg_weights = (
        None if value is None else value[start:stop].to(model.device)
        for value in (batch.get("masks"), batch.get("pos_weights"), batch.get("neg_weights"))
    )
    if masks is not None and neg_weights is not None:
        neg_weights = neg_weights[masks]
    value: FloatTensor = loss.process_slcwa_scores(
        positive_scores=positive_scores,
        negative_scores=negative_scores,
        label_smoothing=label_smoothing,
        batch_filter=masks,
        num_entities=model.num_entities,
        pos_weights=pos_weights,
        neg_weights=neg_weights,
    )
    return value + model.collect_regularization_term()
