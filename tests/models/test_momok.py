"""MoMoK against formulas in NumPy, in double precision."""

import numpy
import pytest
import torch
from pykeen.training import LCWATrainingLoop

from pykeen_adamf.models import AdaMF, MoMoK
from pykeen_adamf.nn import relational
from pykeen_adamf.nn.experts import ExpertMixture, MutualInformation
from pykeen_adamf.nn.joint_decision import MeanProbability
from pykeen_adamf.training import OneToNTrainingLoop

from ..cases import make_factory
from ..training.cases import assert_equal_models, make_loop

#: Nothing at random
CERTAIN = dict(
    fusion_dropout=0.0, decoder_kwargs=dict(head_dropout=0.0, relation_dropout=0.0, head_relation_dropout=0.0)
)


def make_small(inverse=True):
    """Make a factory that loops over all of its triples are fast for."""
    return make_factory(num_entities=8, num_relations=2, num_triples=40, create_inverse_triples=inverse)


def make(inverse=True, **kwargs):
    """Make a model with parameters that make a difference."""
    model = MoMoK(
        triples_factory=make_small(inverse), embedding_dim=4, relation_dim=3, random_seed=0, **kwargs
    ).double()
    with torch.no_grad():
        for name, x in model.named_parameters():
            if "table" not in name:
                x.copy_(0.7 * torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(x.numel())))
        for name, x in model.named_buffers():
            if "running" in name:
                x.copy_(torch.rand(x.shape, dtype=x.dtype) + 0.5)
    return model


def numpify(x):
    return x.detach().numpy()


def softmax(x):
    e = numpy.exp(x - x.max())
    return e / e.sum()


def normalize(x, norm):
    scaled = (x - numpify(norm.running_mean)) / numpy.sqrt(numpify(norm.running_var) + norm.eps)
    return scaled * numpify(norm.weight) + numpify(norm.bias)


def attend(layer, parts, present):
    """Fuse the embeddings of one entity, or the parts of one relation, head by head."""
    total = 0
    attention = numpify(layer.attention.weight)[0]
    for i in range(2):
        ys = []
        for linear, part in zip(layer.layers, parts, strict=True):
            size = linear.out_features // 2
            rows = slice(i * size, (i + 1) * size)
            ys.append(numpy.maximum(0, numpify(linear.weight)[rows] @ part + numpify(linear.bias)[rows]))
        logits = [y @ attention if there else -numpy.inf for y, there in zip(ys, present, strict=True)]
        weights = softmax(numpy.array(logits))
        total = total + sum(w * y for w, y in zip(weights, ys, strict=True))
    return total


def calculate(model):
    """Return the logits of each decoder, shape: ``(num_parts, n, num_relations, n)``."""
    bases, x = model.fused.bases, model.interaction
    n = model.num_entities
    embeddings = [numpify(bases["structural"]._embeddings.weight)]
    present = [numpy.ones(n, dtype=bool)]
    for name in ("visual", "textual"):
        layer = bases[name].projection
        present.append(numpify(bases[name].presence))
        rows = numpify(bases[name].table) @ numpify(layer.weight).T + numpify(layer.bias)
        embeddings.append(rows * present[-1][:, None])
    raw = numpify(model.relation_representations[0]())

    def represent(e, temperature):
        parts = []
        for mixture, embedding in zip(x.mixtures, embeddings, strict=True):
            gates = softmax(embedding[e] @ numpify(mixture.gate) / temperature)
            weight, bias = numpify(mixture.experts.weight), numpify(mixture.experts.bias)
            experts = [weight[4 * k : 4 * k + 4] @ embedding[e] + bias[4 * k : 4 * k + 4] for k in range(3)]
            parts.append(sum(g * y for g, y in zip(gates, experts, strict=True)))
        return [*parts, attend(x.entity_fusion, parts, [there[e] for there in present])]

    scores = numpy.empty((4, n, len(raw), n))
    tails = [represent(e, 1.0) for e in range(n)]
    for r, relation in enumerate(raw):
        rs = numpy.split(relation[:-1], 3)
        rs.append(attend(x.relation_fusion, rs, [True] * 3))
        matrices = [numpy.einsum("j,ijk->ik", y, numpify(z.core_tensor)) for y, z in zip(rs, x.decoders, strict=True)]
        for h in range(n):
            hs = represent(h, 1 / (1 + numpy.exp(-relation[-1])))
            for part, decoder in enumerate(x.decoders):
                head = normalize(hs[part], decoder.head_batch_norm)
                query = normalize(head @ matrices[part], decoder.head_relation_batch_norm)
                scores[part, h, r] = [query @ t[part] for t in tails]
    return scores


