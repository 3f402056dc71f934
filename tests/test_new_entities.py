"""Predictions for entities without triples: an independent formula, and the models that know nothing but features."""

import numpy
import pytest
import torch
from pykeen.losses import NSSALoss

from pykeen_adamf.bundle import load, save
from pykeen_adamf.features import ModalityFeatures, write_features
from pykeen_adamf.models import AdaMFRotatE, LpRotatE
from pykeen_adamf.new_entities import predict_new_entities, represent_new_entities, score_new_entities

from .bundle.cases import make_half_factory
from .cases import DIMS, make_factory

OPTIONS = [
    dict(),
    dict(attention="per-modality"),
    dict(fusion="mean"),
    dict(missing="mask"),
    dict(use_structural=False),
    dict(modalities=["textual"]),
    dict(p=2.0),
    dict(p=float("inf")),
    dict(predict_with_sigmoid=True),
    dict(regularizer="lp"),
    dict(trainable_features=False, missing="zero"),
]


def make_model(factory=None, dtype=torch.float64, **kwargs) -> AdaMFRotatE:
    factory = make_factory(missing=0) if factory is None else factory
    model = AdaMFRotatE(
        triples_factory=factory, **{"embedding_dim": 5, "random_seed": 0, "loss": NSSALoss(margin=3.0), **kwargs}
    )
    # attention is almost uniform at first
    with torch.no_grad():
        if hasattr(model.fused.fusion, "attention"):
            model.fused.fusion.attention.mul_(5)
    return model.to(dtype).eval()


def make_features(model: AdaMFRotatE, num: int = 3) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(7)
    names = [name for name in model.modalities if name != "structural"]
    return {name: torch.randn(num, DIMS[name], generator=rng, dtype=torch.float64) for name in names}


def embed(model: AdaMFRotatE, name: str, row: dict[str, torch.Tensor], absent: str) -> numpy.ndarray | None:
    """Embed one modality of one entity, in NumPy."""
    base = model.fused.bases[name]
    if name == "structural":
        weight = base._embeddings.weight.detach().numpy()
        return None if absent == "left-out" else sum(weight) / len(weight)
    if name in row:
        features = row[name].numpy()
    elif absent == "left-out" or base.missing == "mask":
        return None
    elif base.missing == "zero":
        features = numpy.zeros(DIMS[name])
    else:
        present = base.table.detach().numpy()[base.presence.numpy()]
        features = sum(present) / len(present)
    return base.projection.weight.detach().numpy() @ features + base.projection.bias.detach().numpy()


def formula(
    model: AdaMFRotatE, row: dict[str, torch.Tensor], relation: int, entity: int, target: str, absent: str = "average"
) -> float:
    """Score one triple with loops, in NumPy."""
    embeddings, logits = [], []
    for column, name in enumerate(model.modalities):
        e = embed(model, name, row, absent)
        if e is None:
            continue
        embeddings.append(e)
        if not hasattr(model.fused.fusion, "attention"):
            logits.append(0.0)
        else:
            attention = model.fused.fusion.attention.detach().numpy()
            logits.append(attention[column if len(attention) > 1 else 0] @ numpy.tanh(e))
    weights = numpy.exp(logits) / numpy.exp(logits).sum()
    e = sum(weight * x for weight, x in zip(weights, embeddings, strict=True))
    new = e[0::2] + 1j * e[1::2]
    phases = model.relation_representations[0]
    if model.use_inverse_triples:
        relation = 2 * relation + (target == "head")
    rotation = numpy.exp(1j * phases.raw[relation].detach().numpy() / phases.phase_scale)
    other = model.fused(torch.tensor([entity])).detach().numpy()[0]
    new_is_head = target == "tail" or model.use_inverse_triples
    difference = new * rotation - other if new_is_head else other * rotation - new
    score = -numpy.linalg.norm(numpy.abs(difference), ord=model.interaction.p)
    return 1 / (1 + numpy.exp(-score)) if model.predict_with_sigmoid else score


