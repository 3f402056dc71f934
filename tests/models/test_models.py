"""Contracts of all models: every way to score, every training loop, bad input."""

import pickle

import pytest
import torch
from pykeen.losses import MarginRankingLoss, NSSALoss
from pykeen.models import RotatE
from pykeen.pipeline import pipeline
from pykeen.predict import predict_target
from pykeen.training import LCWATrainingLoop, training_loop_resolver

import pykeen_adamf.models
from pykeen_adamf.models import (
    GCOTE,
    IKRL,
    MMKRL,
    OTE,
    OTKGE,
    RSME,
    TBKGC,
    VBKGC,
    AdaMF,
    AdaMFRotatE,
    Ensemble,
    LpRotatE,
    MoCME,
    MoMoK,
    MoSE,
    MultimodalModel,
    NativE,
    QueryScoringModel,
    Structural,
    SyntheticScoringModel,
    TransAE,
)
from pykeen_adamf.training import MATTrainingLoop

from ..cases import make_factory

#: One small instance of each model, and of each option of AdaMF.
MODELS = {
    "Structural": (Structural, dict(interaction="TransE")),
    "ComplEx-sum": (AdaMF, {}),
    "TuckER-concatenation": (
        AdaMF,
        dict(
            interaction="TuckER",
            interaction_kwargs=dict(
                head_dropout=0.0, relation_dropout=0.0, head_relation_dropout=0.0, apply_batch_normalization=False
            ),
            fusion="concatenation",
            relation_dim=3,
        ),
    ),
    "PairRE-gated": (AdaMF, dict(interaction="PairRE", fusion="gated", missing="zero", center_features=True)),
    "HolE-normalized": (AdaMF, dict(interaction="HolE", batch_norm=True, scale_features=True, hidden_dims=(5,))),
    "LpRotatE": (LpRotatE, {}),
    "LpRotatE-2": (LpRotatE, dict(p=2)),
    "AdaMF": (AdaMFRotatE, {}),
    "AdaMF-per-modality": (AdaMFRotatE, dict(attention="per-modality")),
    "AdaMF-mean": (AdaMFRotatE, dict(fusion="mean")),
    "AdaMF-zero": (AdaMFRotatE, dict(missing="zero")),
    "AdaMF-mask": (AdaMFRotatE, dict(missing="mask")),
    "AdaMF-frozen": (AdaMFRotatE, dict(trainable_features=False)),
    "AdaMF-S+V": (AdaMFRotatE, dict(modalities=["visual"])),
    "AdaMF-V+T": (AdaMFRotatE, dict(use_structural=False)),
    "MoCME": (MoCME, {}),
    "IKRL": (IKRL, {}),
    "IKRL-textual": (IKRL, dict(modalities=["textual"], missing="zero")),
    "TBKGC": (TBKGC, {}),
    "VBKGC": (VBKGC, {}),
    "MoSE": (MoSE, {}),
    "MoMoK": (MoMoK, {}),
    "NativE": (NativE, {}),
    "NativE-mask": (NativE, dict(missing="mask", hidden_dims=[], p=2)),
    "RSME": (RSME, {}),
    "OTKGE": (OTKGE, dict(num_plans=2)),
    "OTE": (OTE, dict(group_size=2)),
    "OTE-unscaled": (OTE, dict(group_size=4, scaled=False)),
    "OTE-both": (OTE, dict(group_size=2, both_directions=True)),
    "GCOTE": (GCOTE, dict(group_size=2)),
    "GCOTE-attention": (GCOTE, dict(group_size=2, attention=True)),
    "TransAE": (TransAE, dict(hidden_dim=5)),
    "MMKRL": (MMKRL, {}),
    "MMKRL-mask": (MMKRL, dict(missing="mask", trainable_features=False)),
    "TBKGC-frozen": (TBKGC, dict(trainable_features=False)),
    "AdaMF-regularized": (AdaMFRotatE, dict(regularizer="lp", regularizer_kwargs=dict(weight=0.1))),
}


