"""NativE against formulas, in double precision, and its adversarial training."""

import dataclasses

import numpy
import pytest
import torch

from pykeen_adamf.models import AdaMFRotatE, NativE
from pykeen_adamf.nn.dual_fusion import DualFusionInteraction, WeighedModalities
from pykeen_adamf.training import MATTrainingLoop
from pykeen_adamf.training.objectives import adversarial_loss, generator_loss

from ..cases import make_factory
from ..training.cases import SAMPLER, assert_equal_generators, assert_equal_models, make_loop

ADVERSARIAL = dict(
    joint_generator=True,
    adversarial_weighting="wasserstein",
    gradient_penalty=0.3,
    adversarial_weight=0.5,
    num_groups=2,
    hidden_dim=8,
)


def make(**kwargs):
    model = NativE(triples_factory=make_factory(), embedding_dim=3, random_seed=0, **kwargs).double()
    with torch.no_grad():
        model.fused.fusion.attention.weight.copy_(torch.tensor([[1.0, -2.0, 3.0, 0.5, -1.0, 2.0]]))
        # temperatures that differ
        model.relation_representations[0]._embeddings.weight[:, -1] = torch.tensor([-2.0, -1.0, 0.0, 1.0])
    return model


def numpify(x):
    return x.detach().numpy()


def embed(model):
    """Return the embeddings of each modality, and which take part."""
    embeddings = [numpify(model.fused.bases["structural"]._embeddings.weight)]
    present = [numpy.ones(model.num_entities, dtype=bool)]
    for name in ("visual", "textual"):
        base = model.fused.bases[name]
        (second,) = base.layers
        hidden = numpify(base.table) @ numpify(base.projection.weight).T + numpify(base.projection.bias)
        embeddings.append(numpy.maximum(hidden, 0) @ numpify(second.weight).T + numpify(second.bias))
        present.append(numpify(base.presence) | (base.missing != "mask"))
    return embeddings, present


def score(model, h, r, t):
    """Score one triple of modality embeddings, each a list, with zeros for who takes no part."""
    relation = numpify(model.relation_representations[0]._embeddings.weight)[r]
    fused = []
    for parts in (h, t):
        there = [x for x in parts if x is not None]
        logits = numpy.array([numpify(model.fused.fusion.attention.weight)[0] @ numpy.tanh(x) for x in there])
        weights = numpy.exp(logits * (1 + numpy.exp(-relation[-1])))
        e = sum(w * x for w, x in zip(weights / weights.sum(), there, strict=True))
        fused.append(e[::2] + 1j * e[1::2])
    # the margin of the default loss, and two, for each dimension
    rotation = numpy.exp(1j * numpy.pi * relation[:-1] / (14 / (len(relation) - 1)))
    return -numpy.abs(fused[0] * rotation - fused[1]).sum()


@pytest.mark.parametrize("missing", ["random", "mask"])
def test_scores(missing):
    model, triples = make(missing=missing).eval(), make_factory().mapped_triples
    embeddings, present = embed(model)

    def parts(e):
        return [x[e] if there[e] else None for x, there in zip(embeddings, present, strict=True)]

    expected = [score(model, parts(h), r, parts(t)) for h, r, t in triples.tolist()]
    numpy.testing.assert_allclose(numpify(model.predict_hrt(triples))[:, 0], expected)
    h, r, t = triples[0].tolist()
    tails = [score(model, parts(h), r, parts(e)) for e in range(20)]
    heads = [score(model, parts(e), r, parts(t)) for e in range(20)]
    numpy.testing.assert_allclose(numpify(model.predict_t(triples[:1, :2]))[0], tails)
    numpy.testing.assert_allclose(numpify(model.predict_h(triples[:1, 1:]))[0], heads)


