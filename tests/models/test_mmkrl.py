"""MMKRL against formulas in NumPy, in double precision."""

import numpy
import pytest
import torch

from pykeen_adamf.models import MMKRL
from pykeen_adamf.models.mmkrl import AligningFusion
from pykeen_adamf.new_entities import represent_new_entities, score_new_entities
from pykeen_adamf.training import MANSTrainingLoop, MATTrainingLoop

from ..cases import DIMS, make_factory

WEIGHT = 0.3


def make(**kwargs):
    kwargs = dict(embedding_dim=6, alignment_weight=WEIGHT, random_seed=0) | kwargs
    model = MMKRL(triples_factory=make_factory(), **kwargs).double()
    fusion = model.fused.fusion
    with torch.no_grad():
        for i, bias in enumerate((fusion.head_bias, fusion.relation_bias, fusion.tail_bias)):
            bias.copy_(0.1 * torch.randn(6, generator=torch.Generator().manual_seed(i)))
    return model


def numpify(x):
    return x.detach().numpy()


def normalize(x):
    return x / numpy.linalg.norm(x, axis=-1, keepdims=True)


def calculate(model, perturbation=0.0, without=()):
    """Return all scores, and alignment errors of each entity and relation."""
    fused = model.fused
    fusion, names = fused.fusion, [name for name in fused.modalities[1:] if name not in without]
    weight, v = numpify(fusion.projection.weight), numpify(fusion.to_multimodal.weight)
    s, r = (
        numpify(x)
        for x in (fused.bases["structural"]._embeddings.weight, model.relation_representations[0]._embeddings.weight)
    )
    # the layer on features of all modalities together
    there = [
        numpify(fused.bases[x].presence)[:, None] * (model.missing == "mask") + (model.missing != "mask") for x in names
    ]
    features = numpy.concatenate([numpify(fused.bases[x].table) * y for x, y in zip(names, there, strict=True)], axis=1)
    layer = numpy.concatenate([numpify(fused.bases[x].projection.weight) for x in names], axis=1)
    m = features @ layer.T + sum(numpify(fused.bases[x].projection.bias) * y for x, y in zip(names, there, strict=True))
    nothing = sum(there)[:, 0] == 0
    head, relation, tail = (
        x @ weight.T + numpify(b) for x, b in ((s, fusion.head_bias), (r, fusion.relation_bias), (s, fusion.tail_bias))
    )
    of_entities = ((s - head) ** 2).mean(axis=1) + ((s - tail) ** 2).mean(axis=1)
    of_entities += 2 * ((s @ v.T - m) ** 2).mean(axis=1) * ~nothing
    m = numpy.where(nothing[:, None], s, m) + perturbation
    relation = normalize(relation)

    def d(x, y):
        return numpy.abs(normalize(x)[:, None, None] + relation[None, :, None] - normalize(y)[None, None]).sum(axis=-1)

    scores = -(d(head + perturbation, tail + perturbation) + d(m, m) + d(m, s) + d(s, m)) / 4
    return scores, of_entities, ((r - relation_of(model)) ** 2).mean(axis=1)


def relation_of(model):
    fusion = model.fused.fusion
    r = numpify(model.relation_representations[0]._embeddings.weight)
    return r @ numpify(fusion.projection.weight).T + numpify(fusion.relation_bias)


def make_as(missing, **kwargs):
    model = make(missing=missing, **kwargs)
    model.missing = missing
    return model


@pytest.mark.parametrize("missing", ["random", "zero", "mask"])
def test_formula(missing):
    model, triples = make_as(missing), make_factory().mapped_triples[:7]
    model.train()
    with model.sharing(triples[:, [0, 2]]):
        actual = model.score_hrt(triples).flatten()
        # nothing of it is counted twice
        model.score_corrupted(triples[:4], triples[:4, None])
        error = model.collect_regularization_term()
    scores, of_entities, of_relations = calculate(model)
    h, r, t = triples.T.numpy()
    numpy.testing.assert_allclose(numpify(actual), scores[h, r, t], rtol=1e-10)
    expected = of_entities[triples[:, [0, 2]].unique()].mean() + of_relations[triples[:, 1].unique()].mean()
    assert error.item() == pytest.approx(WEIGHT * expected, rel=1e-6)
    # in training only
    assert model.collect_regularization_term().item() == 0
    model.eval()
    numpy.testing.assert_allclose(numpify(model.predict_t(triples[:, :2])), scores[h, r], rtol=1e-10)
    numpy.testing.assert_allclose(numpify(model.predict_h(triples[:, 1:])), scores[:, r, t].T, rtol=1e-10)
    assert model.collect_regularization_term().item() == 0


def test_someone_misses_everything():
    """Otherwise, it would not be tested what takes the place."""
    there = torch.stack([x.presence for x in make_factory().features.values()])
    assert not there.any(dim=0).all()
    assert there.all(dim=0).any()


def test_without_modalities():
    """Structural energies are left without features, and others without structure."""
    model = make_as("zero").eval()
    with model.without_modality("visual"):
        actual = model.predict_t(make_factory().mapped_triples[:, :2])
    h, r, _ = make_factory().mapped_triples.T.numpy()
    numpy.testing.assert_allclose(numpify(actual), calculate(model, without=["visual"])[0][h, r], rtol=1e-10)
    with model.without_modality("structural"):
        parts = model.fused().chunk(4, dim=-1)
    assert all(torch.equal(x, parts[2]) for x in parts)


