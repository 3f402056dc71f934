"""Training strategies."""

from .adversarial import AdversarialTrainingLoop, MATTrainingLoop, OneVsAllMATTrainingLoop
from .objectives import adversarial_loss, generator_loss
from .one_vs_all import OneVsAllTrainingLoop
from .slcwa import ResumableSLCWATrainingLoop
from .synthesis import Synthesizer

__all__ = [
    "AdversarialTrainingLoop",
    "MATTrainingLoop",
    "OneVsAllMATTrainingLoop",
    "OneVsAllTrainingLoop",
    "ResumableSLCWATrainingLoop",
    "Synthesizer",
    "adversarial_loss",
    "generator_loss",
]
