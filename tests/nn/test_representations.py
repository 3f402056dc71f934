"""Representations of features and their fusion."""

import pytest
import torch
from pykeen.nn import representation_resolver

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.nn import PhaseRepresentation, ProjectedFeatureRepresentation

NUM, DIM = 12, 6
LABELS = [str(i) for i in range(NUM)]


@pytest.fixture
def features() -> ModalityFeatures:
    """Features of which the entities 2, 5 and 7 have none."""
    matrix = torch.randn(NUM, 5, generator=torch.Generator().manual_seed(0))
    matrix[[2, 5, 7]] = float("nan")
    return ModalityFeatures.from_matrix(matrix, LABELS)


@pytest.mark.parametrize("name", ["fused", "projectedfeature", "phase", "structuralembedding"])
def test_resolvable(name: str):
    assert representation_resolver.lookup(name).__module__.startswith("pykeen_adamf.")


class TestProjectedFeatures:
    @pytest.mark.parametrize("trainable", [True, False])
    @pytest.mark.parametrize("missing", ["random", "zero", "mask"])
    def test_projection(self, features, missing, trainable):
        representation = ProjectedFeatureRepresentation(
            NUM, shape=DIM, features=features, missing=missing, trainable=trainable
        )
        weight, bias = representation.projection.weight, representation.projection.bias
        indices = torch.tensor([[3, 2], [0, 3]])
        expected = features.matrix[indices] @ weight.t() + bias
        actual = representation(indices)
        assert actual.shape == (2, 2, DIM)
        torch.testing.assert_close(actual[features.presence[indices]], expected[features.presence[indices]])
        torch.testing.assert_close(representation()[indices], actual)
        if missing != "random":
            torch.testing.assert_close(actual[0, 1], bias)

    def test_frozen(self, features):
        representation = ProjectedFeatureRepresentation(NUM, shape=DIM, features=features, trainable=False)
        representation().sum().backward()
        assert representation.table.grad is None
        assert representation.projection.weight.grad is not None

    def test_half_precision_is_kept_only_if_frozen(self, features):
        half = ModalityFeatures.from_matrix(features.matrix.half(), LABELS, presence=features.presence)
        for trainable, dtype in ((False, torch.float16), (True, torch.float32)):
            representation = ProjectedFeatureRepresentation(NUM, shape=DIM, features=half, trainable=trainable)
            assert representation.table.dtype == dtype
            assert representation().dtype == torch.float32

    @pytest.mark.parametrize("missing", ["zero", "mask"])
    def test_zeros_stay_zero(self, features, missing):
        """Training does not turn missing features into something else."""
        representation = ProjectedFeatureRepresentation(NUM, shape=DIM, features=features, missing=missing)
        optimizer = torch.optim.Adam(representation.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            representation().square().sum().backward()
            optimizer.step()
        assert (representation.table[~features.presence] == 0).all()
        assert not torch.equal(representation.table[features.presence], features.matrix[features.presence])

    def test_random_rows_look_like_the_others(self):
        matrix = torch.randn(4000, 3) * torch.tensor([1.0, 5.0, 0.1]) + torch.tensor([0.0, -7.0, 2.0])
        matrix[::2] = float("nan")
        features = ModalityFeatures.from_matrix(matrix, [str(i) for i in range(4000)])
        table = ProjectedFeatureRepresentation(4000, shape=2, features=features).table
        torch.testing.assert_close(table[::2].std(dim=0), table[1::2].std(dim=0), rtol=0.1, atol=0)
        assert (table[::2].mean(dim=0) - table[1::2].mean(dim=0)).abs().max() < 0.5

    def test_all_missing(self):
        """A modality that nobody has is random, with rows of expected norm one."""
        features = ModalityFeatures.missing(LABELS, dim=2000)
        table = ProjectedFeatureRepresentation(NUM, shape=2, features=features).table
        torch.testing.assert_close(table.norm(dim=-1).mean(), torch.tensor(1.0), rtol=0.05, atol=0)

    def test_a_single_present_row(self):
        """One row has no spread: the others must not all become copies of it."""
        matrix = torch.full((NUM, 5), float("nan"))
        matrix[3] = 1.0
        table = ProjectedFeatureRepresentation(
            NUM, shape=2, features=ModalityFeatures.from_matrix(matrix, LABELS)
        ).table
        assert len(table.unique(dim=0)) == NUM

    def test_reset(self, features):
        """A reset restores the features, and draws the missing ones anew."""
        representation = ProjectedFeatureRepresentation(NUM, shape=DIM, features=features)
        first = representation.table.detach().clone()
        with torch.no_grad():
            representation.table.add_(1)
        representation.reset_parameters()
        assert torch.equal(representation.table[features.presence], features.matrix[features.presence])
        assert not torch.equal(representation.table[~features.presence], first[~features.presence])
        assert (features.matrix[~features.presence] == 0).all()

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            (dict(missing="guess"), "missing must be one of"),
            (dict(max_id=NUM + 1), "13 are needed"),
            (dict(shape=(2, 3)), "one dimension"),
        ],
    )
    def test_bad_input(self, features, kwargs, message):
        with pytest.raises(ValueError, match=message):
            ProjectedFeatureRepresentation(**{**dict(max_id=NUM, shape=DIM, features=features), **kwargs})


