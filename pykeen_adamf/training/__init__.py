"""Training strategies."""

from .adversarial import AdversarialTrainingLoop, MATTrainingLoop, OneVsAllMATTrainingLoop
from .generators import Synthesizer
from .kbgan import KBGANTrainingLoop
from .mmrns import MMRNSTrainingLoop
from .modality_negatives import MANSTrainingLoop, TwinsTrainingLoop
from .objectives import adversarial_loss, generator_loss
from .one_to_n import OneToNTrainingLoop
from .one_vs_all import OneVsAllTrainingLoop
from .slcwa import ResumableSLCWATrainingLoop

__all__ = [
    "AdversarialTrainingLoop",
    "KBGANTrainingLoop",
    "MANSTrainingLoop",
    "MATTrainingLoop",
    "MMRNSTrainingLoop",
    "OneToNTrainingLoop",
    "OneVsAllMATTrainingLoop",
    "OneVsAllTrainingLoop",
    "ResumableSLCWATrainingLoop",
    "Synthesizer",
    "TwinsTrainingLoop",
    "adversarial_loss",
    "generator_loss",
]