def test_scores():
    """The logit of the mean of four probabilities, whichever way triples are scored."""
    model = make(inverse=False).eval()
    logits = calculate(model)
    p = (1 / (1 + numpy.exp(-logits))).mean(axis=0)
    triples = make_small().mapped_triples
    h, r, t = triples.T.numpy()
    model.predict_with_sigmoid = True
    numpy.testing.assert_allclose(numpify(model.predict_t(triples[:, :2])), p[h, r], rtol=1e-8, atol=1e-10)
    numpy.testing.assert_allclose(numpify(model.predict_hrt(triples))[:, 0], p[h, r, t], rtol=1e-8, atol=1e-10)
    heads = p[:, r, t].T
    numpy.testing.assert_allclose(numpify(model.predict_h(triples[:, 1:])), heads, rtol=1e-8, atol=1e-10)


def test_pieces(monkeypatch):
    """Predictions that need much memory are made in pieces."""
    model, rt = make(inverse=False).eval(), make_small().mapped_triples[:, 1:]
    expected = model.predict_h(rt)
    monkeypatch.setattr(relational, "MAX_NUMEL", 3 * len(rt) * model.interaction.numel)
    sizes = []
    model.interaction.register_forward_hook(lambda module, args, kwargs, y: sizes.append(y.shape), with_kwargs=True)
    with torch.no_grad():
        torch.testing.assert_close(model.predict_h(rt), expected)
    assert sizes == [(len(rt), 3)] * 2 + [(len(rt), 2), (len(rt), 8)]


def test_loss():
    """A binary cross-entropy for each decoder, and all tails of a head and relation in its labels."""
    model, factory = make(information_weight=0.0, **CERTAIN), make_small()
    loop = OneToNTrainingLoop(model=model, triples_factory=factory, optimizer="sgd")
    (batch,) = loop._create_training_data_loader(factory, sampler=None, batch_size=500, drop_last=False)
    # statistics that are known, and gates without noise
    model.eval()
    loss = loop._process_batch(batch, 0, len(batch["pairs"]), label_smoothing=0.1)
    h, r = batch["pairs"].T.numpy()
    logits = calculate(model)[:, h, r]
    labels = numpy.zeros(logits.shape[1:])
    known = factory.mapped_triples * torch.tensor([1, 2, 1])
    for a, b, c in [*known.tolist(), *[(c, b + 1, a) for a, b, c in known.tolist()]]:
        labels[(h == a) & (r == b), c] = 1
    assert labels.sum(axis=1).max() > 1
    smooth = 0.9 * labels + 0.1 / 7 * (1 - labels)
    expected = (numpy.logaddexp(0, logits) - smooth * logits).mean(axis=(1, 2)).sum()
    assert loss.item() == pytest.approx(expected)


def test_loss_of_others():
    """Models without parts are trained as by PyKEEN's loop."""
    loops = []
    for cls in (OneToNTrainingLoop, LCWATrainingLoop):
        factory = make_factory()
        loop = make_loop(cls, factory=factory, model_cls=AdaMF, model_kwargs=dict(loss="bcewithlogits"))
        loop.train(factory, num_epochs=2, batch_size=16, use_tqdm=False)
        loops.append(loop)
    assert_equal_models(*loops)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train_kwargs", "model_kwargs"),
    [(dict(drop_last=True), {}), (dict(sub_batch_size=5), dict(decoder_kwargs=dict(apply_batch_normalization=False)))],
)
def test_resume(tmp_path, train_kwargs, model_kwargs):
    """Also gates, dropout, and which experts are compared, which are at random."""
    factory = make_factory(create_inverse_triples=True)
    checkpoint = dict(checkpoint_directory=tmp_path, checkpoint_name="checkpoint.pt", checkpoint_frequency=0)
    loops = []
    for kwargs, epochs in (({}, 3), (checkpoint, 1), (checkpoint, 3)):
        loop = make_loop(OneToNTrainingLoop, factory=factory, model_cls=MoMoK, model_kwargs=model_kwargs)
        loop.train(factory, num_epochs=epochs, batch_size=32, use_tqdm=False, **train_kwargs, **kwargs)
        loops.append(loop)
    assert_equal_models(loops[0], loops[2])
    assert_equal_models(loops[0], loops[1], equal=False)
    assert loops[0].losses_per_epochs == loops[2].losses_per_epochs


