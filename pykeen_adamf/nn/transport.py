"""Plans of optimal transport between features and embeddings."""

import importlib
from typing import Final

import torch

from ..typing import FloatTensor

__all__ = ["average_plan"]

#: The largest plan, in numbers; calculating one takes about four times its memory.
MAX_NUMEL: Final = 2**27

#: Enough of Sinkhorn's for a mean of several plans.
NUM_ITERATIONS: Final = 200

#: Below this entropy, numbers are too small for double precision.
MIN_ENTROPY: Final = 0.002


def average_plan(features: FloatTensor, embeddings: FloatTensor, entropy: float, name: str) -> FloatTensor:
    r"""Average the plans of optimal transport between the coordinates of features and those of embeddings.

    For one entity, moving coordinate $j$ of its features to coordinate $k$ of its embedding costs $(v_j - s_k)^2$,
    where both vectors are standardized. All coordinates have the same mass, and plans are regularized by their entropy
    (Sinkhorn's algorithm, by the library POT).

    :param features: shape: ``(n, feature_dim)``, the features of some entities.
    :param embeddings: shape: ``(n, dim)``, their embeddings.
    :param entropy: >=0.002, the weight of the entropy, relative to the largest cost: the smaller, the sharper.
    :param name: The name of the modality, for messages.
    :returns: shape: ``(dim, feature_dim)``, the mean plan with rows that sum to one, such that it makes each coordinate
        of an embedding a mean of features.
    :raises ImportError: if POT is not installed
    :raises ValueError: if the plan would be too large, or the entropy is too small
    """
    if entropy < MIN_ENTROPY:
        raise ValueError(f"entropy must be at least {MIN_ENTROPY}, but is {entropy}.")
    numel = features.shape[1] * embeddings.shape[1]
    if numel > MAX_NUMEL:
        raise ValueError(
            f"The transport plan from {features.shape[1]:,} features of {name} to {embeddings.shape[1]:,} coordinates "
            f"would take {32 * numel / 2**30:.1f} GiB while it is calculated. Reduce the features, e.g., by "
            f"`pykeen-adamf encode --dim`, or choose a smaller embedding_dim."
        )
    try:
        ot = importlib.import_module("ot")
    except ImportError as error:
        raise ImportError('OTKGE needs the library POT: pip install "pykeen-adamf[ot]"') from error
    total = torch.zeros(features.shape[1], embeddings.shape[1], dtype=torch.float64)
    for v, s in zip(_standardize(features), _standardize(embeddings), strict=True):
        cost = (v[:, None] - s[None]).square()
        masses = [torch.full((len(x),), 1 / len(x), dtype=torch.float64) for x in (v, s)]
        total += ot.sinkhorn(*masses, cost / cost.max(), reg=entropy, numItermax=NUM_ITERATIONS, warn=False)
    rows = total.t()
    return (rows / rows.sum(dim=1, keepdim=True)).to(torch.get_default_dtype())


def _standardize(x: FloatTensor) -> FloatTensor:
    x = x.detach().cpu().double()
    return (x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True, unbiased=False).clamp(min=1e-12)