@pytest.mark.parametrize("target", ["head", "tail"])
@pytest.mark.parametrize("inverse", [False, True], ids=["", "inverse triples"])
@pytest.mark.parametrize("absent", ["average", "left-out"])
@pytest.mark.parametrize("kwargs", OPTIONS, ids=str)
def test_formula(kwargs, absent, inverse, target):
    factory = make_factory(missing=0, create_inverse_triples=inverse)
    model = make_model(factory, **kwargs)
    features = make_features(model)
    df = predict_new_entities(model, factory, features, "r2", target, absent=absent)
    assert list(df) == ["new_entity", f"{target}_id", f"{target}_label", "score"]
    assert len(df) == 3 * 20
    for row in df.sample(25, random_state=0).itertuples():
        one = {name: x[int(row.new_entity)] for name, x in features.items()}
        entity = getattr(row, f"{target}_id")
        assert getattr(row, f"{target}_label") == f"e{entity}"
        assert row.score == pytest.approx(formula(model, one, 2, entity, target, absent), rel=1e-9)
    for _, part in df.groupby("new_entity"):
        assert part["score"].is_monotonic_decreasing
        assert set(part[f"{target}_id"]) == set(range(20))


@pytest.mark.parametrize("kwargs", OPTIONS, ids=str)
@pytest.mark.parametrize("absent", ["average", "left-out"])
@pytest.mark.parametrize("given", [["visual"], ["textual"]], ids=str)
def test_some_modalities(kwargs, absent, given):
    """Not given, and NaN, is the same; and so it is in the formula."""
    factory = make_factory()
    model = make_model(factory, **kwargs)
    features = make_features(model)
    if not set(given) <= set(features):
        pytest.skip("the model has only the other one")
    some = {name: features[name] for name in given}
    nan = {name: x if name in given else torch.full_like(x, torch.nan) for name, x in features.items()}
    df = predict_new_entities(model, factory, some, "r1", absent=absent)
    assert df.equals(predict_new_entities(model, factory, nan, "r1", absent=absent))
    for row in df.sample(10, random_state=0).itertuples():
        one = {name: x[int(row.new_entity)] for name, x in some.items()}
        assert row.score == pytest.approx(formula(model, one, 1, row.tail_id, "tail", absent), rel=1e-9)


def test_a_modality_that_nobody_has():
    """What known entities have instead is random, and so it is for new ones."""
    base = make_factory()
    nobody = ModalityFeatures.missing(base.entity_to_id, dim=DIMS["visual"])
    factory = base.from_triples_factory(base, {"visual": nobody, "textual": base.features["textual"]})
    model = make_model(factory)
    textual = {"textual": make_features(model)["textual"]}
    assert predict_new_entities(model, factory, textual, "r0")["score"].notna().all()


