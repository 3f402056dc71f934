"""Fusions against formulas written out in NumPy, and what is decided for all of them."""

import numpy
import pytest
import torch
from pykeen.nn import Embedding

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.nn import FusedRepresentation, ProjectedFeatureRepresentation, fusion_resolver
from pykeen_adamf.nn.fusion import FUSIONS
from pykeen_adamf.nn.fusion.complementarity import complementarity

from .fusion_formulas import CASES

NUM, DIM = 12, 6
LABELS = [str(i) for i in range(NUM)]
ABSENT = [2, 5, 7]


def make_features() -> ModalityFeatures:
    matrix = torch.randn(NUM, 5, generator=torch.Generator().manual_seed(0))
    matrix[ABSENT] = float("nan")
    return ModalityFeatures.from_matrix(matrix, LABELS)


def make_fused(case: str, missing: str = "mask", **kwargs) -> FusedRepresentation:
    """Make a fusion with parameters at random; cross-modal ones have two parts, others three."""
    name, options, _ = CASES[case]
    torch.manual_seed(0)
    features = make_features()
    modalities = {"visual": features, "textual": features.align(LABELS[::-1]).rename(LABELS)}
    if name == "crossmodal":
        del modalities["textual"]
    fused = FusedRepresentation(
        max_id=NUM,
        bases={"structural": "embedding", **dict.fromkeys(modalities, "ProjectedFeature")},
        bases_kwargs={
            "structural": dict(shape=DIM),
            **{key: dict(shape=DIM, features=x, missing=missing) for key, x in modalities.items()},
        },
        fusion=name,
        fusion_kwargs=options,
        **kwargs,
    ).double()
    for parameter in fused.fusion.parameters():
        torch.nn.init.uniform_(parameter, -2, 2)
    return fused


def evaluate(case: str, fused: FusedRepresentation, embeddings, mask) -> numpy.ndarray:
    """Evaluate the formula for embeddings by modality."""
    parameters = {key: x.detach().numpy() for key, x in fused.fusion.named_parameters()}
    stacked = numpy.stack([embeddings[key].detach().numpy() for key in fused.modalities], axis=1)
    return CASES[case][2](parameters, stacked, mask)


def test_every_fusion_is_tested():
    names = {name for name, _, _ in CASES.values()}
    assert {fusion_resolver.lookup(name) for name in names} == set(fusion_resolver.lookup_dict.values())
    assert set(FUSIONS) < set(fusion_resolver.lookup_dict.values())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("missing", ["random", "zero", "mask"])
