"""What relations see of entities, by formulas."""

import pytest
import torch

from pykeen_adamf.nn.relation_views import FeatureView, RelationViews, StructureView, contrast

from ..cases import make_factory

FEATURES = make_factory().features


def draw(*shape):
    return torch.randn(*shape, dtype=torch.double, requires_grad=True)


def cosine(x, y):
    return (x * y).sum() / x.norm() / y.norm()


def see_features(view, x, r):
    """Look at one entity."""

    def normalize(y):
        y = (y - y.mean()) / (y.var(unbiased=False) + 1e-5).sqrt()
        return y * view.norm.weight + view.norm.bias

    gate = 1 / (1 + (-(view.gate.weight @ r + view.gate.bias)).exp())
    return view.output.weight @ (normalize(gate * x) + normalize(x)) + view.output.bias


def see_structure(view, x, r):
    """Look at one entity."""
    hidden = torch.cat([view.hidden.weight, view.relation.weight], dim=1) @ torch.cat([x, r]) + view.hidden.bias
    hidden = torch.where(hidden > 0, hidden, 0.1 * hidden)
    return x / (1 + (-(view.gate.weight @ hidden + view.gate.bias)).exp())


@pytest.mark.parametrize(
    ("make", "see"),
    [
        (lambda: FeatureView(FEATURES["visual"], 5, 3), see_features),
        (lambda: StructureView(5, 3, 4), see_structure),
    ],
)
def test_similarities(make, see):
    """Values and gradients are those of single pairs of entities, whose relations are in any order."""
    torch.manual_seed(0)
    view, inputs = make().double(), (draw(6, 5), draw(4, 5), draw(3, 3))
    x, candidates, relations = inputs
    row = torch.tensor([2, 0, 2, 1, 0, 2])
    expected = torch.stack(
        [
            torch.stack([cosine(see(view, x[i], relations[r]), see(view, y, relations[r])) for y in candidates])
            for i, r in enumerate(row.tolist())
        ]
    )
    actual = view.similarities(*inputs, row)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)
    everything = [*inputs, *(p for name, p in view.named_parameters() if not name.startswith("projection"))]
    gradients = [torch.autograd.grad(y.sin().sum(), everything) for y in (actual, expected)]
    for y, z in zip(*gradients, strict=True):
        torch.testing.assert_close(y, z, rtol=1e-8, atol=1e-11)
    assert torch.autograd.gradcheck(lambda *y: view.similarities(*y, row), inputs)


def test_missing_features():
    """Nothing is similar to entities without features; the others are, to themselves; IDs do not matter."""
    torch.manual_seed(0)
    views = RelationViews(FEATURES, 4, 3, view_dim=5, hidden_dim=6).double()
    structure, relations = draw(20, 4), draw(2, 3)
    entities, row = torch.arange(20), torch.arange(20) % 2
    cosines = views.compare(entities, entities, (structure, structure), relations, row)
    assert list(views) == ["visual", "textual", "structural"]
    for x, name in zip(cosines, ("visual", "textual"), strict=False):
        present = FEATURES[name].presence
        assert (~present).any()
        torch.testing.assert_close(x.diagonal(), present.double())
        assert not x[~present].any()
        assert not x[:, ~present].any()
        assert (x[present][:, present] != 0).all()
    order = torch.randperm(20)
    for view in list(views.values())[:2]:
        view.table, view.presence = view.table[order], view.presence[order]
    again = views.compare(entities, entities, (structure[order], structure[order]), relations, row[order])
    torch.testing.assert_close(again, cosines[:, order][:, :, order])


def test_features_are_no_part_of_the_state():
    views = RelationViews(FEATURES, 4, 3)
    assert not any("table" in name for name in views.state_dict())
    assert views["visual"].table.data_ptr() == FEATURES["visual"].matrix.data_ptr()


def test_contrast():
    torch.manual_seed(0)
    x, known = draw(3, 4, 5), torch.rand(4, 5) < 0.3
    expected = torch.stack([-(y[known].exp().sum() / y[~known].exp().sum()).log() for y in x]).mean()
    torch.testing.assert_close(contrast(x, known), expected)
    assert torch.autograd.gradcheck(lambda y: contrast(y, known), [x])
    for nothing in (torch.zeros_like(known), torch.ones_like(known)):
        loss = contrast(x, nothing)
        assert loss == 0
        assert not torch.autograd.grad(loss, x)[0].any()
