"""The loss with sampled negatives, from scores that are also used for something else."""

from pykeen.losses import Loss
from pykeen.models import Model
from pykeen.triples.instances import SLCWABatch

from ..typing import FloatTensor

__all__ = ["negative_sampling_loss", "score_negatives"]


def score_negatives(model: Model, batch: SLCWABatch, start: int, stop: int) -> FloatTensor:
    """Score the negatives of a part of a batch.

    :param model: The model.
    :param batch: The batch.
    :param start: The first positive triple of the part.
    :param stop: The positive triple after its last one.
    :returns: shape: ``(stop - start, num_negatives)``, or ``(num_valid,)`` if the batch has masks
        The scores.
    """
    negatives = batch["negatives"][start:stop]
    masks = batch.get("masks")
    if masks is not None:
        negatives = negatives[masks[start:stop]]
    return model.score_hrt(negatives.reshape(-1, 3).to(model.device)).view(negatives.shape[:-1])


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

    :param model: The model.
    :param loss: The loss.
    :param batch: The batch.
    :param start: The first positive triple of the part.
    :param stop: The positive triple after its last one.
    :param positive_scores: shape: ``(stop - start, 1)``
        The scores of the positive triples.
    :param negative_scores: The scores of negative triples, cf. :func:`score_negatives`.
    :param label_smoothing: The amount of label smoothing.
    :returns: shape: ``()``
        The loss.
    """
    masks, pos_weights, neg_weights = (
        None if value is None else value[start:stop].to(model.device)
        for value in (batch.get("masks"), batch.get("pos_weights"), batch.get("neg_weights"))
    )
    value: FloatTensor = loss.process_slcwa_scores(
        positive_scores=positive_scores,
        negative_scores=negative_scores,
        label_smoothing=label_smoothing,
        batch_filter=masks,
        num_entities=model.num_entities,
        pos_weights=pos_weights,
        neg_weights=neg_weights,
    )
    return value + model.collect_regularization_term()  # type: ignore[no-untyped-call]
