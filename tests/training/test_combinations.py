"""Fusions, interactions and training loops together."""

import copy
import math

import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.losses import CrossEntropyLoss, MarginRankingLoss
from pykeen.nn import interaction_resolver
from pykeen.training import SLCWATrainingLoop, training_loop_resolver

from pykeen_adamf.bundle import load, save
from pykeen_adamf.explaining import explain_triples
from pykeen_adamf.models import AdaMF
from pykeen_adamf.models.geometry import supported_interactions
from pykeen_adamf.new_entities import predict_new_entities
from pykeen_adamf.nn import fusion_resolver
from pykeen_adamf.nn.fusion import FUSIONS
from pykeen_adamf.training import MATTrainingLoop, OneVsAllMATTrainingLoop, OneVsAllTrainingLoop

from ..cases import make_factory
from ..compatibility.cases import FEW_METRICS
from .cases import REGULARIZED, SAMPLER, assert_equal_models, make_loop

#: The options of each training loop that make tests fast, and something unusual for each.
LOOPS = {
    "sLCWA": dict(negative_sampler="bernoulli", negative_sampler_kwargs=dict(num_negs_per_pos=3)),
    "LCWA": {},
    "OneVsAll": dict(n3_weight=0.01, max_block_numel=50),
    "MAT": dict(num_groups=2, hidden_dim=8, negative_sampler_kwargs=dict(num_negs_per_pos=3)),
    "OneVsAllMAT": dict(synthetic_kinds=["tail"], hidden_dim=8, n3_weight=0.01),
    "KBGAN": dict(generator_kwargs=dict(embedding_dim=3), negative_sampler_kwargs=dict(num_negs_per_pos=3)),
    "MANS": dict(strategy="H", negative_sampler_kwargs=dict(num_negs_per_pos=4)),
    "MMRNS": dict(num_candidates=9, negative_sampler_kwargs=dict(num_negs_per_pos=3)),
    "OneToN": {},
    "Twins": dict(negative_sampler_kwargs=dict(num_negs_per_pos=3)),
}


def train(cls, model_kwargs=None, loop_kwargs=None, epochs=2, **kwargs):
    """Train an AdaMF, and return the loop."""
    factory = make_factory(create_inverse_triples=True)
    loop = make_loop(cls, factory=factory, model_cls=AdaMF, model_kwargs=model_kwargs, loop_kwargs=loop_kwargs)
    loop.train(factory, num_epochs=epochs, batch_size=32, use_tqdm=False, **kwargs)
    return loop


# Without adversarial training


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    "model_kwargs",
    [
        REGULARIZED,
        dict(interaction="PairRE"),
        dict(interaction="LpRotatE", regularizer="lp", loss="NSSA"),
    ],
)
@pytest.mark.parametrize(
    ("plain", "ours", "loop_kwargs", "train_kwargs"),
    [
        (OneVsAllTrainingLoop, OneVsAllMATTrainingLoop, dict(n3_weight=0.01), {}),
        (SLCWATrainingLoop, MATTrainingLoop, SAMPLER, {}),
    ],
)
def test_weight_zero(model_kwargs, plain, ours, loop_kwargs, train_kwargs):
    """With lambda = 0, the loop is the one below, bit by bit, whatever the interaction, and random numbers in it."""
    first = train(plain, model_kwargs, loop_kwargs, **train_kwargs)
    second = train(ours, model_kwargs, dict(adversarial_weight=0.0, **loop_kwargs), **train_kwargs)
    assert_equal_models(first, second)
    assert first.losses_per_epochs == second.losses_per_epochs
    third = train(ours, model_kwargs, dict(adversarial_weight=0.5, **loop_kwargs), **train_kwargs)
    assert_equal_models(first, third, equal=False)


# With adversarial training


def make_adversarial(cls, model_kwargs=None, **loop_kwargs):
    """Make a loop and a batch in double precision."""
    factory = make_factory(create_inverse_triples=True)
    loop_kwargs = dict(hidden_dim=8, **loop_kwargs, **(SAMPLER if cls is MATTrainingLoop else {}))
    loop = make_loop(cls, factory=factory, model_cls=AdaMF, model_kwargs=model_kwargs, loop_kwargs=loop_kwargs)
    loop.model.double().train()
    loop.synthesizer.double()
    loop.synthesizer.draw_noise = lambda *shape: torch.randn(
        *shape, generator=loop.synthesizer.random_state, dtype=torch.float64
    )
    torch.manual_seed(0)
    return loop, next(iter(loop._create_training_data_loader(factory, sampler=None, batch_size=9, drop_last=True)))