@pytest.mark.parametrize("with_missing", [False, True])
def test_gradients(with_missing):
    """Also of gradients, for the gradient penalty."""
    fusion, interaction = WeighedModalities({"a": 2, "b": 2}).double(), DualFusionInteraction(2, 1).double()
    rng = torch.Generator().manual_seed(0)
    parts = [torch.randn(1, 2, dtype=torch.double, generator=rng).requires_grad_() for _ in range(4)]
    r = torch.randn(1, 2, dtype=torch.double, generator=rng).requires_grad_()
    mask = torch.tensor([[True, False]]) if with_missing else None

    def function(r, *parts):
        return interaction(fusion(parts[:2], mask), r, fusion(parts[2:]))

    assert torch.autograd.gradcheck(function, (r, *parts))
    assert torch.autograd.gradgradcheck(function, (r, *parts))


def test_negatives():
    """Those of a batch are scored as each is by itself, with the same gradients."""
    model, triples = make(missing="mask"), make_factory().mapped_triples[:9]
    negatives = triples.unsqueeze(dim=1).repeat(1, 6, 1)
    rng = torch.Generator().manual_seed(0)
    for i, column in enumerate((0, 2)):
        negatives[:, 3 * i : 3 * i + 3, column] = torch.randint(20, (9, 3), generator=rng)
    results = []
    for score in (
        lambda: model.score_hrt(negatives.view(-1, 3)).view(9, 6),
        lambda: model.score_corrupted(triples, negatives),
    ):
        model.zero_grad()
        scores = score()
        (scores**2).sum().backward()
        results.append([scores, *(p.grad for p in model.parameters() if p.grad is not None)])
    torch.testing.assert_close(*results)


def test_weights():
    """They are those at a temperature of one."""
    model = make(missing="mask")
    embeddings, present = embed(model)
    attention = numpify(model.fused.fusion.attention.weight)[0]
    logits = numpy.stack([numpy.tanh(x) @ attention for x in embeddings], axis=1)
    weights = numpy.exp(logits) * numpy.stack(present, axis=1)
    numpy.testing.assert_allclose(numpify(model.modality_weights()), weights / weights.sum(axis=1, keepdims=True))


def make_double_loop(model_cls=NativE, **kwargs):
    loop = make_loop(
        MATTrainingLoop, model_cls=model_cls, loop_kwargs={**ADVERSARIAL, **SAMPLER, "num_groups": 2, **kwargs}
    )
    loop.model.double()
    loop.synthesizer.double()
    batch = loop.draw_synthetic(make_factory().mapped_triples[:5])
    noise = {name: tuple(x.double() for x in pair) for name, pair in batch.noise.items()}
    mixing = None if batch.mixing is None else batch.mixing.double()
    return loop, make_factory().mapped_triples[:5], dataclasses.replace(batch, noise=noise, mixing=mixing)


def test_objectives():
    """Wasserstein distances, whatever the margin."""
    rng = torch.Generator().manual_seed(0)
    positive = torch.randn(4, generator=rng)
    fake = {kind: torch.randn(4, 2, generator=rng) for kind in ("head", "both")}
    expected = sum(x.mean() for x in fake.values()) - 2 * positive.mean()
    torch.testing.assert_close(adversarial_loss(positive, fake, 3.0, 1.0, "wasserstein"), expected)
    expected = -(fake["head"].mean() + fake["both"].mean()) / 2
    for objective in ("non-saturating", "minimax"):
        torch.testing.assert_close(generator_loss(positive, fake, 3.0, 1.0, "wasserstein", objective), expected)


@pytest.mark.parametrize("model_cls", [NativE, AdaMFRotatE])
def test_joint_generator(model_cls):
    """One network makes the embeddings of all modalities, of those of all."""
    loop, positives, batch = make_double_loop(model_cls)
    head, tail = loop.synthesizer(loop.model, positives, batch.noise)
    generator = loop.synthesizer.generators["joint"]
    for column, synthetic, noise in ((0, head, batch.noise["joint"][0]), (2, tail, batch.noise["joint"][1])):
        parts = [loop.model.fused.bases[name](positives[:, column]) for name in ("structural", "visual", "textual")]
        x = torch.cat([noise, torch.cat(parts, dim=-1).unsqueeze(dim=1).expand(-1, 2, -1)], dim=-1)
        hidden = torch.nn.functional.leaky_relu(x @ generator.hidden.weight.t() + generator.hidden.bias)
        y = hidden @ generator.output.weight.t() + generator.output.bias
        assert list(synthetic) == ["visual", "textual"]
        torch.testing.assert_close(torch.cat(list(synthetic.values()), dim=-1), y)


