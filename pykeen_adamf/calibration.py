"""Probabilities of triples from their scores; needs scikit-learn, the extra ``calibration``."""

from pathlib import Path
from typing import Any, Final

import numpy
import torch
from pykeen.models import Model
from pykeen.sampling import PseudoTypedNegativeSampler
from pykeen.triples import TriplesFactory
from pykeen.utils import isin_many_dim
from typing_extensions import Self

from .bundle import TrainedModel
from .checks import check_scores
from .explaining.candidates import Side
from .explaining.labels import Triples, resolve_triples
from .explaining.model import predicting
from .labeled_triples import read_labeled_triples
from .typing import FloatTensor, LongTensor

__all__ = ["MEANING", "VALIDATION", "Calibrator", "calibrate"]

#: What stands for the validation triples of a run in the place of a file.
VALIDATION: Final = "validation"

#: What is to be said below probabilities.
MEANING: Final = (
    "The probability is that of a triple which is, before its score is known, as likely to be true as to be a true one "
    "with a wrong {side} that the relation has elsewhere. It compares answers; where most candidates are wrong, it is "
    "too large."
)

#: With fewer true triples, a curve of two parameters is fitted rather than any that ascends.
MIN_ISOTONIC: Final = 1000

#: With fewer, there is nothing to fit.
MIN_TRIPLES: Final = 10

#: How many corrupted triples there are for each true one, before those are left out that are known to be true.
NUM_CORRUPTED: Final = 10

#: How many questions are answered at once.
BATCH_SIZE: Final = 64


class Calibrator:
    """The probability that a triple is true, by its score.

    It is fitted to true triples that the model was not trained on, usually validation triples, and to corrupted ones:
    the tail of each (or the head, where heads are asked for) is replaced by others that the relation has elsewhere.
    Both count the same, i.e., the probability is that of a triple that is, before its score is known, as likely to be
    true as to be corrupted so. Where most candidates are false, it is too large; it makes scores comparable across
    questions.
    """

    def __init__(self, curve: Any) -> None:
        """Initialize with a fitted logistic or isotonic regression of scikit-learn."""
        self.curve = curve

    @classmethod
    def fit(
        cls,
        model: Model,
        triples_factory: TriplesFactory,
        triples: Triples,
        known_triples: Triples = (),
        *,
        side: Side = "tail",
        seed: int = 0,
    ) -> Self:
        """Fit a logistic regression, or to 1,000 triples and more an isotonic one.

        :param model: The model.
        :param triples_factory: The triples factory that it was trained on.
        :param triples: shape: ``(n, 3)``, true triples that it was not trained on, as labels or IDs.
        :param known_triples: shape: ``(num_known, 3)``, others that are true, and therefore no corrupted ones.
        :param side: What is asked for: models with inverse relations score heads and tails differently.
        :param seed: The random seed of what is corrupted.
        :raises ValueError: if scikit-learn is not installed, there are too few triples, or all are training triples
        """
        try:
            from sklearn.isotonic import IsotonicRegression
            from sklearn.linear_model import LogisticRegression
        except ImportError as error:
            raise ValueError('Probabilities need scikit-learn: pip install "pykeen-adamf[calibration]"') from error
        true = resolve_triples(triples, triples_factory).unique(dim=0)
        true = true[~isin_many_dim(true, triples_factory.mapped_triples)]
        if len(true) < MIN_TRIPLES:
            raise ValueError(
                f"Probabilities need {MIN_TRIPLES} true triples that the model was not trained on, but there are "
                f"{len(true)}. Pass more of them, e.g., the validation triples."
            )
        known = torch.cat([triples_factory.mapped_triples, true, resolve_triples(known_triples, triples_factory)])
        corrupted = _corrupt(true, known, side, seed)
        if not len(corrupted):
            raise ValueError(f"Nothing can be corrupted: each relation has a single {side} only. Pass other triples.")
        scores = _score(model, torch.cat([true, corrupted]), side)
        is_true = numpy.repeat([1, 0], [len(true), len(corrupted)])
        # both kinds count the same
        weights = numpy.where(is_true, 1 / len(true), 1 / len(corrupted)) * len(true)
        curve = (
            IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
            if len(true) >= MIN_ISOTONIC
            else LogisticRegression(C=1e6)
        )
        inputs = scores if isinstance(curve, IsotonicRegression) else scores[:, None]
        return cls(curve.fit(inputs, is_true, sample_weight=weights))

    def probability(self, scores: FloatTensor) -> FloatTensor:
        """Return the probability for each score, shape: ``s`` to ``s``."""
        array = scores.detach().double().cpu().numpy().reshape(-1)
        if hasattr(self.curve, "predict_proba"):
            found = self.curve.predict_proba(array[:, None])[:, 1]
        else:
            found = self.curve.predict(array)
        return torch.as_tensor(found, dtype=torch.float64).view(scores.shape)


def calibrate(
    trained: TrainedModel, what: str | Path = VALIDATION, known_triples: Triples = (), *, side: Side = "tail"
) -> Calibrator:
    """Fit the probability of triples to the validation triples of a run, or to those of a file.

    :param trained: The model of a run or a bundle.
    :param what: :data:`VALIDATION`, or the path of a file with true triples that the model was not trained on.
    :param known_triples: shape: ``(num_known, 3)``, others that are true, beside those that the run has held out.
    :param side: What is asked for.
    :raises ValueError: if the run has no validation triples, there are too few, or the model's scores are no numbers
    """
    if str(what) != VALIDATION or Path(what).is_file():
        true: Triples = read_labeled_triples(what)
    elif VALIDATION in trained.held_out:
        true = trained.held_out[VALIDATION]
    else:
        raise ValueError(f"{trained.path} is no folder of a run with validation triples. Pass a file of true ones.")
    known = torch.cat([trained.known(), resolve_triples(known_triples, trained.training)])
    with trained.blaming():
        return Calibrator.fit(trained.model, trained.training, true, known, side=side)


def _corrupt(true: LongTensor, known: LongTensor, side: Side, seed: int) -> LongTensor:
    """Replace heads or tails by others that the relation has, shape: ``(num_corrupted, 3)``, none of them known."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sampler = PseudoTypedNegativeSampler(mapped_triples=known, num_negs_per_pos=2 * NUM_CORRUPTED)
        corrupted = sampler.corrupt_batch(true)
    # the sampler replaces heads in some triples and tails in others
    column = 0 if side == "tail" else 2
    corrupted = corrupted[corrupted[..., column] == true[:, column, None]].unique(dim=0)
    result: LongTensor = corrupted[~isin_many_dim(corrupted, known)]
    return result


def _score(model: Model, triples: LongTensor, side: Side) -> Any:
    """Score triples as answers to questions are scored, shape: ``(n,)``."""
    columns = slice(0, 2) if side == "tail" else slice(1, 3)
    questions, row = triples[:, columns].unique(dim=0, return_inverse=True)
    answers, scores = triples[:, 2 if side == "tail" else 0], torch.empty(len(triples), dtype=torch.float64)
    with predicting(model):
        for start in range(0, len(questions), BATCH_SIZE):
            batch = questions[start : start + BATCH_SIZE].to(model.device)
            table = check_scores(model.predict_t(batch) if side == "tail" else model.predict_h(batch)).double().cpu()
            is_asked = (row >= start) & (row < start + BATCH_SIZE)
            scores[is_asked] = table[row[is_asked] - start, answers[is_asked]]
    return scores.numpy()