def adversarial_loss(loop, triples, noise, temperature=1.0):
    """Calculate the adversarial loss for DistMult and a sum of modalities, written out for each triple."""
    model = loop.model
    fused = model.fused
    scales = dict(zip(fused.modalities, fused.fusion.scales, strict=True))
    r = model.relation_representations[0]()

    def represent(entity, synthetic=None):
        total = scales["structural"] * fused.bases["structural"]()[entity]
        for name, base in list(fused.bases.items())[1:]:
            if synthetic is not None:
                total = total + scales[name] * synthetic[name]
            elif base.presence[entity]:
                total = total + scales[name] * base()[entity]
        return total

    positive, synthetic = [], {"head": [], "tail": [], "both": []}
    for i, (head, relation, tail) in enumerate(triples.tolist()):
        fakes = [
            {
                name: generator(fused.bases["structural"]()[[entity, entity]], noise[name][side][i])
                for name, generator in loop.synthesizer.generators.items()
            }
            for side, entity in enumerate((head, tail))
        ]
        h, t = represent(head), represent(tail)
        fake_h, fake_t = represent(head, fakes[0]), represent(tail, fakes[1])
        positive.append((h * r[relation] * t).sum())
        for kind, x in {"head": fake_h * t, "tail": h * fake_t, "both": fake_h * fake_t}.items():
            synthetic[kind].append((x * r[relation]).sum(dim=-1))
    total = 0
    for scores in synthetic.values():
        # one row for each triple, and one column for each group
        fake = torch.stack(scores)
        weights = (temperature * fake).exp().detach()
        weights = weights / weights.sum(dim=0)
        real_term = torch.stack([torch.log1p(torch.exp(-x)) for x in positive]).mean()
        fake_term = (weights * torch.log1p(torch.exp(fake))).sum(dim=0).mean()
        total = total + (real_term + fake_term) / 2
    return total


@pytest.mark.parametrize("cls", [MATTrainingLoop, OneVsAllMATTrainingLoop])
def test_adversarial_term_of_a_bilinear_interaction(cls):
    """Loss and gradient are those of the loop below, and of the formula with neither margin nor temperature."""
    loop, batch = make_adversarial(cls, dict(interaction="DistMult"), adversarial_weight=0.7, num_groups=2)
    # far from what is the same for all
    with torch.no_grad():
        for x in loop.model.parameters():
            if x.requires_grad:
                x.mul_(3)
    triples = loop.get_positives(batch)
    actual = loop._process_batch(batch, 0, len(triples), label_smoothing=0.0)
    # twice, since the softmax is turned into its gradient where it is
    base, other = (loop.base_loss(batch, 0, len(triples), 0.0)[0] for _ in range(2))
    expected = base + 0.7 * adversarial_loss(loop, triples, loop._synthetic_batch.noise)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=0)
    parameters = list(loop.model.get_grad_params())
    gradients = [torch.autograd.grad(x, parameters) for x in (actual, expected, other)]
    for x, y, of_base in zip(*gradients, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-12)
        # the term makes a difference to relations, entities, and the scales of modalities
        assert not torch.allclose(x, of_base, rtol=1e-3)


@pytest.mark.parametrize("interaction", ["ComplEx", "TuckER", "PairRE", "TransE"])
@pytest.mark.parametrize("cls", [MATTrainingLoop, OneVsAllMATTrainingLoop])
def test_adversarial_training(cls, interaction):
    """With and without queries, both players are trained."""
    loop = train(cls, dict(interaction=interaction), dict(adversarial_weight=0.5, hidden_dim=8), epochs=1)
    (losses,) = loop.adversarial_losses_per_epoch
    assert all(map(math.isfinite, losses.values()))
    assert losses["discriminator_loss"] == pytest.approx(losses["kgc_loss"] + 0.5 * losses["adversarial_loss"])
    assert loop.losses_per_epochs[0] == pytest.approx(losses["discriminator_loss"], rel=0.05)
    trained = [x.clone() for x in loop.synthesizer.parameters()]
    loop._reset_generators()
    assert all(not torch.equal(x, y) for x, y in zip(loop.synthesizer.parameters(), trained, strict=True))