def test_formula(case, missing):
    """Of all entities and of some, with whatever they miss, and without a modality."""
    fused = make_fused(case, missing)
    mask = numpy.ones((NUM, len(fused.modalities)), dtype=bool)
    if missing == "mask":
        for column, name in enumerate(fused.modalities[1:], start=1):
            mask[:, column] = fused.bases[name].presence.numpy()
    indices = torch.tensor([[7, 7, 1], [0, 7, 3]])
    embeddings = fused.embed()
    for left_out in (None, "structural", "visual"):
        kept = mask.copy()
        if left_out is not None:
            kept[:, fused.modalities.index(left_out)] = False
            # who has nothing else keeps what there is
            kept = numpy.where(kept.any(axis=1, keepdims=True), kept, mask)
            with fused.without(left_out):
                actual, some = fused(), fused(indices)
        else:
            actual, some = fused(), fused(indices)
        expected = torch.from_numpy(evaluate(case, fused, embeddings, kept))
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(some, expected[indices], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_given_embeddings(case):
    """What is given, e.g., a synthetic embedding, takes part, whatever is missing or left out otherwise."""
    fused = make_fused(case)
    indices, num_groups = torch.tensor([4, 2, 4]), 2
    given = torch.randn(3, num_groups, DIM, dtype=torch.float64)
    embeddings = {key: x.unsqueeze(dim=1).expand(-1, num_groups, -1) for key, x in fused.embed(indices).items()}
    embeddings["visual"] = given
    with fused.without("visual"):
        mask = fused.participation(indices, given=["visual"])
    assert mask[:, 1].all()
    actual = fused.fuse(embeddings, mask.unsqueeze(dim=1).expand(-1, num_groups, -1))
    for group in range(num_groups):
        expected = evaluate(case, fused, {key: x[:, group] for key, x in embeddings.items()}, mask.numpy())
        torch.testing.assert_close(actual[:, group], torch.from_numpy(expected), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(case, masked):
    fused = make_fused(case)
    embeddings = [x.detach()[:4].requires_grad_() for x in fused.embed().values()]
    mask = fused.participation(torch.arange(4)) if masked else None
    names = list(dict(fused.fusion.named_parameters()))

    def call(*tensors):
        count = len(names)
        parameters = dict(zip(names, tensors[:count], strict=True))
        return torch.func.functional_call(fused.fusion, parameters, (tensors[count:], mask))

    if case in ("adaptive", "per modality"):
        # with a backward pass of its own, which cannot be called for parameters that are no leaves
        torch.autograd.gradcheck(lambda *x: fused.fusion(x, mask), embeddings)
        return
    torch.autograd.gradcheck(call, [*(x.detach().requires_grad_() for x in fused.fusion.parameters()), *embeddings])


@pytest.mark.parametrize("case", ["adaptive", "per modality", "mean"])
def test_weights(case):
    """The weights that can be read are those that are used."""
    fused = make_fused(case)
    weights = fused.modality_weights()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(NUM, dtype=torch.float64))
    assert (weights[ABSENT, 1] == 0).all()
    expected = sum(weights[:, [i]] * x for i, x in enumerate(fused.embed().values()))
    torch.testing.assert_close(fused(), expected)
    indices = torch.tensor([[7, 7, 1], [0, 7, 3]])
    torch.testing.assert_close(fused.modality_weights(indices), weights[indices])


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("complementarity")])
def test_weights_of_modalities(case):
    """They are those of what views have been united to."""
    fused = make_fused(case)
    weights = fused.modality_weights()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(NUM, dtype=torch.float64))
    assert (weights[ABSENT, 1] == 0).all()
    embeddings, mask = list(fused.embed().values()), fused.participation(None)
    united = fused.fusion._unite_views(embeddings)
    expected = (weights.unsqueeze(dim=-1) * united).sum(dim=1)
    if fused.fusion.as_sum:
        expected *= mask.sum(dim=1, keepdim=True)
    torch.testing.assert_close(fused(), expected)
    if fused.fusion.inter_modal:
        assert weights.std(dim=0).max() > 0.01


@pytest.mark.parametrize("measure", ["cosine", "information"])
def test_what_is_the_same_adds_nothing(measure):
    """And something new among what is the same adds most; vectors that are not there change nothing."""
    x = torch.tensor([[1.0, 2.0, 0.0, 0.0], [1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 1.0], [9.0, 9.0, 9.0, 9.0]])
    there = torch.tensor([True, True, True, False])
    values = complementarity(x, there, measure)
    torch.testing.assert_close(values[:3], complementarity(x[:3], None, measure))
    assert values[2] > values[0]
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(complementarity(x[:2], None, measure), torch.zeros(2), atol=1e-6, rtol=0)
    alone = complementarity(x, torch.tensor([True, False, False, False]), measure)
    assert alone.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("measure", ["cosine", "information"])
def test_extreme_vectors(measure, dtype):
    """What differs most adds most, and zeros have finite gradients, in any precision."""
    x = torch.tensor([[20.0, 0.0], [0.0, 0.0], [0.0, 20.0]], dtype=dtype, requires_grad=True)
    values = complementarity(x, None, measure)
    assert (values >= 0).all()
    assert values.detach()[0] > 0.1
    (gradient,) = torch.autograd.grad(values.sum(), x)
    assert gradient.abs().max() < 1e5
    # and what differs little adds little, but not nothing
    x = torch.randn(5, 1, 200, dtype=torch.double) + 0.2 * torch.randn(5, 3, 200, dtype=torch.double)
    expected = complementarity(x.to(dtype).double(), None, measure)
    torch.testing.assert_close(complementarity(x.to(dtype), None, measure).double(), expected, rtol=0.02, atol=1e-6)


