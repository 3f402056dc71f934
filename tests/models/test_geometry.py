"""What follows from an interaction, and which interactions are refused."""

import inspect
import math

import pytest
import torch
from pykeen.losses import NSSALoss
from pykeen.nn import interaction_resolver, modules
from pykeen.training import LCWATrainingLoop

from pykeen_adamf.models import AdaMF, Structural
from pykeen_adamf.models.geometry import Geometry, supported_interactions
from pykeen_adamf.nn import (
    IKRLInteraction,
    LpRotatEInteraction,
    MMKRLInteraction,
    RegularizedInteraction,
    TBKGCInteraction,
)

from ..cases import make_factory

DIM = 6

#: Interactions of PyKEEN with several vectors for each entity.
REFUSED = ["BoxE", "ConvE", "CP", "KG2E", "MuRE", "SimplE", "TransD"]


def make(interaction="ComplEx", cls=AdaMF, **kwargs):
    return cls(triples_factory=make_factory(), embedding_dim=DIM, random_seed=0, interaction=interaction, **kwargs)


@pytest.mark.parametrize("cls", [AdaMF, Structural])
@pytest.mark.parametrize("name", REFUSED)
def test_refused(cls, name):
    """By its name or its class, with those that can be used."""
    for interaction in (name, interaction_resolver.lookup(name)):
        with pytest.raises(ValueError, match=rf"{name}Interaction cannot be used here, since it needs .* vectors"):
            make(interaction, cls)
    with pytest.raises(ValueError, match=r"Interactions that can: .*complex, .*rotate, .*tucker") as info:
        make(name, cls)
    assert name.lower() not in str(info.value).partition("Interactions that can: ")[2].rstrip(".").split(", ")


def test_the_list():
    """An interaction is in it exactly if it is not refused."""
    supported = set(supported_interactions())
    assert not supported & {name.lower() for name in REFUSED}
    for name, cls in interaction_resolver.lookup_dict.items():
        if name in supported:
            continue
        with pytest.raises(ValueError, match=rf"{cls.__name__} cannot be used here, since"):
            Geometry.make(name, None, DIM)


def test_those_with_a_model_of_their_own():
    for cls in (IKRLInteraction, MMKRLInteraction, TBKGCInteraction):
        with pytest.raises(ValueError, match="use the models IKRL, TBKGC and MMKRL"):
            make(cls)
    for interaction in ("regularized", RegularizedInteraction, RegularizedInteraction("ComplEx", shape=DIM)):
        with pytest.raises(ValueError, match=r"wraps another one; pass that one, with batch_norm=True"):
            make(interaction)


@pytest.mark.parametrize(
    ("name", "suggestion"), [("ComplX", "'complex'"), ("rotat", "'rotate'"), ("LpRotateE", "'lprotate'")]
)
def test_typing_errors(name, suggestion):
    with pytest.raises(ValueError, match=rf"There is no interaction '{name}'.*Did you mean .*{suggestion}"):
        make(name)


@pytest.mark.parametrize("name", ["", "something else"])
def test_unknown(name):
    """Nothing is suggested that is not near."""
    with pytest.raises(ValueError, match=r"There is no interaction.* but there are .*complex") as info:
        make(name)
    assert "Did you mean" not in str(info.value)


@pytest.mark.parametrize("dim", [0, -1, 2.0, True, "4"])
def test_bad_dimensions(dim):
    with pytest.raises(ValueError, match="embedding_dim must be a positive integer"):
        Geometry.make("ComplEx", None, dim)


def test_without_queries():
    """Nothing can be normalized there."""
    with pytest.raises(ValueError, match=r"PairREInteraction does not compare .* Leave batch_norm"):
        make("PairRE", batch_norm=True)


def test_instances():
    """Interactions can be created before."""
    interaction = modules.TransEInteraction(p=2, power_norm=True)
    model = make(interaction)
    assert model.interaction is interaction
    by_name = make("TransE", interaction_kwargs=dict(p=2, power_norm=True))
    triples = make_factory().mapped_triples
    assert torch.equal(model.predict_hrt(triples), by_name.predict_hrt(triples))


# Shapes


@pytest.mark.parametrize(
    ("name", "is_complex", "entity_shape", "relation_shapes"),
    [
        ("DistMult", False, (DIM,), [(DIM,)]),
        ("ComplEx", True, (DIM,), [(DIM,)]),
        ("RotatE", True, (DIM,), [(DIM,)]),
        ("LpRotatE", True, (DIM,), [(DIM,)]),
        ("QuatE", False, (DIM, 4), [(DIM, 4)]),
        ("RESCAL", False, (DIM,), [(DIM, DIM)]),
        ("PairRE", False, (DIM,), [(DIM,), (DIM,)]),
        ("TuckER", False, (DIM,), [(3,)]),
        ("TransR", False, (DIM,), [(3,), (DIM, 3)]),
    ],
)
def test_shapes(name, is_complex, entity_shape, relation_shapes):
    """Those of entities and relations; features are projected to as many real numbers."""
    model = make(name, relation_dim=3)
    assert model.fused.shape == entity_shape
    assert model.fused.is_complex == model.fused().is_complex() == is_complex
    assert [x.shape for x in model.relation_representations] == relation_shapes
    width = math.prod(entity_shape) * (1 + is_complex)
    assert {base.shape for base in model.fused.bases.values()} == {(width,)}
    structural = make(name, Structural, relation_dim=3)
    assert structural.entity_representations[0].shape == entity_shape
    assert structural.entity_representations[0]().is_complex() == is_complex