@pytest.mark.parametrize("cls", [MATTrainingLoop, OneVsAllMATTrainingLoop])
@pytest.mark.parametrize("part_size", [9, 5])
def test_running_statistics(cls, part_size):
    """They are those of real triples alone, as if there were no synthetic ones."""
    loop, batch = make_adversarial(cls, dict(batch_norm=True), adversarial_weight=0.5, adversarial_temperature=2.0)
    trained, other = loop.model, copy.deepcopy(loop.model)
    before = {name: x.clone() for name, x in trained.interaction.named_buffers()}
    assert len(before) == 6
    loop._sub_batch_size = part_size
    parts = [(start, min(start + part_size, 9)) for start in range(0, 9, part_size)]
    for start, stop in parts:
        loop._process_batch(batch, start, stop)
    loop.model = other
    for start, stop in parts:
        with other.sharing(loop.get_entities(batch, start, stop)):
            loop.base_loss(batch, start, stop, 0.0)
    loop.model = trained
    expected = dict(other.interaction.named_buffers())
    for moment in ("after the discriminator's loss", "after the generators' step"):
        for name, x in trained.interaction.named_buffers():
            torch.testing.assert_close(x, expected[name], msg=f"{name} {moment}")
            assert not torch.equal(x, before[name])
        loop.step_generators(batch, only_size_probing=False)
    # afterwards, they go on to be measured
    assert all(x.training for x in trained.interaction.modules())


@pytest.mark.parametrize("cls", [MATTrainingLoop, OneVsAllMATTrainingLoop])
def test_margin_and_temperature(cls):
    """Scores are logits for some losses; others must say what they are."""
    for loss in ("crossentropy", "bcewithlogits", None):
        loop = make_loop(cls, model_cls=AdaMF, model_kwargs=dict(loss=loss))
        assert isinstance(loop.loss, CrossEntropyLoss) or loss == "bcewithlogits"
        assert (loop.margin, loop.adversarial_temperature) == (0.0, 1.0)
    model_kwargs = dict(loss="NSSA", loss_kwargs=dict(margin=3.0, adversarial_temperature=0.5))
    loop = make_loop(cls, model_cls=AdaMF, model_kwargs=model_kwargs)
    assert (loop.margin, loop.adversarial_temperature) == (3.0, 0.5)
    for loss in ("marginranking", MarginRankingLoss(margin=2.0), "softplus"):
        with pytest.raises(ValueError, match="Use loss='NSSA', or pass margin to the training loop"):
            make_loop(cls, model_cls=AdaMF, model_kwargs=dict(loss=loss))
    loop_kwargs = dict(margin=1.0, adversarial_temperature=2.0)
    loop = make_loop(cls, model_cls=AdaMF, model_kwargs=dict(loss="marginranking"), loop_kwargs=loop_kwargs)
    assert (loop.margin, loop.adversarial_temperature) == (1.0, 2.0)


# A contract for all of them

#: What interactions need beside dimensions that follow from their shapes.
INTERACTION_KWARGS = {
    "autosf": dict(coefficients=[(0, 0, 0, 1)]),
    "transformer": dict(num_heads=2, dim_feedforward=8),
    "convkb": dict(num_filters=3),
}