def test_gradients():
    """All parameters are trained, and errors are differentiated."""
    model = make().train()
    with model.sharing(None):
        (model.score_hrt(make_factory().mapped_triples).sum() + model.collect_regularization_term()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    fusion = AligningFusion(dict.fromkeys(["structural", *DIMS], 3)).double()
    parts = [torch.randn(5, 3, dtype=torch.double, requires_grad=True) for _ in range(4)]
    mask = torch.tensor([[1, 1, 1], [1, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 1]], dtype=torch.bool)

    def calculate(weight, *rows):
        fusion.projection.weight.data = weight.data
        x = fusion(rows[:3], mask, rows[3])
        y = fusion.project_relations(rows[0])
        return (
            x,
            y,
            fusion.entity_alignment.pop_regularization_term(),
            fusion.relation_alignment.pop_regularization_term(),
        )

    assert torch.autograd.gradcheck(lambda *rows: calculate(fusion.projection.weight, *rows), parts)


@pytest.mark.parametrize("missing", ["random", "mask"])
def test_perturbation(missing):
    """It is added to what both embeddings become, before these are normalized."""
    model, triples = make_as(missing), make_factory().mapped_triples[:5]
    rng = torch.Generator().manual_seed(0)
    delta = torch.randn(6, dtype=torch.double, generator=rng).expand(5, 2, 6)
    scores = model.train().score_synthetic(triples, {"perturbation": delta}, {"perturbation": delta}, kinds=["both"])
    h, r, t = triples.T.numpy()
    expected = calculate(model, numpify(delta[0, 0]))[0][h, r, t]
    numpy.testing.assert_allclose(numpify(scores["both"]), numpy.stack([expected, expected], axis=1), rtol=1e-10)


def test_adversarial_training():
    """The generator learns perturbations, which change what the model learns; their weight may be zero."""
    states = []
    for weight in (0.0, 0.07):
        model, factory = make(), make_factory()
        loop = MATTrainingLoop(
            model=model.float(),
            triples_factory=factory,
            optimizer="adam",
            adversarial_weight=weight,
            synthetic_kinds=["both"],
            negative_sampler_kwargs=dict(num_negs_per_pos=3),
        )
        assert list(loop.synthesizer.generators) == ["perturbation"]
        before = [x.clone() for x in loop.synthesizer.parameters()]
        losses = loop.train(factory, num_epochs=3, batch_size=16, use_tqdm=False)
        assert losses[-1] < losses[0]
        changed = [not torch.equal(x, y) for x, y in zip(before, loop.synthesizer.parameters(), strict=True)]
        assert changed == [weight > 0] * len(changed)
        states.append(model.state_dict())
    first, second = (x["entity_representations.0.bases.structural._embeddings.weight"] for x in states)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("options", [dict(joint_generator=True), dict(gradient_penalty=1.0)])
def test_options_of_the_generator(options):
    factory = make_factory()
    loop = MATTrainingLoop(
        model=make().float(),
        triples_factory=factory,
        optimizer="adam",
        synthetic_kinds=["both"],
        negative_sampler_kwargs=dict(num_negs_per_pos=3),
        **options,
    )
    assert torch.tensor(loop.train(factory, num_epochs=1, batch_size=16, use_tqdm=False)).isfinite().all()


def test_energies_within_and_between():
    """MANS compares the energy of structural embeddings with those between modalities."""
    model, triples = make(missing="zero"), make_factory().mapped_triples
    loop = MANSTrainingLoop(model=model, triples_factory=make_factory(), optimizer="adam", strategy="A")
    head, tail, m, s = (numpify(x) for x in model.fused().chunk(4, dim=-1))
    r = numpify(model.relation_representations[0]())
    h, relation, t = triples.T.numpy()
    within, *between = (numpy.abs(x[h] + r[relation] - y[t]).sum(axis=-1) for x, y in ((head, tail), (m, s), (s, m)))
    assert loop._get_share(triples) == pytest.approx((sum(between) / 2 < within).mean())


@pytest.mark.parametrize("target", ["head", "tail"])
def test_new_entities(target):
    """They are compared as heads or as tails, whichever they are."""
    model = make(missing="zero", trainable_features=False).eval()
    features = {name: x.matrix[:3] for name, x in make_factory().features.items()}
    presence = {name: x.presence[:3] for name, x in make_factory().features.items()}
    known = [i for i in range(3) if any(x[i] for x in presence.values())]
    features, presence = ({name: x[known] for name, x in y.items()} for y in (features, presence))
    rows = represent_new_entities(model, features, presence, absent="left-out")
    scores = score_new_entities(model, rows, 1, target)
    others = model.fused()
    r = model.relation_representations[0](torch.tensor([1]))
    pairs = [(x, others) if target == "tail" else (others, x) for x in rows.unsqueeze(dim=1)]
    torch.testing.assert_close(scores, torch.stack([model.interaction(h, r, t) for h, t in pairs]))


def test_relations_follow_the_matrix():
    """Also in a copy, relations are projected by the matrix of entities."""
    model = make()
    other = make()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        other.fused.fusion.projection.weight.zero_()
    expected = torch.nn.functional.normalize(other.fused.fusion.relation_bias, dim=-1) / 4
    torch.testing.assert_close(other.relation_representations[0](), expected.expand(4, -1))


def test_bad_input():
    with pytest.raises(ValueError, match="alignment_weight must be finite and not negative"):
        make(alignment_weight=-1.0)
    with pytest.raises(ValueError, match="modalities must be some of"):
        make(modalities=["audio"])
    with pytest.raises(ValueError, match="The triples factory has no features"):
        MMKRL(triples_factory=make_factory(dims={}), embedding_dim=4)
