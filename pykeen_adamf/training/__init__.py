"""Training strategies."""

from .adversarial import AdversarialTrainingLoop, MATTrainingLoop, OneVsAllMATTrainingLoop
from .generators import Synthesizer
from .objectives import adversarial_loss, generator_loss
from .one_vs_all import OneVsAllTrainingLoop
from .slcwa import ResumableSLCWATrainingLoop

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
