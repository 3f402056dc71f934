"""The contract between models and modality adversarial training."""

import pytest
import torch

from pykeen_adamf.models import AdaMFRotatE, SyntheticScoringModel, supports_synthetic_scoring

from ..cases import make_factory


def make(cls=AdaMFRotatE, **kwargs) -> SyntheticScoringModel:
    return cls(triples_factory=make_factory(), embedding_dim=4, random_seed=0, **kwargs).double()


@pytest.fixture(params=["random", "mask"])
def model(request) -> SyntheticScoringModel:
    return make(missing=request.param)


def synthesize(model: SyntheticScoringModel, batch_size: int, num_groups: int, seed: int):
    rng = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(batch_size, num_groups, dim, generator=rng, dtype=torch.float64)
        for name, dim in model.synthetic_dims.items()
    }


def test_shapes(model):
    hrt = make_factory().mapped_triples[:5]
    scores = model.score_synthetic(hrt, synthesize(model, 5, 3, 0), synthesize(model, 5, 3, 1))
    assert {kind: tuple(x.shape) for kind, x in scores.items()} == dict.fromkeys(("head", "tail", "both"), (5, 3))
    assert list(model.score_synthetic(hrt, synthesize(model, 5, 3, 0), synthesize(model, 5, 3, 1), kinds=["tail"])) == [
        "tail"
    ]


def test_structural_embeddings(model):
    indices = torch.tensor([[3, 1], [0, 3]])
    x = model.structural_embeddings(indices)
    assert x.shape == (2, 2, model.structural_dim)
    assert torch.equal(x[0, 0], x[1, 1])


def test_groups_and_triples_are_independent(model):
    """Each synthetic triple depends on its own synthetic embeddings only."""
    hrt = make_factory().mapped_triples[:4]
    head, tail = synthesize(model, 4, 2, 0), synthesize(model, 4, 2, 1)
    scores = model.score_synthetic(hrt, head, tail)
    for i in range(4):
        for group in range(2):
            single = model.score_synthetic(
                hrt[i : i + 1],
                {name: x[i : i + 1, group : group + 1] for name, x in head.items()},
                {name: x[i : i + 1, group : group + 1] for name, x in tail.items()},
            )
            for kind, x in single.items():
                torch.testing.assert_close(x[0, 0], scores[kind][i, group])


def test_against_formulas():
    """All three kinds of synthetic triples, written out."""
    model = make(attention="per-modality")
    fused = model.fused
    hrt = make_factory().mapped_triples[:6]
    head, tail = synthesize(model, 6, 1, 0), synthesize(model, 6, 1, 1)

    def entity(i: int, synthetic, row: int):
        embeddings = [
            base(torch.tensor(i)) if name not in synthetic else synthetic[name][row, 0]
            for name, base in fused.bases.items()
        ]
        logits = torch.stack([(w * e.tanh()).sum() for w, e in zip(fused.fusion.attention, embeddings, strict=True)])
        weights = logits.exp() / logits.exp().sum()
        joint = sum(w * e for w, e in zip(weights, embeddings, strict=True))
        return torch.complex(joint[0::2], joint[1::2])

    scores = model.score_synthetic(hrt, head, tail)
    for row, (h, r, t) in enumerate(hrt.tolist()):
        angle = model.relation_representations[0].raw[r] / model.relation_representations[0].phase_scale
        rotation = torch.complex(angle.cos(), angle.sin())
        for kind, fake_head, fake_tail in (("head", head, {}), ("tail", {}, tail), ("both", head, tail)):
            distance = (entity(h, fake_head, row) * rotation - entity(t, fake_tail, row)).abs().sum()
            torch.testing.assert_close(scores[kind][row, 0], -distance)


def test_gradients():
    """Gradients of synthetic scores with respect to the synthetic embeddings, and to the model's parameters."""
    model = make()
    hrt = make_factory().mapped_triples[:3]
    names = list(model.synthetic_dims)
    inputs = [x.requires_grad_() for s in (0, 1) for x in synthesize(model, 3, 2, s).values()]

    def score(*embeddings):
        head, tail = (dict(zip(names, embeddings[i : i + len(names)], strict=True)) for i in (0, len(names)))
        return torch.cat(list(model.score_synthetic(hrt, head, tail).values()))

    assert torch.autograd.gradcheck(score, inputs)

    parameters = dict(model.named_parameters())
    attention = parameters["entity_representations.0.fusion.attention"]

    def score_parameters(x):
        head, tail = synthesize(model, 3, 2, 0), synthesize(model, 3, 2, 1)
        return torch.func.functional_call(
            _Scorer(model), {"model.entity_representations.0.fusion.attention": x}, (hrt, head, tail)
        )

    assert torch.autograd.gradcheck(score_parameters, (attention.detach().clone().requires_grad_(),))


class _Scorer(torch.nn.Module):
    """Scores as a module's output."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, hrt, head, tail):
        return torch.cat(list(self.model.score_synthetic(hrt, head, tail).values()))


def test_support():
    assert supports_synthetic_scoring(make())
    assert not supports_synthetic_scoring(make(use_structural=False))
    assert not supports_synthetic_scoring(torch.nn.Linear(1, 1))