def make_cases():
    """Choose cases: each fusion, each interaction, and each loop at least once, but not their product."""
    loops = list(LOOPS)[:5]
    for i, cls in enumerate(FUSIONS):
        fusion = fusion_resolver.normalize_cls(cls)
        yield dict(fusion=fusion, **(REGULARIZED if i % 2 else {})), loops[i % len(loops)]
    for i, interaction in enumerate(supported_interactions()):
        kwargs = dict(interaction=interaction, interaction_kwargs=INTERACTION_KWARGS.get(interaction))
        # numbers without a common divisor, such that there are many pairs
        yield dict(fusion=["sum", "mean", "adaptive"][i % 3], **kwargs), loops[i % len(loops)]
    # with which negatives there are is a matter of no interaction
    yield dict(fusion="gated", missing="mask", regularizer="lp"), "KBGAN"
    yield dict(interaction="LpRotatE", fusion="adaptive", missing="random", loss="NSSA"), "MANS"
    yield dict(interaction="PairRE", fusion="mean", missing="zero", loss="NSSA"), "MMRNS"
    yield dict(interaction="DistMult", fusion="concatenation", hidden_dims=[3]), "Twins"
    yield dict(fusion="sum", batch_norm=True, loss="bcewithlogits"), "OneToN"
    yield dict(missing="zero", trainable_features=True, center_features=True, hidden_dims=[3], loss="NSSA"), "sLCWA"
    yield dict(missing="random", scale_features=True, feature_dropout=0.3, loss="bcewithlogits"), "LCWA"
    yield dict(interaction="QuatE", batch_norm=True, modalities=["textual"], predict_with_sigmoid=True), "OneVsAll"
    yield dict(interaction="TuckER", relation_dim=3, trainable_features=True, fusion="gated"), "MAT"
    yield dict(interaction="HolE", query_dropout=0.5, fusion_kwargs=dict(initial_scale=0.3)), "OneVsAllMAT"


CASES = list(make_cases())


def describe(case):
    """Return a short name of a case."""
    kwargs, loop = case
    return "-".join([loop, *(str(x) for x in kwargs.values() if isinstance(x, str))])


def test_every_part_is_tested():
    assert {kwargs["fusion"] for kwargs, _ in CASES if "interaction" not in kwargs and "fusion" in kwargs} == {
        fusion_resolver.normalize_cls(cls) for cls in FUSIONS
    }
    assert {kwargs["interaction"].lower() for kwargs, _ in CASES if "interaction" in kwargs} == set(
        supported_interactions()
    )
    ours = {name for name, cls in training_loop_resolver.lookup_dict.items() if "adamf" in cls.__module__}
    assert {loop.lower() for _, loop in CASES} == {*ours, "slcwa", "lcwa"}


@pytest.mark.parametrize("case", CASES, ids=describe)
def test_contract(tmp_path, case):
    """It trains everything, ranks, is saved and loaded, explained, and predicts for new entities."""
    model_kwargs, name = case
    factory = make_factory(create_inverse_triples=True)
    loop = make_loop(
        training_loop_resolver.lookup(name),
        factory=factory,
        model_cls=AdaMF,
        model_kwargs=model_kwargs,
        loop_kwargs=LOOPS[name],
    )
    model = loop.model
    if "interaction" in model_kwargs:
        interaction = interaction_resolver.lookup(model_kwargs["interaction"])
        assert isinstance(getattr(model.interaction, "base", model.interaction), interaction)
    before = {key: x.clone() for key, x in model.named_parameters()}
    model.reset_parameters_ = lambda: model
    (loss,) = loop.train(factory, num_epochs=1, batch_size=32, use_tqdm=False)
    del model.reset_parameters_
    assert math.isfinite(loss)
    for key, x in model.named_parameters():
        assert torch.equal(x, before[key]) != x.requires_grad, key

    triples = factory.mapped_triples[:7]
    evaluator = RankBasedEvaluator(**FEW_METRICS)
    result = evaluator.evaluate(model, triples, batch_size=7, use_tqdm=False)
    assert 0 < result.get_metric("mrr") <= 1

    bundle = load(save(model, factory, tmp_path / "bundle"), device="cpu")
    for method, batch in (("hrt", triples), ("t", triples[:, :2]), ("h", triples[:, 1:])):
        scores = getattr(model, f"predict_{method}")(batch)
        assert torch.isfinite(scores).all()
        assert torch.equal(getattr(bundle.model, f"predict_{method}")(batch), scores)

    explanation = explain_triples(model, factory, triples[:2], progress=False)
    assert list(explanation["modality"]) == [*model.modalities] * 2
    assert explanation["score_change"].abs().gt(0).any()
    assert explanation[["score", "score_without"]].notna().all(axis=None)

    rows = {key: factory.features[key].matrix[:2] for key in model.modalities if key != "structural"}
    for target in ("head", "tail"):
        df = predict_new_entities(model, factory, rows, relation=1, target=target)
        assert len(df) == 2 * factory.num_entities
        assert df["score"].map(math.isfinite).all()
        assert df["score"].nunique() > 1