@pytest.mark.parametrize("case", ["sum", "gated", "concatenation", "cross-modal"])
def test_no_weights(case):
    assert make_fused(case).modality_weights() is None


def test_scales_by_name():
    fused = make_fused("sum")
    assert not torch.equal(fused.fusion.scales, torch.full((3,), 0.7, dtype=torch.float64))
    fused.fusion.reset_parameters()
    torch.testing.assert_close(fused.fusion.scales.detach(), torch.full((3,), 0.7, dtype=torch.float64))
    scales = fusion_resolver.make("sum", dims=fused.fusion.dims, initial_scale={"visual": 0.1}, trainable=False).scales
    assert scales.tolist() == pytest.approx([1.0, 0.1, 1.0])
    assert not scales.requires_grad


def test_shapes():
    """The same numbers, seen as vectors, complex numbers, or quaternions."""
    plain = make_fused("sum")()
    assert torch.equal(torch.view_as_real(make_fused("sum", is_complex=True)()).flatten(start_dim=1), plain)
    assert torch.equal(make_fused("sum", shape=(3, 2))().flatten(start_dim=1), plain)


def test_unequal_dimensions():
    bases = {"a": Embedding(NUM, shape=4), "b": Embedding(NUM, shape=6)}
    for name in ("adaptive", "mean", "sum", "gated", "complementarity"):
        with pytest.raises(ValueError, match=r"same dimension.*'a': 4, 'b': 6.*fusion='concatenation'"):
            FusedRepresentation(NUM, bases=bases, fusion=name)
    fused = FusedRepresentation(NUM, bases=bases, fusion="concatenation", fusion_kwargs=dict(dim=7))
    assert fused().shape == (NUM, 7)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(bases={}), "at least one modality"),
        (dict(fusion_kwargs=dict(attention="none")), "attention must be one of"),
        (dict(fusion_kwargs=dict(atention="shared")), r"no option 'atention', .* Did you mean 'attention'"),
        (dict(fusion="gate"), r"no fusion 'gate', but there are adaptive, .*Did you mean 'gated'"),
        (dict(bases={"a": Embedding(NUM, shape=(2, 2))}), "one-dimensional"),
        (dict(bases={"a": Embedding(NUM, shape=5)}, is_complex=True), "must be even"),
        (dict(shape=(3, 2)), "do not fit to the shape"),
        (dict(fusion="sum", fusion_kwargs=dict(initial_scale={"b": 2.0})), r"scales of \['b'\]"),
        (dict(fusion="complementarity", fusion_kwargs=dict(num_views=1)), "num_views is 1. Use at least 2, or None"),
        (dict(fusion="complementarity", fusion_kwargs=dict(measure="cos")), "measure must be one of .* but is 'cos'"),
        (dict(fusion="complementarity", fusion_kwargs=dict(temperature=0)), "temperature must be positive, but is 0"),
        (dict(fusion="crossmodal"), "must add up to that of the structural one"),
    ],
)
def test_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        FusedRepresentation(**{**dict(max_id=NUM, bases={"a": Embedding(NUM, shape=4)}), **kwargs})


def test_nothing_to_fuse():
    with pytest.raises(ValueError, match="none of the modalities"):
        FusedRepresentation(
            NUM,
            bases={"visual": ProjectedFeatureRepresentation},
            bases_kwargs={"visual": dict(shape=DIM, features=make_features(), missing="mask")},
        )


def test_earlier_state():
    """Attention vectors were parameters of the representation before there were other fusions."""
    fused = make_fused("adaptive")
    state = fused.state_dict()
    state["attention"] = state.pop("fusion.attention") + 1
    expected = state["attention"].clone()
    fused.load_state_dict(state)
    assert torch.equal(fused.fusion.attention, expected)