@pytest.mark.parametrize("inverse", [False, True], ids=["", "inverse triples"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_model_that_knows_only_features(inverse, dtype):
    """For it, a new entity with the features of a known one is this entity."""
    factory = make_factory(missing=0, create_inverse_triples=inverse)
    model = make_model(factory, dtype, use_structural=False)
    features = {name: x.matrix for name, x in factory.features.items()}
    representations = represent_new_entities(model, features)
    torch.testing.assert_close(representations, represent_new_entities(model, features, absent="left-out"))
    everybody, relation = torch.arange(20), torch.full((20,), 3)
    with torch.inference_mode():
        expected = {
            "tail": model.predict_t(torch.stack([everybody, relation], dim=-1)),
            "head": model.predict_h(torch.stack([relation, everybody], dim=-1)),
        }
    for target, scores in expected.items():
        torch.testing.assert_close(score_new_entities(model, representations, 3, target), scores)


@pytest.mark.parametrize("attention", ["shared", "per-modality"])
def test_model_without_its_structural_modality(attention):
    """The structural embedding of a known entity is left out in another way."""
    factory = make_factory(missing=0)
    model = make_model(factory, attention=attention)
    features = {name: x.matrix for name, x in factory.features.items()}
    with model.without_modality("structural"), torch.no_grad():
        expected = model.fused(None)
    actual = represent_new_entities(model, features, absent="left-out")
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kwargs", OPTIONS, ids=str)
def test_entity_with_the_average_structural_embedding(kwargs):
    """A known entity that has it is represented in the same way as a new one with its features, however few."""
    factory = make_factory(missing=0.0 if kwargs.get("missing", "random") == "random" else 0.3)
    model = make_model(factory, **kwargs)
    if "structural" in model.modalities:
        with torch.no_grad():
            weight = model.fused.bases["structural"]._embeddings.weight
            weight[5] = weight[torch.arange(20) != 5].mean(dim=0)
    names = [name for name in model.modalities if name != "structural" and factory.features[name].presence[5]]
    features = {name: factory.features[name].matrix[[5]] for name in names}
    with torch.no_grad():
        expected = model.fused(torch.tensor([5]))
    torch.testing.assert_close(represent_new_entities(model, features), expected, rtol=1e-6, atol=1e-6)


def test_entities_miss_different_modalities():
    factory = make_factory()
    model = make_model(factory)
    features = make_features(model)
    features["visual"][0] = torch.nan
    features["textual"][2] = torch.nan
    df = predict_new_entities(model, factory, features, "r1").set_index("new_entity")
    for i, names in enumerate([["textual"], ["visual", "textual"], ["visual"]]):
        alone = predict_new_entities(model, factory, {name: features[name][i] for name in names}, "r1")
        assert alone["score"].to_numpy() == pytest.approx(df.loc[str(i), "score"].to_numpy(), rel=1e-9)


def test_labels(tmp_path):
    """Files and features have labels; vectors and matrices get them."""
    factory = make_factory()
    model = make_model(factory)
    matrices = make_features(model)
    visual = ModalityFeatures.from_matrix(matrices["visual"], ["a", "b", "c"])
    textual = ModalityFeatures.from_matrix(matrices["textual"][[2, 0]], ["c", "a"])
    path = write_features(tmp_path / "textual.safetensors", textual)
    expected = predict_new_entities(model, factory, {"visual": visual, "textual": textual}, "r0")
    assert list(expected["new_entity"].unique()) == ["a", "b", "c"]
    assert expected.equals(predict_new_entities(model, factory, {"visual": visual, "textual": path}, "r0"))
    nan = torch.where(torch.tensor([[False], [True], [False]]), torch.nan, matrices["textual"])
    given = {"visual": matrices["visual"].numpy(), "textual": nan}
    assert expected.equals(predict_new_entities(model, factory, given, "r0", labels=["a", "b", "c"]))
    some = predict_new_entities(model, factory, {"visual": visual, "textual": path}, "r0", labels=["c"])
    assert list(some["new_entity"].unique()) == ["c"]
    vector = predict_new_entities(model, factory, {"visual": matrices["visual"][1]}, "r0", labels=["b"])
    assert vector["score"].tolist() == pytest.approx(expected.loc[expected["new_entity"] == "b", "score"].tolist())


@pytest.mark.parametrize("k", [1, 4, 20, 100])
def test_only_the_best(k):
    factory = make_factory()
    model = make_model(factory)
    features = make_features(model)
    everything = predict_new_entities(model, factory, features, 2)
    best = predict_new_entities(model, factory, features, "r2", k=k)
    assert best["tail_id"].tolist() == everything.groupby("new_entity").head(k)["tail_id"].tolist()


def test_loaded_models(tmp_path):
    factory = make_factory()
    model = make_model(factory, torch.float32)
    bundle = load(save(model, factory, tmp_path), device="cpu")
    features = {name: x.float() for name, x in make_features(model).items()}
    expected = predict_new_entities(model, factory, features, "r0")
    assert predict_new_entities(bundle.model, bundle.training, features, "r0").equals(expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("trainable_features", [False, True])
@pytest.mark.parametrize("absent", ["average", "left-out"])
def test_half_precision(dtype, trainable_features, absent):
    """As for known entities, features may be of another type than the model; and these, too."""
    factory = make_half_factory(dtype)
    model = make_model(factory, torch.float32, trainable_features=trainable_features)
    if not trainable_features:
        for name, features in factory.features.items():
            model.fused.bases[name].table.data = features.matrix
    half = {name: x.to(dtype) for name, x in make_features(model).items()}
    for some in (half, {"visual": half["visual"]}):
        single = {name: x.float() for name, x in some.items()}
        expected = predict_new_entities(model, factory, single, "r0", absent=absent)
        assert predict_new_entities(model, factory, some, "r0", absent=absent).equals(expected)


def test_nothing_is_changed():
    factory = make_factory()
    model = make_model(factory)
    state = {name: x.clone() for name, x in model.state_dict().items()}
    assert not represent_new_entities(model, make_features(model)).requires_grad
    predict_new_entities(model, factory, make_features(model), "r0")
    assert all(torch.equal(x, state[name]) for name, x in model.state_dict().items())


VISUAL = torch.rand(2, DIMS["visual"])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(features={}), r"must be of some of \['visual', 'textual'\], but are of \[\]"),
        (dict(features={"audio": VISUAL}), r"but are of \['audio'\]"),
        (dict(features={"structural": VISUAL}), r"but are of \['structural'\]"),
        (dict(features={"textual": VISUAL}), r"textual features .* shape \(2, 12\), .* with 10 numbers"),
        (dict(features={"visual": VISUAL, "textual": torch.rand(3, 10)}), "the visual matrix has 2 rows"),
        (dict(features={"visual": torch.full((2, 12), torch.nan)}), "new entity '0' has no features of any modality"),
        (
            dict(features={"visual": torch.stack([VISUAL[0], VISUAL[0] * torch.nan])}, labels=["a", "b"]),
            "new entity 'b' has no features",
        ),
        (dict(features={"visual": torch.tensor([[torch.inf] * 12])}), "NaN or infinite values for '0'"),
        (dict(features={"visual": VISUAL.to(torch.cfloat)}), "no real numbers"),
        (dict(features={"visual": VISUAL}, labels=["a"]), "2 rows, but there are 1 entities"),
        (
            dict(features={"visual": VISUAL, "textual": ModalityFeatures.from_matrix(torch.rand(1, 10), ["x"])}),
            r"Pass labels=... to tell whose features the rows of \['visual'\] are",
        ),
        (dict(features={"visual": "nothing.npy"}), "does not exist"),
        (dict(relation="r9"), "no relation 'r9' in the triples"),
        (dict(relation="r 0"), "no relation 'r 0' .* Did you mean 'r0'"),
        (dict(absent="random"), "absent must be 'average' or 'left-out', but is 'random'"),
        (dict(k=0), "k must be positive, but is 0"),
        (dict(relation=4), "no relation with the ID 4: IDs are at least 0 and less than 4"),
        (dict(relation=-1), "no relation with the ID -1"),
        (dict(target="relation"), "target must be 'head' or 'tail', but is 'relation'"),
        (
            dict(triples_factory=make_factory(num_entities=21)),
            "has 20 entities and 4 relations, but the triples factory 21 entities",
        ),
        (
            dict(model=LpRotatE(triples_factory=make_factory(), embedding_dim=4, random_seed=0)),
            "LpRotatE cannot predict anything for entities that it was not trained with",
        ),
    ],
)
def test_bad_input(kwargs, message):
    factory = make_factory()
    arguments = dict(
        model=make_model(factory), triples_factory=factory, features={"visual": VISUAL}, relation="r0", target="tail"
    )
    with pytest.raises(ValueError, match=message):
        predict_new_entities(**{**arguments, **kwargs})