def test_every_model_is_tested():
    classes = {getattr(pykeen_adamf.models, name) for name in pykeen_adamf.models.__all__}
    # what is trained; ensembles are made of these
    concrete = {cls for cls in classes if isinstance(cls, type)} - {
        Ensemble,
        QueryScoringModel,
        MultimodalModel,
        SyntheticScoringModel,
    }
    assert concrete == {cls for cls, _ in MODELS.values()}


@pytest.fixture(params=list(MODELS))
def model(request):
    cls, kwargs = MODELS[request.param]
    return cls(triples_factory=make_factory(), embedding_dim=4, random_seed=0, **kwargs)


def test_scores_agree(model):
    """All of PyKEEN's scoring methods give the same scores."""
    n, num_relations = model.num_entities, model.num_relations
    h, r, t = torch.meshgrid(torch.arange(n), torch.arange(num_relations), torch.arange(n), indexing="ij")
    hrt = torch.stack([h, r, t], dim=-1)
    with torch.no_grad():
        expected = model.predict_hrt(hrt.view(-1, 3)).view(n, num_relations, n)
        for slice_size in (None, 7):
            tails = model.predict_t(hrt[:, :, 0, :2].reshape(-1, 2), slice_size=slice_size)
            heads = model.predict_h(hrt[0, :, :, 1:].reshape(-1, 2), slice_size=slice_size)
            torch.testing.assert_close(tails.view(n, num_relations, n), expected)
            torch.testing.assert_close(heads.view(num_relations, n, n).permute(2, 0, 1), expected)
        relations = model.predict_r(hrt[:, 0][..., [0, 2]].reshape(-1, 2))
        torch.testing.assert_close(relations.view(n, n, num_relations).permute(0, 2, 1), expected)
        some = torch.tensor([3, 1])
        torch.testing.assert_close(
            model.predict_t(torch.tensor([[2, 1]]), tails=some), expected[2, 1, some].unsqueeze(0)
        )


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize("training_loop", ["slcwa", "lcwa", "symmetriclcwa", "MAT"])
def test_every_training_loop(model, training_loop):
    """One epoch changes all parameters that require gradients, and no others."""
    cls = training_loop_resolver.lookup(training_loop)
    if cls is MATTrainingLoop and not getattr(model, "synthetic_dims", None):
        pytest.skip("has no modality to generate")
    factory = make_factory()
    loop = cls(model=model, triples_factory=factory, optimizer="adam", optimizer_kwargs=dict(lr=0.01))
    model.reset_parameters_()
    torch.manual_seed(1)
    state = {name: parameter.clone() for name, parameter in model.named_parameters()}
    torch.manual_seed(1)
    # continue_training, to keep the parameters known; PyKEEN wants the optimizer to have been used before
    loop.optimizer.state["anything"] = {}
    loss = loop.train(factory, num_epochs=2, batch_size=16, use_tqdm=False, continue_training=True, sub_batch_size=16)
    assert all(torch.isfinite(torch.tensor(loss)))
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, state[name]) != parameter.requires_grad, name


@pytest.mark.parametrize("create_inverse_triples", [False, True])
@pytest.mark.parametrize("training_loop", ["slcwa", "MAT"])
def test_pipeline(create_inverse_triples, training_loop):
    """The pipeline trains and evaluates, also with inverse triples, and its result predicts labels."""
    factory = make_factory(create_inverse_triples=create_inverse_triples)
    training, testing = factory.split(0.8, random_state=0)
    result = pipeline(
        training=training,
        testing=testing,
        model="AdaMFRotatE",
        model_kwargs=dict(embedding_dim=4),
        training_loop=training_loop,
        epochs=2,
        random_seed=0,
        use_tqdm=False,
    )
    assert 0 < result.get_metric("mrr") <= 1
    prediction = predict_target(model=result.model, head="e1", relation="r0", triples_factory=training).df
    assert set(prediction["tail_label"]) == set(training.entity_to_id)