class TestPreparation:
    """Features that are centered, scaled, dropped, and projected by more than one layer."""

    @pytest.mark.parametrize("trainable", [True, False])
    @pytest.mark.parametrize("missing", ["random", "zero", "mask"])
    @pytest.mark.parametrize("hidden_dims", [(), (7, 4)])
    @pytest.mark.parametrize(("center", "scale"), [(True, False), (False, True), (True, True)])
    def test_formula(self, features, missing, trainable, hidden_dims, center, scale):
        torch.manual_seed(0)
        options = dict(center=center, scale=scale, hidden_dims=hidden_dims, missing=missing, trainable=trainable)
        representation = ProjectedFeatureRepresentation(NUM, shape=DIM, features=features, **options).double()
        present = features.matrix[features.presence].double()
        x = representation.table.detach().double().clone()
        if center:
            x -= present.mean(dim=0)
        if scale:
            x /= (present - present.mean(dim=0)).square().mean().sqrt()
        if missing != "random":
            x[~features.presence] = 0.0
        layers = [representation.projection, *representation.layers]
        assert [layer.out_features for layer in layers] == [*hidden_dims, DIM]
        for i, layer in enumerate(layers):
            x = (x if i == 0 else x.clamp(min=0)) @ layer.weight.t() + layer.bias
        indices = torch.tensor([[2, 3], [0, 3]])
        kept = features.presence if missing == "mask" else torch.ones(NUM, dtype=torch.bool)
        torch.testing.assert_close(representation()[kept], x[kept], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            representation(indices)[kept[indices]], x[indices][kept[indices]], rtol=1e-5, atol=1e-5
        )
        # what new entities are projected by
        torch.testing.assert_close(representation.project(features.matrix[[3]].double()), x[[3]], rtol=1e-5, atol=1e-5)

    def test_dropout(self, features):
        """In training, features are dropped, and the expectation stays; not in evaluation."""
        torch.manual_seed(0)
        options = dict(center=True, scale=True, missing="zero")
        plain = ProjectedFeatureRepresentation(NUM, shape=DIM, features=features, **options)
        dropped = ProjectedFeatureRepresentation(NUM, shape=DIM, features=features, feature_dropout=0.4, **options)
        dropped.load_state_dict(plain.state_dict())
        torch.testing.assert_close(dropped.eval()(), plain.eval()())
        dropped.train()
        samples = torch.stack([dropped() for _ in range(2000)])
        assert (samples.std(dim=0)[features.presence] > 0.01).all()
        torch.testing.assert_close(samples.mean(dim=0), plain(), rtol=0.0, atol=0.1)
        dropped().sum().backward()
        assert dropped.table.grad[features.presence].any()
        assert not dropped.table.grad[~features.presence].any()

    def test_nothing_present(self):
        empty = ModalityFeatures.from_matrix(torch.full((NUM, 5), float("nan")), LABELS)
        representation = ProjectedFeatureRepresentation(
            NUM, shape=DIM, features=empty, missing="zero", center=True, scale=True
        )
        assert torch.isfinite(representation()).all()


class TestPhase:
    def test_modulus_and_angle(self):
        representation = PhaseRepresentation(5, shape=7, phase_scale=0.3)
        x = representation()
        torch.testing.assert_close(x.abs(), torch.ones(5, 7))
        torch.testing.assert_close(x.angle(), representation.raw / 0.3, rtol=1e-4, atol=1e-4)
        assert torch.equal(representation(torch.tensor([[3, 3]])), x[torch.tensor([[3, 3]])])

    @pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
    def test_bad_scale(self, scale):
        with pytest.raises(ValueError, match="phase_scale"):
            PhaseRepresentation(5, shape=7, phase_scale=scale)