def test_noise():
    """Gates are noisy in training alone, and the noise is learned."""
    mixture = ExpertMixture(3, 2).double().train()
    torch.nn.init.normal_(mixture.gate)
    torch.nn.init.normal_(mixture.noise)
    x = torch.randn(1, 3, dtype=torch.double)
    with torch.no_grad():
        mixed, outputs = mixture(x.repeat(20_000, 1))
        # the difference of the two experts' logits
        gate = ((mixed - outputs[:, 1]) / (outputs[:, 0] - outputs[:, 1]))[:, 0].logit()
        logits, deviations = x @ mixture.gate, torch.nn.functional.softplus(x @ mixture.noise) + 0.01
        assert gate.mean().item() == pytest.approx((logits[0, 0] - logits[0, 1]).item(), abs=0.1)
        assert gate.std().item() == pytest.approx(deviations.norm().item(), rel=0.05)
        mixture.eval()
        expected = (logits / 0.3).softmax(dim=-1)[0] @ mixture(x)[1][0]
        torch.testing.assert_close(mixture(x, torch.tensor([[0.3]]))[0][0], expected)


def test_mutual_information():
    """The bound has gradients with respect to experts, and the likelihood those with respect to its networks."""
    term = MutualInformation(4, weight=0.1).double().train()
    x = torch.randn(6, 3, 4, dtype=torch.double, requires_grad=True)
    torch.manual_seed(3)
    i, j = torch.randperm(3)[:2].tolist()
    order = torch.randperm(6)

    def log_density(a, b):
        mean, variance = term.mean(a), term.log_variance(a).tanh().exp()
        return torch.distributions.Normal(mean, variance.sqrt()).log_prob(b).sum(dim=-1)

    a, b = x[:, i], x[:, j]
    bound = (log_density(a, b) - log_density(a, b[order])).mean()
    networks = list(term.parameters())
    expected = [
        *torch.autograd.grad(0.1 * bound, [x]),
        *torch.autograd.grad(-log_density(a.detach(), b.detach()).mean(), networks),
    ]
    torch.manual_seed(3)
    term.update(x)
    # only once in a step
    term.update(x)
    value = term.pop_regularization_term()
    assert value.item() == pytest.approx(0.1 * bound.item())
    for actual, wanted in zip(torch.autograd.grad(value, [x, *networks]), expected, strict=True):
        torch.testing.assert_close(actual, wanted)


def test_mean_probability():
    comparison = MeanProbability(3)
    rng = torch.Generator().manual_seed(0)
    queries, candidates = (torch.randn(n, 6, dtype=torch.double, generator=rng).requires_grad_() for n in (4, 5))
    scores = comparison.all_pairs(queries, candidates)
    parts = torch.einsum("qpd,cpd->pqc", queries.view(4, 3, 2), candidates.view(5, 3, 2))
    torch.testing.assert_close(scores, parts.sigmoid().mean(dim=0).logit())
    assert torch.autograd.gradcheck(comparison.all_pairs, (queries, candidates))
    index = torch.cartesian_prod(torch.arange(4), torch.arange(5)).t()
    torch.testing.assert_close(comparison.score_pairs(queries, candidates, *index).view(4, 5), scores)
    # probabilities that are no different from 0 or 1
    far = comparison.compare(torch.full((6,), 1e3), torch.tensor([[1.0] * 6, [-1.0] * 6]))
    assert torch.isfinite(far).all()
    assert far[0] > 1e3 > -1e3 > far[1]


def test_missing_modality():
    """What an entity misses has no part in its fusion."""
    model = make(inverse=False).eval()
    absent = int((~model.fused.bases["visual"].presence).nonzero()[0])
    entity = torch.tensor([absent])
    before = model.interaction.represent(model.entity_representations[0](entity))[-1]
    with torch.no_grad():
        model.interaction.entity_fusion.layers[1].weight.add_(1)
    assert torch.equal(model.interaction.represent(model.entity_representations[0](entity))[-1], before)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(embedding_dim=1), "embedding_dim must be an integer, and at least 2"),
        (dict(num_experts=1), "num_experts must be an integer, and at least 2"),
        (dict(num_heads=0), "num_heads must be a positive integer"),
        (dict(information_weight=-1.0), "information_weight must be finite and not negative"),
        (dict(modalities=["audio"]), "modalities must be some of"),
    ],
)
def test_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MoMoK(triples_factory=make_factory(), **{"embedding_dim": 4, **kwargs})
