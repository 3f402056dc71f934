"""Small models of every kind, trained a little, to be saved and loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.losses import MarginRankingLoss
from pykeen.models import Model
from pykeen.nn.modules import TuckERInteraction
from pykeen.regularizers import LpRegularizer
from pykeen.training import training_loop_resolver

from pykeen_adamf.features import ModalityFeatures
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
    LpRotatE,
    MoCME,
    MoMoK,
    MoSE,
    NativE,
    QueryScoringModel,
    Structural,
    TransAE,
)
from pykeen_adamf.nn.fusion import GatedFusion
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import DIMS, make_factory

CROSS_MODAL: Mapping[str, Mapping[str, Any]] = {
    "defaults": {},
    "one modality, zero": dict(modalities=["textual"], missing="zero"),
    "frozen, zero": dict(trainable_features=False, missing="zero"),
    "frozen, random": dict(trainable_features=False),
    "sparse": dict(sparse=True),
    "bfloat16": dict(compute_dtype="bfloat16"),
    "initializers": dict(entity_initializer=torch.nn.init.normal_, relation_initializer="uniform"),
    "regularizer": dict(regularizer="lp", regularizer_kwargs=dict(weight=0.1)),
}

#: For each model that is registered with PyKEEN, its options by a name of the case.
CASES: Mapping[type[Model], Mapping[str, Mapping[str, Any]]] = {
    LpRotatE: {
        "defaults": {},
        "p": dict(p=2.5),
        "infinite p": dict(p=float("inf")),
        "sparse": dict(sparse=True),
        "regularizer": dict(regularizer="lp", regularizer_kwargs=dict(weight=0.1, p=3.0)),
        "another loss": dict(loss="marginranking", loss_kwargs=dict(margin=3.0)),
        "sigmoid": dict(predict_with_sigmoid=True),
        "no seed": dict(random_seed=None),
    },
    AdaMFRotatE: {
        "defaults": {},
        "one modality": dict(modalities=["textual"]),
        "two modalities, other order": dict(modalities=("textual", "visual")),
        "features only": dict(use_structural=False),
        "per-modality": dict(attention="per-modality"),
        "mean": dict(fusion="mean"),
        "zero": dict(missing="zero"),
        "mask": dict(missing="mask", fusion="mean"),
        "frozen, random": dict(trainable_features=False),
        "frozen, zero": dict(trainable_features=False, missing="zero"),
        "frozen, mask": dict(trainable_features=False, missing="mask"),
        "sparse": dict(sparse=True, missing="mask"),
        "p": dict(p=2),
        "bfloat16": dict(compute_dtype="bfloat16"),
        "data type": dict(compute_dtype=torch.bfloat16, trainable_features=False),
        "regularizer": dict(regularizer=LpRegularizer(weight=0.3, apply_only_once=True)),
        "regularizer class": dict(regularizer=LpRegularizer, regularizer_kwargs=dict(normalize=True)),
        "initializer": dict(entity_initializer=lambda x: torch.nn.init.uniform_(x, -3, 3)),
        "margin": dict(loss=MarginRankingLoss(margin=2.0)),
    },
    AdaMF: {
        "defaults": {},
        "every option": dict(
            interaction="HolE",
            fusion="concatenation",
            batch_norm=True,
            entity_dropout=0.1,
            query_dropout=0.1,
            modalities=["textual"],
            missing="zero",
            trainable_features=True,
            sparse=True,
            relation_initializer="normal",
            relation_initializer_kwargs=dict(std=0.2),
            center_features=True,
            scale_features=True,
            feature_dropout=0.1,
            hidden_dims=[3],
            entity_initializer="normal",
            entity_initializer_kwargs=dict(std=0.1),
        ),
        "classes": dict(
            interaction=TuckERInteraction,
            interaction_kwargs=dict(apply_batch_normalization=False),
            relation_dim=3,
            fusion=GatedFusion,
            use_structural=False,
            missing="random",
            regularizer="lp",
            regularizer_kwargs=dict(weight=0.1),
        ),
        "options of a fusion": dict(compute_dtype="bfloat16", fusion_kwargs=dict(initial_scale=0.5, trainable=False)),
    },
    Structural: {
        "defaults": {},
        "without queries": dict(interaction="PairRE", interaction_kwargs=dict(p=2)),
        "every option": dict(
            interaction="TuckER",
            relation_dim=3,
            batch_norm=True,
            entity_dropout=0.1,
            query_dropout=0.1,
            sparse=True,
            entity_initializer="normal",
            entity_initializer_kwargs=dict(std=0.1),
            relation_initializer="normal",
            relation_initializer_kwargs=dict(std=0.2),
        ),
        "regularizer": dict(regularizer="lp", regularizer_kwargs=dict(weight=0.1)),
    },
    OTE: {
        "defaults": {},
        "unscaled": dict(group_size=2, scaled=False),
        "both directions": dict(group_size=4, both_directions=True, sparse=True),
    },
    GCOTE: {
        "defaults": {},
        "every option": dict(
            group_size=4,
            scaled=False,
            attention=True,
            entity_initializer="normal",
            entity_initializer_kwargs=dict(std=0.1),
            relation_initializer="normal",
            relation_initializer_kwargs=dict(std=0.2),
        ),
    },
    MoCME: {
        "defaults": {},
        "every option": dict(
            interaction="ComplEx",
            num_views=2,
            measure="information",
            temperature=0.5,
            intra_modal=False,
            inter_modal=False,
            as_sum=True,
            missing="zero",
            loss="entropy-guided",
            loss_kwargs=dict(margin=2.0, focus=0.5, reduction="sum"),
        ),
    },
    TransAE: {
        "defaults": {},
        "every option": dict(
            hidden_dim=5, reconstruction_weight=0.5, modalities=["textual"], missing="random", compute_dtype="bfloat16"
        ),
    },
    MMKRL: {
        "defaults": {},
        "every option": dict(
            alignment_weight=0.5,
            modalities=["textual"],
            missing="mask",
            trainable_features=False,
            compute_dtype="bfloat16",
            **CROSS_MODAL["initializers"],
        ),
        "sparse": dict(sparse=True),
    },
    MoMoK: {
        "defaults": {},
        "every option": dict(
            relation_dim=3,
            num_experts=2,
            information_weight=0.0,
            num_heads=1,
            fusion_dropout=0.1,
            decoder_kwargs=dict(head_dropout=0.1, apply_batch_normalization=False),
            modalities=["textual"],
            missing="zero",
            trainable_features=True,
            compute_dtype="bfloat16",
            entity_initializer="normal",
            entity_initializer_kwargs=dict(std=0.1),
            relation_initializer="normal",
            relation_initializer_kwargs=dict(std=0.2),
            regularizer="lp",
            regularizer_kwargs=dict(weight=0.1),
        ),
    },
    NativE: {
        "defaults": {},
        "every option": dict(
            p=2,
            modalities=["textual"],
            missing="mask",
            trainable_features=True,
            hidden_dims=[3],
            sparse=True,
            compute_dtype="bfloat16",
            entity_initializer="normal",
            entity_initializer_kwargs=dict(std=0.1),
            regularizer="lp",
            regularizer_kwargs=dict(weight=0.1),
        ),
    },
    MoSE: {
        "defaults": {},
        "every option": dict(
            modalities=["textual"],
            missing="zero",
            trainable_features=True,
            compute_dtype="bfloat16",
            entity_initializer="normal",
            entity_initializer_kwargs=dict(std=0.1),
            relation_initializer="normal",
            relation_initializer_kwargs=dict(std=0.2),
        ),
    },
    RSME: {
        "defaults": {},
        "every option": dict(
            feature_weight=0.3, score_weight=0.9, use_gates=False, modalities=["textual", "visual"], missing="zero"
        ),
    },
    OTKGE: {
        "defaults": {},
        "every option": dict(
            feature_weights=dict(textual=0.5), num_plans=2, entropy=0.1, modalities=["textual"], missing="random"
        ),
    },
    IKRL: CROSS_MODAL,
    TBKGC: CROSS_MODAL,
    # the same with another interaction
    VBKGC: {
        "every option": dict(
            modalities=["textual"],
            missing="zero",
            trainable_features=True,
            sparse=True,
            compute_dtype="bfloat16",
            **CROSS_MODAL["initializers"],
        ),
        "regularizer": CROSS_MODAL["regularizer"],
    },
}

#: All of them.
#: all of them; each model's defaults are among the fast tests
ALL = [
    pytest.param(cls, name, id=f"{cls.__name__}, {name}", marks=() if name == "defaults" else pytest.mark.slow)
    for cls, cases in CASES.items()
    for name in cases
]


def make_half_factory(dtype: torch.dtype = torch.float16, **kwargs: Any) -> MultimodalTriplesFactory:
    """Make a factory with features in another data type."""
    factory = make_factory(**kwargs)
    features = {
        name: ModalityFeatures.from_matrix(x.matrix.to(dtype), x.labels, x.presence)
        for name, x in factory.features.items()
    }
    return MultimodalTriplesFactory.from_triples_factory(factory, features)


def make_model(
    cls: type[QueryScoringModel] = AdaMFRotatE,
    factory: MultimodalTriplesFactory | None = None,
    loop: str | None = None,
    **kwargs: Any,
) -> QueryScoringModel:
    """Make a model, and train it a little."""
    factory = make_factory() if factory is None else factory
    model = cls(triples_factory=factory, **{"embedding_dim": 4, "random_seed": 0, **kwargs})
    if loop is not None:
        optimizer = "LazyAdam" if kwargs.get("sparse") else "Adam"
        training_loop = training_loop_resolver.make(
            loop, model=model, triples_factory=factory, optimizer=optimizer, optimizer_kwargs=dict(lr=0.05)
        )
        training_loop.train(factory, num_epochs=2, batch_size=32, use_tqdm=False)
    return model


def predict(model: Model, factory: MultimodalTriplesFactory) -> dict[str, torch.Tensor]:
    """Score in every way."""
    triples = factory.mapped_triples
    model.eval()
    with torch.inference_mode():
        return {
            "score_hrt": model.score_hrt(triples),
            "score_t": model.score_t(triples[:, :2]),
            "score_h": model.score_h(triples[:, 1:]),
            "predict_hrt": model.predict_hrt(triples),
            "predict_t": model.predict_t(triples[:, :2]),
            "predict_h": model.predict_h(triples[:, 1:]),
            "few tails": model.score_t(triples[:, :2], tails=torch.tensor([3, 1])),
        }


def rank(model: Model, factory: MultimodalTriplesFactory) -> dict[Any, Any]:
    """Return all metrics of all ranks."""
    evaluator = RankBasedEvaluator()
    options = dict(batch_size=16, use_tqdm=False)
    return evaluator.evaluate(model, factory.mapped_triples, **options).to_flat_dict()


def assert_same_predictions(loaded: Model, model: Model, factory: MultimodalTriplesFactory) -> None:
    """Assert that two models score the same, bit for bit."""
    actual, expected = predict(loaded, factory), predict(model, factory)
    for name, scores in expected.items():
        assert torch.equal(actual[name], scores), name
    assert rank(loaded, factory) == rank(model, factory)


def write_feature_files(directory: Path, factory: MultimodalTriplesFactory) -> dict[str, Path]:
    """Write features as users have them: one with labels, in another order, with more entities; the other without."""
    assert set(factory.features) == set(DIMS)
    visual = factory.features["visual"]
    order = torch.randperm(visual.num_entities, generator=torch.Generator().manual_seed(5))
    paths = {"visual": directory / "visual.pth", "textual": directory / "textual.npy"}
    torch.save(
        {
            "features": torch.cat([visual.matrix[order], torch.ones(1, visual.dim)]),
            "labels": [*(visual.labels[i] for i in order), "another"],
            "presence": torch.cat([visual.presence[order], torch.ones(1, dtype=torch.bool)]),
        },
        paths["visual"],
    )
    textual = factory.features["textual"]
    matrix = textual.matrix.clone()
    matrix[~textual.presence] = torch.nan
    numpy.save(paths["textual"], matrix.numpy())
    return paths


def make_factory_of_files(directory: Path) -> MultimodalTriplesFactory:
    """Make a factory with features that come from files, one of which has rows of others, too."""
    factory = make_factory()
    files = write_feature_files(directory, factory)
    return MultimodalTriplesFactory.from_triples_factory(factory, files, unknown_labels="ignore")
