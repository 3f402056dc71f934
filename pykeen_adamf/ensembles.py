"""Weights of the parts of a model that is an ensemble, by what they are worth on validation triples."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from pykeen.typing import MappedTriples
from torch.nn import functional as F

from .checks import check_choice
from .evaluation.measuring import RankKeepingEvaluator
from .models import MoSE
from .typing import FloatTensor, LongTensor

__all__ = ["fit_ensemble"]

Method = Literal["average", "boosting", "meta"]

#: How many validation triples the meta-learner looks at, and for how many steps.
MAX_TRIPLES, NUM_STEPS = 1000, 100


def fit_ensemble(
    model: MoSE, triples: MappedTriples, known: Sequence[MappedTriples], method: Method = "boosting"
) -> FloatTensor:
    r"""Find the weights of the parts of a trained model.

    - ``"average"``: equal weights
    - ``"boosting"``: for each relation, AdaRank (Xu and Li, 2007) on the reciprocal ranks $\rho_{im}$ of the answers of
      validation triples: parts are taken one after the other, each time the one with the largest
      $\gamma_m = \sum_i D_i \rho_{im}$, with the weight $\frac{1}{2} \log \frac{1 + \gamma_m}{1 - \gamma_m}$; after
      that, what it answers well weighs less, $D_i \propto D_i \exp(-\rho_{im})$. Inverse relations have weights of
      their own. Relations without validation triples have equal weights.
    - ``"meta"``: the same weights for all relations, a softmax that is trained with the cross-entropy of validation
      triples over all entities, scaled by a learned temperature

    :param model: The model.
    :param triples: shape: ``(num_triples, 3)``, the validation triples: never those of the test.
    :param known: Other triples that are known, to filter ranks with: the training triples.
    :param method: The way to find weights.
    :returns: shape: ``(num_relations, num_parts)``, the weights, which are the model's from now on, and saved with it.
    :raises ValueError: if there is no such method, the model is no ensemble, or there are no validation triples
    """
    check_choice("method", method, get_args(Method))
    if not isinstance(model, MoSE):
        raise ValueError(f"{type(model).__name__} is no ensemble whose parts could be weighted: use MoSE.")
    if not len(triples) and method != "average":
        raise ValueError("There are no validation triples to find the weights of parts by: use method='average'.")
    relations = model.relations
    equal = torch.full_like(relations.weights, 1 / model.num_parts)
    if method == "boosting":
        weights = _boost(model, triples, known, equal.clone())
    else:
        weights = equal if method == "average" else _learn(model, triples).expand_as(equal)
    relations.weights.copy_(weights)
    model.eval()
    return relations.weights.clone()


@contextmanager
def _only(model: MoSE, part: int) -> Iterator[None]:
    """Within this context, predict by one part; scores are what is weighted, rather than their sigmoids."""
    weights, with_sigmoid = model.relations.weights, model.predict_with_sigmoid
    before = weights.clone()
    weights.zero_()[:, part] = 1.0
    model.predict_with_sigmoid = False
    try:
        yield
    finally:
        weights.copy_(before)
        model.predict_with_sigmoid = with_sigmoid


def _boost(model: MoSE, triples: MappedTriples, known: Sequence[MappedTriples], weights: FloatTensor) -> FloatTensor:
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


@torch.enable_grad()
def _learn(model: MoSE, triples: MappedTriples) -> FloatTensor:
    chosen = triples[torch.randperm(len(triples), generator=torch.Generator().manual_seed(0))[:MAX_TRIPLES]]
    chosen = chosen.to(model.device)
    parts = []
    for part in range(model.num_parts):
        with _only(model, part), torch.no_grad():
            parts.append([model.predict_t(chosen[:, :2]).clone(), model.predict_h(chosen[:, 1:]).clone()])
    scores = [torch.stack(x) for x in zip(*parts, strict=True)]
    scale = torch.cat([x.flatten() for x in scores]).std().clamp(min=1e-6)
    logits, temperature = scale.new_zeros(model.num_parts), scale.new_zeros(())
    logits.requires_grad_()
    temperature.requires_grad_()
    optimizer = torch.optim.Adam([logits, temperature], lr=0.1)
    for _ in range(NUM_STEPS):
        optimizer.zero_grad()
        loss = scale.new_zeros(())
        for x, targets in zip(scores, (chosen[:, 2], chosen[:, 0]), strict=True):
            mixed = torch.einsum("m,mbn->bn", logits.softmax(dim=0), x / scale)
            loss = loss + F.cross_entropy(temperature.exp() * mixed, targets)
        loss.backward()
        optimizer.step()
    weights: FloatTensor = logits.detach().softmax(dim=0)
    return weights
