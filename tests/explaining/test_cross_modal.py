"""IKRL and TBKGC without a modality: another one takes the place of what is left out, in formulas in NumPy."""

import numpy
import pytest
import torch

from pykeen_adamf.explaining import explain_relations, explain_triples
from pykeen_adamf.models import IKRL, TBKGC

from ..cases import make_factory
from .cases import numpify

MODELS = [IKRL, TBKGC]


def make_case(cls, **kwargs):
    """Make a model with both modalities in double precision, and its triples factory."""
    factory = make_factory()
    kwargs = dict(embedding_dim=4, random_seed=0, modalities=["visual", "textual"]) | kwargs
    return cls(triples_factory=factory, **kwargs).double().eval(), factory


def normalize(x):
    return x / numpy.linalg.norm(x, axis=-1, keepdims=True)


def parts_of(model):
    """Return the embedding of each modality."""
    return {name: numpify(base()) for name, base in model.fused.bases.items()}


def energies(model, triples, pairs):
    """Return the negative sum of TransE's energies between normalized embeddings of heads and tails."""
    h, r, t = triples.numpy().T
    relations = normalize(numpify(model.relation_representations[0]._embeddings.weight))[r]
    return -sum(numpy.abs(normalize(left)[h] + relations - normalize(right)[t]).sum(axis=-1) for left, right in pairs)


def formula(model, triples, structural, multimodal):
    """Return the scores for two embeddings of all entities."""
    pairs = [(a, b) for a in (structural, multimodal) for b in (structural, multimodal)]
    if isinstance(model, TBKGC):
        pairs.append((structural + multimodal,) * 2)
    return energies(model, triples, pairs)


def score(model, triples):
    with torch.inference_mode():
        return model.predict_hrt(triples).squeeze(dim=-1).numpy()


@pytest.mark.parametrize("cls", MODELS)
def test_scores(cls):
    """With everything, and without each part."""
    model, factory = make_case(cls)
    triples = factory.mapped_triples
    parts = parts_of(model)
    structural, visual, textual = parts["structural"], parts["visual"], parts["textual"]
    both, nothing = numpy.concatenate([visual, textual], axis=-1), numpy.zeros_like(visual)
    numpy.testing.assert_allclose(score(model, triples), formula(model, triples, structural, both))
    expected = {
        "structural": formula(model, triples, both, both),
        "visual": formula(model, triples, structural, numpy.concatenate([nothing, textual], axis=-1)),
        "textual": formula(model, triples, structural, numpy.concatenate([visual, nothing], axis=-1)),
    }
    for name, scores in expected.items():
        with model.without_modality(name):
            numpy.testing.assert_allclose(score(model, triples), scores, err_msg=name)
    # nothing remains of it
    numpy.testing.assert_allclose(score(model, triples), formula(model, triples, structural, both))


@pytest.mark.parametrize(("cls", "number"), [(IKRL, 4), (TBKGC, 5)])
def test_only_structural_energies_are_left(cls, number):
    """Without all other modalities, each energy is the one between structural embeddings."""
    model, factory = make_case(cls)
    triples = factory.mapped_triples
    structural = parts_of(model)["structural"]
    expected = number * energies(model, triples, [(structural, structural)])
    with model.without_modality("visual"), model.without_modality("textual"):
        numpy.testing.assert_allclose(score(model, triples), expected)
    single, _ = make_case(cls, modalities=["visual"])
    structural = parts_of(single)["structural"]
    expected = number * energies(single, triples, [(structural, structural)])
    with single.without_modality("visual"):
        numpy.testing.assert_allclose(score(single, triples), expected)


@pytest.mark.parametrize("cls", MODELS)
def test_what_entities_miss(cls):
    """Entities that miss all modalities have structural embeddings instead, if missing ones are masked."""
    model, factory = make_case(cls, modalities=["visual"], missing="mask")
    parts = parts_of(model)
    absent = ~factory.features["visual"].presence.numpy()
    assert absent.any()
    multimodal = numpy.where(absent[:, None], parts["structural"], parts["visual"])
    triples = factory.mapped_triples
    numpy.testing.assert_allclose(score(model, triples), formula(model, triples, parts["structural"], multimodal))
    # they have nothing else, and keep it
    structural = numpy.where(absent[:, None], parts["structural"], parts["visual"])
    with model.without_modality("structural"):
        numpy.testing.assert_allclose(score(model, triples), formula(model, triples, structural, multimodal))


@pytest.mark.parametrize("cls", MODELS)
def test_explanations(cls):
    """Scores with and without are those of the model; there are no weights."""
    model, factory = make_case(cls)
    triples = factory.mapped_triples[:5]
    df = explain_triples(model, factory, triples, progress=False)
    assert df[["head_weight", "tail_weight"]].isna().all(axis=None)
    numpy.testing.assert_allclose(df["score"], score(model, triples).repeat(3))
    for name, part in df.groupby("modality"):
        with model.without_modality(name):
            numpy.testing.assert_allclose(part["score_without"], score(model, triples))
    numpy.testing.assert_allclose(df["score_change"], df["score_without"] - df["score"])
    assert set(explain_relations(model, factory, triples, progress=False)["modality"]) == set(model.modalities)
