"""Fusions as formulas, written out in NumPy."""

import numpy


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


def softmax(logits, mask):
    exponentials = numpy.exp(logits) * mask
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def normalize(x):
    return x / numpy.maximum(numpy.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def cross_modal(parts, mask, with_sum):
    """Two parts, of which the first is structural."""
    structural, other = parts
    structural, other = (numpy.where(mask[:, :1], structural, other), numpy.where(mask[:, 1:], other, structural))
    return numpy.concatenate([normalize(x) for x in (structural, other, structural + other)[: 2 + with_sum]], axis=-1)


def find_complementarity(vectors, measure):
    """What each of several vectors of one entity adds to the others."""
    result = []
    for i, x in enumerate(vectors):
        others = [y for j, y in enumerate(vectors) if j != i]
        if measure == "cosine":
            total = sum((y / numpy.linalg.norm(y) for y in others), numpy.zeros_like(x))
            result.append(1 - (x / numpy.linalg.norm(x)) @ total / max(numpy.linalg.norm(total), 1e-8))
        elif others:
            p, *rest = (softmax(len(y) ** 0.5 * y / numpy.linalg.norm(y), 1) for y in (x, *others))
            q = numpy.mean(rest, axis=0)
            middle = (p + q) / 2
            result.append((p * numpy.log(p / middle)).sum() / 2 + (q * numpy.log(q / middle)).sum() / 2)
        else:
            result.append(0.0)
    return numpy.array(result)


def weigh(vectors, measure, temperature):
    """The mean of vectors, with weights by what they add, or equal ones without a measure."""
    logits = numpy.zeros(len(vectors)) if measure is None else find_complementarity(vectors, measure) / temperature
    return softmax(logits, 1) @ numpy.array(vectors)


def complement(parts, mask, experts=None, measure="cosine", temperature=0.1, intra=True, inter=True, as_sum=False):
    """Entity by entity, modality by modality, view by view."""
    rows = []
    for x, m in zip(parts, mask, strict=True):
        united = []
        for i in numpy.flatnonzero(m):
            views = [x[i]] if experts is None else [expert @ x[i] for expert in experts[i]]
            united.append(weigh(views, measure if intra else None, temperature))
        row = weigh(united, measure if inter else None, temperature)
        rows.append(row * len(united) if as_sum else row)
    return numpy.stack(rows)


#: for each fusion and option: the name, keyword-based parameters, and the formula, of parts ``(n, dim)`` and a mask
CASES = {
    "adaptive": (
        "adaptive",
        {},
        lambda f, x, m: (softmax((numpy.tanh(x) * f["attention"]).sum(-1), m)[..., None] * x).sum(1),
    ),
    "per modality": (
        "adaptive",
        dict(attention="per-modality"),
        lambda f, x, m: (softmax((numpy.tanh(x) * f["attention"]).sum(-1), m)[..., None] * x).sum(1),
    ),
    "mean": ("mean", {}, lambda f, x, m: (x * m[..., None]).sum(1) / m.sum(1, keepdims=True)),
    "sum": ("sum", dict(initial_scale=0.7), lambda f, x, m: (x * m[..., None] * f["scales"][:, None]).sum(1)),
    "gated": (
        "gated",
        {},
        lambda f, x, m: (sigmoid(f["weight"] * x + f["bias"]) * x * m[..., None]).sum(1),
    ),
    "concatenation": (
        "concatenation",
        {},
        lambda f, x, m: (x * m[..., None]).reshape(len(x), -1) @ f["linear.weight"].T + f["linear.bias"],
    ),
    "complementarity": ("complementarity", {}, lambda f, x, m: complement(x, m, f["experts"])),
    "complementarity, by information": (
        "complementarity",
        dict(num_views=2, measure="information", temperature=0.3),
        lambda f, x, m: complement(x, m, f["experts"], "information", 0.3),
    ),
    "complementarity, without views": (
        "complementarity",
        dict(num_views=None, as_sum=True),
        lambda f, x, m: complement(x, m, as_sum=True),
    ),
    "complementarity, with equal views": (
        "complementarity",
        dict(intra_modal=False),
        lambda f, x, m: complement(x, m, f["experts"], intra=False),
    ),
    "complementarity, with equal modalities": (
        "complementarity",
        dict(inter_modal=False),
        lambda f, x, m: complement(x, m, f["experts"], inter=False),
    ),
    "cross-modal": ("crossmodal", {}, lambda f, x, m: cross_modal(x.swapaxes(0, 1), m, False)),
    "cross-modal, with sum": (
        "crossmodal",
        dict(with_sum=True),
        lambda f, x, m: cross_modal(x.swapaxes(0, 1), m, True),
    ),
}
