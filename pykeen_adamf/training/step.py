"""What a training loop must tell of a batch, such that something can be added to its loss."""

from abc import abstractmethod
from typing import Any

from ..typing import FloatTensor, LongTensor
from .resumable import ResumableTrainingLoop

__all__ = ["StepTrainingLoop"]


class StepTrainingLoop(ResumableTrainingLoop):
    """A training loop whose loss of a batch others can use, e.g., together with an adversarial loss."""

    @abstractmethod
    def get_positives(self, batch: Any) -> LongTensor:
        """Return the positive triples of a batch.

        :param batch: The batch.
        :returns: shape: ``(batch_size, 3)``
            The ID-based triples.
        """

    @abstractmethod
    def get_entities(self, batch: Any, start: int, stop: int) -> LongTensor | None:
        """Return the entities that the loss of a part of a batch needs, or ``None`` for all there are.

        :param batch: The batch.
        :param start: The first positive triple of the part.
        :param stop: The positive triple after its last one.
        :returns: The entities on the model's device, possibly more than once.
        """

    @abstractmethod
    def base_loss(
        self, batch: Any, start: int, stop: int, label_smoothing: float
    ) -> tuple[FloatTensor, FloatTensor | None]:
        """Calculate the loss of a part of a batch, including regularization.

        :param batch: The batch.
        :param start: The first positive triple of the part.
        :param stop: The positive triple after its last one.
        :param label_smoothing: The amount of label smoothing.
        :returns: shapes: ``()`` and ``(stop - start,)``
            The loss, and the scores of the positive triples, if they are known.
        """
