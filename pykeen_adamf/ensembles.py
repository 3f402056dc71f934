"""Weights of the parts of an ensemble, by what they are worth on validation triples."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from pykeen.evaluation.evaluator import create_sparse_positive_filter_
from pykeen.typing import MappedTriples
from torch.nn import functional as F
from tqdm.auto import trange

from .checks import ScoreError, check_choice, check_scores
from .evaluation.measuring import RankKeepingEvaluator
from .models import Ensemble, MoSE
from .typing import FloatTensor, LongTensor

__all__ = ["fit_ensemble"]

Method = Literal["average", "boosting", "meta", "selection"]

#: How many validation triples the meta-learner looks at, and for how many steps.
MAX_TRIPLES, NUM_STEPS = 1000, 100

#: How many scores are kept at once, i.e., of how many validation triples; and how many parts the selection adds.
MAX_NUMBERS, NUM_ROUNDS = 2**28, 20

#: How many questions are compared at once.
BATCH_SIZE = 64


def fit_ensemble(
    model: MoSE | Ensemble,
    triples: MappedTriples,
    known: Sequence[MappedTriples],
    method: Method = "boosting",
    *,
    use_tqdm: bool = False,
) -> FloatTensor:
    r"""Find the weights of the parts of a trained model.

    - ``"average"``: equal weights
    - ``"boosting"``: for each relation, AdaRank (Xu and Li, 2007) on the reciprocal ranks $\rho_{im}$ of the answers of
      validation triples: parts are taken one after the other, each time the one with the largest
      $\gamma_m = \sum_i D_i \rho_{im}$, with the weight $\frac{1}{2} \log \frac{1 + \gamma_m}{1 - \gamma_m}$; after
      that, what it answers well weighs less, $D_i \propto D_i \exp(-\rho_{im})$. Inverse relations have weights of
      their own in MoSE. Relations without validation triples have equal weights.
    - ``"meta"``: the same weights for all relations, a softmax that is trained with the cross-entropy of validation
      triples over all entities, scaled by a learned temperature
    - ``"selection"``: the same weights for all relations, by ensemble selection (Caruana et al., 2004), i.e., greedy
      forward selection with replacement: in each of 20 rounds, the part is added with which the filtered MRR of
      validation triples is best, and the best sum of all rounds is taken. Scores of each part are divided by their
      standard deviation before. As many validation triples are looked at as there may be scores of: all of MKG-Y with
      three parts, but 67 with a million entities and two.

    :param model: The model.
    :param triples: shape: ``(num_triples, 3)``, the validation triples: never those of the test.
    :param known: Other triples that are known, to filter ranks with: the training triples.
    :param method: The way to find weights.
    :param use_tqdm: Whether to show a progress bar of the selection.
    :returns: shape: ``(num_relations, num_parts)``, the weights, which are the model's from now on, and saved with it.
    :raises ValueError: if there is no such method, the model is no ensemble, there are no validation triples, or scores
        are no numbers
    """
    check_choice("method", method, get_args(Method))
    if not isinstance(model, MoSE | Ensemble):
        raise ValueError(f"{type(model).__name__} is no ensemble whose parts could be weighted: use Ensemble, or MoSE.")
    if not len(triples) and method != "average":
        raise ValueError("There are no validation triples to find the weights of parts by: use method='average'.")
    equal = torch.full_like(model.part_weights, 1 / model.num_parts)
    weights = equal
    if method == "boosting":
        weights = _boost(model, triples, known, equal.clone())
    elif method == "selection":
        weights = _select(model, triples, known, use_tqdm).expand_as(equal)
    elif method == "meta":
        weights = _learn(model, triples).expand_as(equal)
    model.part_weights.copy_(weights)
    model.eval()
    return model.part_weights.clone()


@contextmanager
def _only(model: MoSE | Ensemble, part: int) -> Iterator[None]:
    """Within this context, predict by one part; scores are what is weighted, rather than their sigmoids."""
    weights, with_sigmoid = model.part_weights, model.predict_with_sigmoid
    before = weights.clone()
    weights.zero_()[:, part] = 1.0
    model.predict_with_sigmoid = False
    try:
        yield
    finally:
        weights.copy_(before)
        model.predict_with_sigmoid = with_sigmoid


def _boost(
    model: MoSE | Ensemble, triples: MappedTriples, known: Sequence[MappedTriples], weights: FloatTensor
) -> FloatTensor:
    tails, heads = [], []
    for part in range(model.num_parts):
        with _only(model, part):
            evaluator = RankKeepingEvaluator()
            evaluator.evaluate(model, triples, additional_filter_triples=[*known], use_tqdm=False)
        ranks = evaluator.get_ranks()
        tails.append(1 / torch.as_tensor(ranks["tail_rank"]))
        heads.append(1 / torch.as_tensor(ranks["head_rank"]))
    r = triples[:, 1].cpu()
    if model.use_inverse_triples:
        # PyKEEN's inverse relations are the odd ones, between those that there are
        questions = {**_group(2 * r, torch.stack(tails)), **_group(2 * r + 1, torch.stack(heads))}
    else:
        questions = _group(torch.cat([r, r]), torch.cat([torch.stack(tails), torch.stack(heads)], dim=1))
    for relation, values in questions.items():
        found = adarank(values)
        weights[relation] = found / found.sum()
    return weights


def _group(relations: LongTensor, values: FloatTensor) -> dict[int, FloatTensor]:
    return {i: values[:, relations == i] for i in relations.unique().tolist()}


def adarank(values: FloatTensor) -> FloatTensor:
    """Return the weights of AdaRank, cf. :func:`fit_ensemble`.

    :param values: shape: ``(num_parts, num_questions)``, what each part is worth for each question, between 0 and 1.
    :returns: shape: ``(num_parts,)``, the weights, each of which is positive.
    """
    distribution = torch.full_like(values[0], 1 / values.shape[1])
    weights, left = torch.zeros_like(values[:, 0]), list(range(len(values)))
    while left:
        worth = values[left] @ distribution
        part = left.pop(int(worth.argmax()))
        # a part that is always right would have all weight, whatever the others say
        weights[part] = worth.max().clamp(1e-6, 1 - 1e-6).atanh()
        distribution = distribution * (-values[part]).exp()
        distribution = distribution / distribution.sum()
    return weights


def _ask(
    model: MoSE | Ensemble, triples: MappedTriples, known: MappedTriples, num: int
) -> tuple[FloatTensor, LongTensor]:
    """Ask each part for tails and heads: scores, shape: ``(num_parts, 2n, num_entities)``, and answers, ``(2n,)``.

    The n triples are a random choice of num ones, or of less if there would be too many scores. Other answers that are
    known have a score of NaN.
    """
    num = max(1, min(num, MAX_NUMBERS // (2 * model.num_entities * model.num_parts)))
    triples = triples[torch.randperm(len(triples), generator=torch.Generator().manual_seed(0))[:num]].to(model.device)
    # some interactions keep a vector for each score
    batches = triples.split(max(1, min(BATCH_SIZE, 2**20 // model.num_entities)))
    scores: FloatTensor = model.part_weights.new_empty(model.num_parts, 2, len(triples), model.num_entities)
    for part in range(model.num_parts):
        with _only(model, part), torch.no_grad():
            for i, batch in enumerate(batches):
                rows = slice(i * len(batches[0]), i * len(batches[0]) + len(batch))
                scores[part, 0, rows] = check_scores(model.predict_t(batch[:, :2]))
                scores[part, 1, rows] = check_scores(model.predict_h(batch[:, 1:]))
    for i, batch in enumerate(batches):
        for side, column in enumerate((2, 0)):
            found, _ = create_sparse_positive_filter_(batch, known, filter_col=column)
            row, entity = found[found[:, 1] != batch[found[:, 0], column]].T
            scores[:, side, i * len(batches[0]) + row, entity] = float("nan")
    return scores.flatten(1, 2), torch.cat([triples[:, 2], triples[:, 0]])


def _select(
    model: MoSE | Ensemble, triples: MappedTriples, known: Sequence[MappedTriples], use_tqdm: bool
) -> FloatTensor:
    everything = torch.cat([triples, *known]).unique(dim=0).to(model.device)
    scores, answers = _ask(model, triples, everything, len(triples))
    sizes = _measure_sizes(scores)
    scores /= sizes[:, None, None]
    total, counts = torch.zeros_like(scores[0]), torch.zeros_like(sizes)
    best, chosen = -1.0, counts
    for _ in trange(NUM_ROUNDS, desc="Selecting parts", disable=not use_tqdm):
        worth = [_reciprocal_rank(total, x, answers) for x in scores]
        part = max(range(len(worth)), key=worth.__getitem__)
        total += scores[part]
        counts[part] += 1
        if worth[part] > best:
            best, chosen = worth[part], counts.clone()
    return (chosen / sizes) / (chosen / sizes).sum()


def _measure_sizes(scores: FloatTensor) -> FloatTensor:
    """Return the standard deviation of the scores of each part, shape: ``(num_parts,)``."""
    # of some questions; all would take as much memory again
    sample = scores[:, :: max(1, scores.shape[1] // 256)].double()
    sizes = torch.stack([x[~x.isnan()].std() for x in sample])
    if not bool(sizes.isfinite().all()):
        part = int((~sizes.isfinite()).nonzero()[0])
        raise ScoreError(f"Scores of part {part} are infinite. Train it anew, e.g., with a lower learning rate.")
    return sizes.clamp(min=1e-6).to(scores)


def _reciprocal_rank(total: FloatTensor, scores: FloatTensor, answers: LongTensor) -> float:
    """Return the mean of reciprocal realistic ranks by the sum of scores, shape of both: ``(n, num_entities)``."""
    ranks = []
    # a piece at a time stays in the cache
    for x, y, answer in zip(total.split(BATCH_SIZE), scores.split(BATCH_SIZE), answers.split(BATCH_SIZE), strict=True):
        mixed = x + y
        found = mixed.gather(1, answer[:, None])
        ranks.append(1 + ((mixed > found).sum(dim=1) + (mixed >= found).sum(dim=1) - 1) / 2)
    return torch.cat(ranks).reciprocal().mean().item()


@torch.enable_grad()
def _learn(model: MoSE | Ensemble, triples: MappedTriples) -> FloatTensor:
    scores, answers = _ask(model, triples, triples[:0].to(model.device), MAX_TRIPLES)
    scale = _measure_sizes(scores).square().mean().sqrt()
    scores /= scale
    logits, temperature = scale.new_zeros(model.num_parts), scale.new_zeros(())
    logits.requires_grad_()
    temperature.requires_grad_()
    optimizer = torch.optim.Adam([logits, temperature], lr=0.1)
    for _ in range(NUM_STEPS):
        optimizer.zero_grad()
        mixed = torch.einsum("m,mbn->bn", logits.softmax(dim=0), scores)
        F.cross_entropy(temperature.exp() * mixed, answers).backward()
        optimizer.step()
    weights: FloatTensor = logits.detach().softmax(dim=0)
    return weights
