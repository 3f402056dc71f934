"""Training strategies."""

from .adversarial import MATTrainingLoop
from .objectives import adversarial_loss, generator_loss
from .synthesis import Synthesizer

__all__ = [
    "MATTrainingLoop",
    "Synthesizer",
    "adversarial_loss",
    "generator_loss",
]