def test_gradient_penalty():
    """By finite differences of scores; it has gradients with respect to attention and relations, not to entities."""
    loop, positives, batch = make_double_loop()
    model = loop.model
    head, tail = loop.synthesizer(model, positives, batch.noise)
    structural = numpify(model.fused.bases["structural"]._embeddings.weight)
    total = 0
    for i, (h, r, t) in enumerate(positives.tolist()):
        for group in range(2):
            share = batch.mixing[i, group]
            point = [
                share * model.fused.bases[name](torch.tensor(e)) + (1 - share) * fake[name][i, group]
                for e, fake in ((h, head), (t, tail))
                for name in ("visual", "textual")
            ]
            point = numpify(torch.stack(point))
            gradient = numpy.zeros_like(point)
            for index in numpy.ndindex(point.shape):
                step = numpy.zeros_like(point)
                step[index] = 1e-6
                moved = [
                    score(model, [structural[h], *x[:2]], r, [structural[t], *x[2:]])
                    for x in (point + step, point - step)
                ]
                gradient[index] = (moved[0] - moved[1]) / 2e-6
            total += (numpy.linalg.norm(gradient) - 1) ** 2
    penalty = loop.penalize_gradients(positives, batch)
    assert penalty.item() == pytest.approx(total / 10, rel=1e-6)
    penalty.backward()
    assert model.fused.fusion.attention.weight.grad.abs().max() > 0
    assert model.relation_representations[0]._embeddings.weight.grad.abs().max() > 0
    assert model.fused.bases["visual"].projection.weight.grad is None


def test_parts_of_a_batch():
    """Their losses, weighted by their shares, add up to that of the batch."""
    loop, positives, batch = make_double_loop()
    positive = loop.model.score_hrt(positives).squeeze(dim=-1)
    whole = loop.discriminator_loss(positive, positives, batch)
    parts = [
        (stop - start) / 5 * loop.discriminator_loss(positive[start:stop], positives[start:stop], part)
        for start, stop, part in ((0, 2, batch.part(0, 2)), (2, 5, batch.part(2, 5)))
    ]
    torch.testing.assert_close(sum(parts), whole)


@pytest.mark.slow
def test_resume(tmp_path):
    """Also the one generator, and where gradients are measured."""
    factory = make_factory()
    checkpoint = dict(checkpoint_directory=tmp_path, checkpoint_name="checkpoint.pt", checkpoint_frequency=0)
    loops = []
    for kwargs, epochs in (({}, 3), (checkpoint, 1), (checkpoint, 3)):
        loop = make_loop(MATTrainingLoop, factory=factory, model_cls=NativE, loop_kwargs={**ADVERSARIAL, **SAMPLER})
        loop.train(factory, num_epochs=epochs, batch_size=32, sub_batch_size=20, use_tqdm=False, **kwargs)
        loops.append(loop)
    assert_equal_models(loops[0], loops[2])
    assert_equal_models(loops[0], loops[1], equal=False)
    assert_equal_generators(loops[0], loops[2])
    assert loops[0].adversarial_losses_per_epoch == loops[2].adversarial_losses_per_epoch


def test_bad_input():
    with pytest.raises(ValueError, match="embedding_dim must be a positive integer"):
        NativE(triples_factory=make_factory(), embedding_dim=0)
    with pytest.raises(ValueError, match="p must be positive"):
        NativE(triples_factory=make_factory(), embedding_dim=3, p=0)
    with pytest.raises(ValueError, match="gradient_penalty must be finite and not negative"):
        make_loop(MATTrainingLoop, model_cls=NativE, loop_kwargs=dict(gradient_penalty=-1))