def test_pipeline_uses_default_loss():
    """PyKEEN's pipeline would otherwise use a margin ranking loss."""
    training, testing = make_factory().split(0.8, random_state=0)
    common = dict(training=training, testing=testing, epochs=1, random_seed=0, use_tqdm=False)
    small = dict(embedding_dim=4)
    for kwargs, margin in (({}, 12.0), (dict(loss_kwargs=dict(margin=5.0)), 5.0), (dict(loss="NSSA"), 9.0)):
        loss = pipeline(model="AdaMFRotatE", model_kwargs=small, **common, **kwargs).model.loss
        assert isinstance(loss, NSSALoss)
        assert loss.margin == margin
    loss = pipeline(model="AdaMFRotatE", model_kwargs=small, loss="marginranking", **common).model.loss
    assert isinstance(loss, MarginRankingLoss)
    # others are left as they are
    assert isinstance(pipeline(model="RotatE", model_kwargs=small, **common).model.loss, MarginRankingLoss)


def test_initialization_follows_the_margin():
    factory = make_factory()
    for margin in (4.0, 12.0):
        model = AdaMFRotatE(triples_factory=factory, embedding_dim=7, loss=NSSALoss(margin=margin), random_seed=0)
        bound = (margin + 2) / 7
        weight = model.fused.bases["structural"]._embeddings.weight
        assert 0.9 * bound < weight.abs().max() <= bound
        assert model.relation_representations[0].phase_scale == pytest.approx(bound / torch.pi)


def test_reset_is_deterministic():
    """The same seed gives the same model."""
    a, b = (AdaMFRotatE(triples_factory=make_factory(), embedding_dim=4, random_seed=3) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_modality_weights_are_readable():
    model = AdaMFRotatE(triples_factory=make_factory(), embedding_dim=4, missing="mask", random_seed=0)
    weights = model.modality_weights()
    assert model.modalities == ("structural", "visual", "textual")
    assert weights.shape == (model.num_entities, 3)
    assert not weights.requires_grad
    absent = ~make_factory().features["visual"].presence
    assert (weights[absent, 1] == 0).all()


def test_pickle():
    model = AdaMFRotatE(triples_factory=make_factory(), embedding_dim=4, random_seed=0)
    hrt = torch.tensor([[0, 1, 2], [3, 0, 1]])
    assert torch.equal(pickle.loads(pickle.dumps(model)).predict_hrt(hrt), model.predict_hrt(hrt))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(modalities=[]), "modalities must be some of"),
        (dict(modalities=["audio"]), "modalities must be some of"),
        (dict(modalities="visual"), "modalities must be some of"),
        (dict(attention="many"), "attention must be one of"),
        (dict(fusion="max"), "There is no fusion 'max'"),
        (dict(missing="ignore"), "missing must be one of"),
        (dict(embedding_dim=0), "embedding_dim must be a positive integer"),
        (dict(embedding_dim="8"), "embedding_dim must be a positive integer"),
        (dict(use_structural=False, missing="mask"), "none of the modalities"),
    ],
)
def test_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        AdaMFRotatE(triples_factory=make_factory(), random_seed=0, **{"embedding_dim": 4, **kwargs})


def test_no_features():
    from pykeen.datasets import Nations

    with pytest.raises(ValueError, match=r"needs features .* MultimodalTriplesFactory.from_triples_factory"):
        AdaMFRotatE(triples_factory=Nations().training, random_seed=0)


def test_two_norm_is_pykeens_rotate():
    """With the same parameters, LpRotatE(p=2) and PyKEEN's RotatE score the same."""
    factory = make_factory()
    ours = LpRotatE(triples_factory=factory, embedding_dim=5, p=2, random_seed=0)
    theirs = RotatE(triples_factory=factory, embedding_dim=5, random_seed=0)
    with torch.no_grad():
        theirs.entity_representations[0]._embeddings.weight.copy_(ours.entity_representations[0]._embeddings.weight)
        phases = torch.view_as_real(ours.relation_representations[0]()).flatten(start_dim=1)
        theirs.relation_representations[0]._embeddings.weight.copy_(phases)
    torch.testing.assert_close(
        ours.predict_hrt(factory.mapped_triples), theirs.predict_hrt(factory.mapped_triples), rtol=1e-4, atol=1e-5
    )


def test_lcwa_is_one_of_the_loops():
    assert training_loop_resolver.lookup("lcwa") is LCWATrainingLoop
