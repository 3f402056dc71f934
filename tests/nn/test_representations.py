"""Representations of features and their fusion."""

import pytest
import torch
from pykeen.nn import Embedding, representation_resolver

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.nn import AdaptiveFusionRepresentation, PhaseRepresentation, ProjectedFeatureRepresentation

NUM, DIM = 12, 6
LABELS = [str(i) for i in range(NUM)]


@pytest.fixture
def features() -> ModalityFeatures:
    """Features of which the entities 2, 5 and 7 have none."""
    matrix = torch.randn(NUM, 5, generator=torch.Generator().manual_seed(0))
    matrix[[2, 5, 7]] = float("nan")
    return ModalityFeatures.from_matrix(matrix, LABELS)


def make_fusion(features: ModalityFeatures, **kwargs) -> AdaptiveFusionRepresentation:
    missing = kwargs.pop("missing", "random")
    return AdaptiveFusionRepresentation(
        max_id=NUM,
        bases={"structural": "embedding", "visual": "ProjectedFeature", "textual": ProjectedFeatureRepresentation},
        bases_kwargs={
            "structural": dict(shape=DIM),
            "visual": dict(shape=DIM, features=features, missing=missing),
            "textual": dict(shape=DIM, features=features.align(LABELS[::-1]).rename(LABELS), missing=missing),
        },
        mask_missing=missing == "mask",
        **kwargs,
    )


@pytest.mark.parametrize("name", ["adaptivefusion", "projectedfeature", "phase"])
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


class TestFusion:
    @pytest.mark.parametrize("attention", ["shared", "per-modality"])
    @pytest.mark.parametrize("fusion", ["adaptive", "mean"])
    @pytest.mark.parametrize("missing", ["random", "zero", "mask"])
    @pytest.mark.parametrize("is_complex", [True, False])
    def test_consistency(self, features, attention, fusion, missing, is_complex):
        """The fused representation is the weighted sum of the modalities', with the weights that can be read."""
        fused = make_fusion(features, attention=attention, fusion=fusion, missing=missing, is_complex=is_complex)
        weights = fused.modality_weights()
        assert weights.shape == (NUM, 3)
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(NUM))
        expected = sum(weights[:, m, None] * base() for m, base in enumerate(fused.bases.values()))
        actual = fused()
        assert actual.shape == (NUM, *fused.shape)
        torch.testing.assert_close((torch.view_as_real(actual) if is_complex else actual).reshape(NUM, DIM), expected)
        indices = torch.tensor([[7, 7, 1], [0, 7, 3]])
        torch.testing.assert_close(fused(indices), actual[indices])
        torch.testing.assert_close(fused.modality_weights(indices), weights[indices])
        if missing == "mask":
            assert (weights[[2, 5, 7], 1] == 0).all()
        if fusion == "mean":
            assert weights.unique().numel() <= 3

    def test_per_modality_attention_differs(self, features):
        shared, own = (make_fusion(features, attention=x).attention.shape for x in ("shared", "per-modality"))
        assert shared == (1, DIM)
        assert own == (3, DIM)

    def test_synthetic_equals_real_where_it_is_the_same(self, features):
        fused = make_fusion(features, is_complex=True)
        indices = torch.tensor([4, 2, 4])
        synthetic = {name: fused.bases[name](indices).unsqueeze(dim=1) for name in ("visual", "textual")}
        torch.testing.assert_close(fused.fuse_synthetic(indices, synthetic).squeeze(dim=1), fused(indices))
        torch.testing.assert_close(
            fused.fuse_synthetic(indices, {"visual": synthetic["visual"]}).squeeze(dim=1), fused(indices)
        )

    def test_synthetic_modalities_are_not_masked(self, features):
        """A synthetic embedding replaces a missing one; other missing ones stay out."""
        fused = make_fusion(features, missing="mask")
        indices = torch.tensor([2])
        x = torch.randn(1, 4, DIM)
        structural = fused.bases["structural"](indices).unsqueeze(dim=1).expand(-1, 4, -1)
        stacked = torch.stack([structural, x, torch.zeros_like(x)], dim=-2)
        presence = torch.tensor([True, True, bool(fused.bases["textual"].presence[2])])
        if presence[2]:
            stacked[..., 2, :] = fused.bases["textual"](indices)
        weights = fused.weigh(stacked, presence.expand(1, 4, 3))
        expected = (weights.unsqueeze(dim=-1) * stacked).sum(dim=-2)
        torch.testing.assert_close(fused.fuse_synthetic(indices, {"visual": x}), expected)

    def test_subset_without_structure_cannot_mask(self, features):
        with pytest.raises(ValueError, match="none of the modalities"):
            AdaptiveFusionRepresentation(
                max_id=NUM,
                bases={"visual": ProjectedFeatureRepresentation},
                bases_kwargs={"visual": dict(shape=DIM, features=features)},
                mask_missing=True,
            )

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            (dict(bases={}), "at least one modality"),
            (dict(attention="none"), "attention must be one of"),
            (dict(fusion="sum"), "fusion must be one of"),
            (dict(bases={"a": Embedding(NUM, shape=4), "b": Embedding(NUM, shape=6)}), "same one-dimensional shape"),
            (dict(bases={"a": Embedding(NUM, shape=5)}, is_complex=True), "must be even"),
        ],
    )
    def test_bad_input(self, kwargs, message):
        with pytest.raises(ValueError, match=message):
            AdaptiveFusionRepresentation(**{**dict(max_id=NUM, bases={"a": Embedding(NUM, shape=4)}), **kwargs})


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
