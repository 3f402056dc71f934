"""Losses for any model and training loop of PyKEEN."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from docdata import parse_docdata
from pykeen.losses import NSSALoss, UnsupportedLabelSmoothingError
from torch.nn import functional as F

from .typing import BoolTensor, FloatTensor

__all__ = ["EntropyGuidedLoss", "entropy_of_belief"]


def entropy_of_belief(scores: FloatTensor, margin: float = 0.0) -> FloatTensor:
    r"""Return the entropy, in nats, of the belief that triples with these scores are true, $p = \sigma(\gamma + s)$.

    :param scores: any shape, the scores.
    :param margin: The margin $\gamma$.
    :returns: The same shape; at most $\log 2$, where the score is minus the margin.
    """
    # the same for a logit and its negative; for the negative one, nothing is lost by subtraction, nor if it is infinite
    x = (scores + margin).abs().clamp(max=1e4)
    return F.softplus(-x) + x * (-x).sigmoid()


@parse_docdata
class EntropyGuidedLoss(NSSALoss):
    r"""Negatives are weighted by how uncertain the model is of them, our reading of MoCME.

    .. warning ::
        This is **our reading of MoCME**, of which only the abstract is public: it has neither formulas nor code.

    As in :class:`pykeen.losses.NSSALoss`, but with other weights, through which no gradient flows:

    .. math ::
        -\log \sigma(\gamma + s^+) - \sum_i w_i \log \sigma(-\gamma - s_i^-),
        \qquad w_i = \frac{H(\sigma(\gamma + s_i^-))^\kappa}{\sum_j H(\sigma(\gamma + s_j^-))^\kappa}

    where $H$ is the entropy of a yes-or-no question, cf. :func:`entropy_of_belief`. Self-adversarial weights are the
    larger, the more a negative is believed; these here are largest where the model does not know, and small again for
    what it takes for true: this may well be true. As there, means are halved. With one-to-N training, all entities but
    the answers in the labels are negatives. Modality adversarial training takes the margin from here, and 1 for the
    temperature, if nothing else is said.

    ---
    name: Entropy-guided (our reading of MoCME)
    citation:
        author: Li
        year: 2025
        link: https://arxiv.org/abs/2507.20620
    """

    synonyms: ClassVar[set[str]] = set()

    hpo_default: ClassVar[Mapping[str, Any]] = dict(
        margin=dict(type="categorical", choices=[1, 2, 4, 8, 12]),
        focus=dict(type="categorical", choices=[0.5, 1.0, 2.0]),
    )

    def __init__(self, margin: float = 9.0, focus: float = 1.0, reduction: str = "mean") -> None:
        r"""Initialize the loss.

        :param margin: The margin $\gamma$.
        :param focus: The exponent $\kappa$ of entropies, at least 0, with which all negatives have the same weight.
        :param reduction: How to aggregate the losses of a batch, ``"mean"`` or ``"sum"``.
        :raises ValueError: if the focus is negative
        """
        if not focus >= 0:
            raise ValueError(f"focus must be at least 0, but is {focus}. With 0, all negatives have the same weight.")
        super().__init__(margin=margin, reduction=reduction)  # type: ignore[arg-type]
        self.focus = focus

    def _weigh(self, negative_scores: FloatTensor, is_negative: BoolTensor) -> FloatTensor:
        """Return the weights of negatives, which sum to one in each row that has any; zero for others."""
        entropy = entropy_of_belief(negative_scores.detach(), self.margin)
        # of logarithms, since far from the margin entropies are too small for any power
        logits = (self.focus * entropy.clamp(min=torch.finfo(entropy.dtype).tiny).log()).masked_fill(
            ~is_negative, float("-inf")
        )
        # a row may have none
        return logits.softmax(dim=-1).masked_fill(~is_negative, 0.0)

    def _combine(
        self, positive_scores: FloatTensor, negative_scores: FloatTensor, is_negative: BoolTensor
    ) -> FloatTensor:
        weights = self._weigh(negative_scores, is_negative)
        negative = (weights * self.negative_loss_term_unreduced(negative_scores)).sum(dim=-1)
        loss: FloatTensor = self.factor * (self.positive_loss_term(positive_scores) + self._reduction_method(negative))
        return loss

    def process_slcwa_scores(  # noqa: D102
        self,
        positive_scores: FloatTensor,
        negative_scores: FloatTensor,
        label_smoothing: float | None = None,
        batch_filter: BoolTensor | None = None,
        num_entities: int | None = None,
        pos_weights: FloatTensor | None = None,
        neg_weights: FloatTensor | None = None,
    ) -> FloatTensor:
        self._raise_on_weights(pos_weights)
        self._raise_on_weights(neg_weights)
        if label_smoothing:
            raise UnsupportedLabelSmoothingError(self)
        if batch_filter is None:
            return self._combine(positive_scores, negative_scores, torch.ones_like(negative_scores, dtype=torch.bool))
        scores = torch.zeros_like(batch_filter, dtype=negative_scores.dtype)
        scores[batch_filter] = negative_scores
        return self._combine(positive_scores, scores, batch_filter)

    def process_lcwa_scores(  # noqa: D102
        self,
        predictions: FloatTensor,
        labels: FloatTensor,
        label_smoothing: float | None = None,
        num_entities: int | None = None,
        weights: FloatTensor | None = None,
    ) -> FloatTensor:
        self._raise_on_weights(weights)
        if label_smoothing:
            raise UnsupportedLabelSmoothingError(self)
        is_positive = labels > 0.5
        return self._combine(predictions[is_positive], predictions, ~is_positive)