def test_tucker():
    """Its relations have a dimension of their own, and the core tensor fits."""
    model = make("TuckER", relation_dim=3).double().eval()
    assert model.interaction.core_tensor.shape == (DIM, 3, DIM)
    h, r, t = make_factory().mapped_triples[:5].t()
    entities, relations = model.fused(), model.relation_representations[0]()
    x = model.interaction
    head, query = x.head_batch_norm, x.head_relation_batch_norm
    normalized = head(entities[h])
    product = query(torch.einsum("ni,nj,ijk->nk", normalized, relations[r], x.core_tensor))
    expected = (product * entities[t]).sum(dim=-1)
    torch.testing.assert_close(model.score_hrt(torch.stack([h, r, t], dim=-1)).squeeze(dim=-1), expected)
    # by default, all dimensions are equal
    assert make("TuckER").interaction.core_tensor.shape == (DIM, DIM, DIM)


def train(model, epochs=3):
    loop = LCWATrainingLoop(
        model=model, triples_factory=make_factory(), optimizer="adam", optimizer_kwargs=dict(lr=0.3)
    )
    loop.train(make_factory(), num_epochs=epochs, batch_size=16, use_tqdm=False)


@pytest.mark.parametrize("cls", [AdaMF, Structural])
@pytest.mark.parametrize("name", ["RotatE", "LpRotatE"])
def test_relations_are_rotations(cls, name):
    """Also after steps of training, which would change the moduli."""
    model = make(name, cls)
    before = model.relation_representations[0]().detach().clone()
    train(model)
    after = model.relation_representations[0]().detach()
    assert not torch.allclose(before, after, atol=0.1)
    for relations in (before, after):
        torch.testing.assert_close(relations.abs(), torch.ones(4, DIM), rtol=1e-5, atol=0)


def test_relations_of_quate_have_unit_length():
    """Of each quaternion, which is what makes it a rotation."""
    model = make("QuatE")
    for _ in range(2):
        quaternions = model.relation_representations[0]().detach()
        torch.testing.assert_close(quaternions.norm(dim=-1), torch.ones(4, DIM))
        train(model, epochs=1)


# Initial values


@pytest.mark.parametrize("margin", [None, 3.0, 9.0])
def test_range_of_lprotate(margin):
    """It follows the margin, as in the reference code; losses without one have that of AdaMF."""
    loss = None if margin is None else NSSALoss(margin=margin)
    model = make("LpRotatE", Structural, loss=loss)
    bound = ((12.0 if margin is None else margin) + 2.0) / DIM
    weight = model.entity_representations[0]._embeddings.weight
    assert 0.9 * bound < weight.abs().max() <= bound
    assert model.relation_representations[0].phase_scale == pytest.approx(bound / math.pi)


def test_given_initializers():
    """They are used rather than the default ones."""
    ones = torch.nn.init.ones_
    model = make("DistMult", entity_initializer=ones, relation_initializer=ones)
    assert (model.fused.bases["structural"]() == 1).all()
    assert (model.relation_representations[0]() == 1).all()


def test_default_deviation():
    weight = Structural(triples_factory=make_factory(num_entities=200), interaction="DistMult", random_seed=0)
    assert weight.entity_representations[0]().std().item() == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize("name", supported_interactions())
def test_required_arguments(name):
    """All that an interaction must be told is known, but for AutoSF's blocks."""
    kwargs = dict(coefficients=[(0, 0, 0, 1)]) if name == "autosf" else {}
    geometry = Geometry.make(name, kwargs, DIM + 2 * (name == "transformer"), None)
    cls = interaction_resolver.lookup(name)
    assert type(geometry.model_kwargs["interaction"]) is cls
    p = inspect.signature(cls).parameters.get("p")
    if p is not None and p.default is p.empty:
        assert geometry.model_kwargs["interaction"].p == 1
    assert isinstance(geometry.model_kwargs["interaction"], LpRotatEInteraction) == (name == "lprotate")


@pytest.mark.parametrize("coefficients", [[(0, 0, 1, 1), (1, 1, 0, 1)], [(0, 0, 0, 1), (0, 1, 0, -1)]])
def test_blocks(coefficients):
    """How many vectors AutoSF needs depends on its parameters, rather than on its class."""
    interaction = modules.AutoSFInteraction(coefficients)
    if len(interaction.entity_shape) > 1:
        for x, kwargs in ((interaction, {}), ("AutoSF", dict(interaction_kwargs=dict(coefficients=coefficients)))):
            with pytest.raises(ValueError, match="AutoSFInteraction cannot be used here, since it needs 2 vectors"):
                make(x, **kwargs)
    else:
        model = make("AutoSF", interaction_kwargs=dict(coefficients=coefficients))
        assert len(model.relation_representations) == len(interaction.relation_shape) == 2
