"""Negatives with modalities of different entities: which they are, and what they score."""

import pytest
import torch
from pykeen.training.callbacks import TrainingCallback
from pykeen.triples.instances import BatchedSLCWAInstances

from pykeen_adamf.models import IKRL, TBKGC, VBKGC, AdaMF, AdaMFRotatE, Structural, TransAE
from pykeen_adamf.training import MANSTrainingLoop, ResumableSLCWATrainingLoop, TwinsTrainingLoop

from ..cases import make_factory
from .cases import SAMPLER, assert_equal_models, make_loop

MODELS = [
    (VBKGC, dict(missing="mask")),
    (TBKGC, {}),
    (AdaMFRotatE, dict(missing="mask")),
    (AdaMF, dict(interaction="TransE", fusion="concatenation", missing="zero")),
]


def make(cls=MANSTrainingLoop, model_cls=VBKGC, model_kwargs=None, **loop_kwargs):
    return make_loop(cls, model_cls=model_cls, model_kwargs=model_kwargs, loop_kwargs={**SAMPLER, **loop_kwargs})


def make_batch(loop, size=6):
    factory = make_factory()
    instances = BatchedSLCWAInstances.from_triples_factory(
        factory,
        batch_size=size,
        negative_sampler=loop.negative_sampler,
        **{k: v for k, v in SAMPLER.items() if "kw" in k},
    )
    return instances[list(range(size))]


def swap_rows(model, modality, rows):
    """Give an entity the features, and the presence, of another one."""
    base = model.fused.bases[modality]
    with torch.no_grad():
        table, presence = base.table.clone(), base.presence.clone()
        for entity, donor in rows:
            base.table[entity], base.presence[entity] = table[donor], presence[donor]
    return base, table, presence


def score_by_hand(model, triple, donors, modalities):
    """Score a triple after its entities have really got the features of others."""
    restore = [swap_rows(model, name, [(triple[0], donors[0]), (triple[2], donors[2])]) for name in modalities]
    score = model.score_hrt(torch.tensor([triple])).item()
    with torch.no_grad():
        for base, table, presence in restore:
            base.table.copy_(table)
            base.presence.copy_(presence)
    return score


@pytest.mark.parametrize(("model_cls", "model_kwargs"), MODELS)
@pytest.mark.parametrize("modalities", [["visual"], ["visual", "textual"]])
def test_mixed_scores(model_cls, model_kwargs, modalities):
    """They are those of entities that have the features of others, and miss what these miss."""
    model = model_cls(triples_factory=make_factory(), embedding_dim=4, random_seed=0, **model_kwargs).double().eval()
    rng = torch.Generator().manual_seed(0)
    triples = torch.randint(4, (12, 3), generator=rng) + torch.tensor([0, 0, 10])
    donors = torch.randint(4, (12, 3), generator=rng) + torch.tensor([4, 0, 14])
    expected = [score_by_hand(model, *x, modalities) for x in zip(triples.tolist(), donors.tolist(), strict=True)]
    actual = model.score_mixed(triples, donors, modalities)
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.double), rtol=1e-10, atol=1e-10)
    # with itself, and in any shape
    torch.testing.assert_close(model.score_mixed(triples, triples, modalities), model.score_hrt(triples).flatten())
    with model.sharing(None):
        torch.testing.assert_close(model.score_mixed(triples[:, None], donors[None], modalities).diagonal(), actual)


def test_strategies():
    """V replaces the modality in all negatives, H in a share of them, T in all of them at first."""
    batch = make_batch(make())
    positives, negatives = batch["positives"], batch["negatives"]
    # of a donor without an image, there is nothing to be had but the entity as a whole
    donors = torch.where(negatives[..., 0] != positives[:, None, 0], negatives[..., 0], negatives[..., 2])
    seen = make_factory().features["visual"].presence[donors]
    assert 0.5 < seen.float().mean() < 1
    for strategy, share, num in (("V", 0.5, 8), ("H", 0.5, 4), ("H", 0.25, 2), ("H", 0.0, 0), ("T", 0.5, 8)):
        loop = make(strategy=strategy, share=share)
        loop._arguments = {"num_epochs": 2}
        ordinary = loop.model.score_hrt(negatives.view(-1, 3)).view(6, 8)
        mixed = loop.model.score_mixed(positives[:, None], negatives, ["visual"])
        mixed = torch.where(seen, mixed, ordinary)
        expected = torch.cat([mixed[:, :num], ordinary[:, num:]], dim=1)
        torch.testing.assert_close(loop.score_negatives(batch, 0, 6), expected)
        torch.testing.assert_close(loop.score_negatives(batch, 2, 4), expected[2:4])
    # the second half of the epochs
    loop.losses_per_epochs = [0.0]
    torch.testing.assert_close(loop.score_negatives(batch, 0, 6), ordinary)


@pytest.mark.parametrize("model_cls", [IKRL, TBKGC, VBKGC])
def test_adaptive_share(model_cls):
    """The part of the triples whose energies between modalities are smaller than the structural one."""
    loop = make(model_cls=model_cls, strategy="A")
    positives = make_factory().mapped_triples
    entities = loop.model.entity_representations[0]().detach()
    relations = loop.model.relation_representations[0]().detach()
    count = 0
    for h, r, t in positives.tolist():
        (hs, hm), (ts, tm) = entities[h, :8].view(2, 4), entities[t, :8].view(2, 4)
        energies = [(x + relations[r] - y).abs().sum() for x, y in ((hs, ts), (hm, ts), (hs, tm))]
        count += bool((energies[1] + energies[2]) / 2 < energies[0])
    assert 0 < count < len(positives)
    assert loop._get_share(positives) == pytest.approx(count / len(positives))


def test_twins():
    """The structure is that of the drawn entity, and the features are those of another one, drawn for the same side."""
    loop = make(TwinsTrainingLoop)
    batch = make_batch(loop)
    scores = loop.score_negatives(batch, 0, 6)
    different = 0
    for i, (positive, negatives) in enumerate(
        zip(batch["positives"].tolist(), batch["negatives"].tolist(), strict=True)
    ):
        for j, negative in enumerate(negatives):
            same_side = [x for x in negatives if (x[2] == positive[2]) == (negative[2] == positive[2])]
            place = sum((x[2] == positive[2]) == (negative[2] == positive[2]) for x in negatives[:j])
            donors = same_side[(place + 1) % len(same_side)]
            different += donors != negative
            expected = score_by_hand(loop.model, negative, donors, ["textual", "visual"])
            assert scores[i, j].item() == pytest.approx(expected, abs=1e-5)
    # almost all
    assert different > 40


class Interruption(TrainingCallback):
    """Interrupts training in the fourth epoch."""

    def on_batch(self, epoch, batch, batch_loss, **kwargs):
        if epoch == 4:
            raise KeyboardInterrupt


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("cls", "kwargs"), [(MANSTrainingLoop, {}), (MANSTrainingLoop, dict(strategy="T")), (TwinsTrainingLoop, {})]
)
def test_training(cls, kwargs, tmp_path):
    """It learns, goes on bit by bit after an interruption, and gradients of parts of batches add up."""
    factory = make_factory()
    whole = make(cls, **kwargs)
    losses = whole.train(factory, num_epochs=8, batch_size=16, use_tqdm=False)
    assert losses[-1] < losses[0]
    options = dict(checkpoint_directory=tmp_path, checkpoint_name="x.pt", checkpoint_frequency=0)
    with pytest.raises(KeyboardInterrupt):
        make(cls, **kwargs).train(
            factory, num_epochs=8, batch_size=16, use_tqdm=False, callbacks=Interruption(), **options
        )
    again = make(cls, **kwargs)
    again.train(factory, num_epochs=8, batch_size=16, use_tqdm=False, **options)
    assert_equal_models(whole, again)
    ordinary = make(ResumableSLCWATrainingLoop)
    ordinary.train(factory, num_epochs=8, batch_size=16, use_tqdm=False)
    assert_equal_models(whole, ordinary, equal=False)


def test_none_is_ordinary():
    """Without any such negatives, it is the loop below."""
    loops = []
    for cls, kwargs in ((MANSTrainingLoop, dict(strategy="H", share=0.0)), (ResumableSLCWATrainingLoop, {})):
        # random numbers begin anew with each model
        loops.append(make(cls, **kwargs))
        loops[-1].train(make_factory(), num_epochs=2, batch_size=16, use_tqdm=False)
    for one, other in zip(*(loop.model.parameters() for loop in loops), strict=True):
        torch.testing.assert_close(one, other)


def test_parts_of_batches():
    """The share of the adaptive strategy is that of the batch, whatever its parts."""
    loop = make(strategy="A")
    batch = make_batch(loop)
    with torch.no_grad():
        parts = [loop.score_negatives(batch, *x) for x in ((0, 2), (2, 6))]
        torch.testing.assert_close(torch.cat(parts), loop.score_negatives(batch, 0, 6))


@pytest.mark.parametrize("cls", [MANSTrainingLoop, TwinsTrainingLoop])
def test_default_sampler(cls):
    """Without any options, there are enough negatives to be different."""
    loop = make_loop(cls, model_cls=VBKGC)
    loop.train(make_factory(), num_epochs=1, batch_size=16, use_tqdm=False)
    ordinary = make_loop(ResumableSLCWATrainingLoop, model_cls=VBKGC)
    ordinary.train(make_factory(), num_epochs=1, batch_size=16, use_tqdm=False)
    assert_equal_models(loop, ordinary, equal=False)


@pytest.mark.parametrize(
    ("cls", "kwargs", "message"),
    [
        (MANSTrainingLoop, dict(model_cls=Structural), "Structural has no structural embedding beside features"),
        (TwinsTrainingLoop, dict(model_cls=TransAE), "TransAE has no structural embedding beside features"),
        (MANSTrainingLoop, dict(model_cls=AdaMFRotatE), "AdaMFRotatE does not have. Use IKRL, TBKGC, VBKGC or MMKRL"),
        (MANSTrainingLoop, dict(strategy="X"), "strategy must be one of"),
        (MANSTrainingLoop, dict(share=1.5), r"share must be between 0 and 1, but is 1\.5"),
        (TwinsTrainingLoop, dict(modalities=["audio"]), r"modalities must be some of \['visual', 'textual'\]"),
    ],
)
def test_bad_input(cls, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(cls, **kwargs)


@pytest.mark.parametrize(
    ("cls", "kwargs", "message"),
    [
        (TwinsTrainingLoop, dict(negative_sampler_kwargs=dict(num_negs_per_pos=1)), "Use at least 2"),
        # PyKEEN's samplers draw one negative, if they are not told
        (TwinsTrainingLoop, dict(negative_sampler="basic", negative_sampler_kwargs=None), "Use at least 2"),
        (MANSTrainingLoop, dict(strategy="H", share=0.01), r"A share of 0\.01 of 8 negatives is none"),
    ],
)
def test_too_few_negatives(cls, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(cls, **kwargs).train(make_factory(), num_epochs=1, use_tqdm=False)


@pytest.mark.parametrize(
    "kwargs", [dict(strategy="V"), *(dict(strategy=x, share=share) for x in "TH" for share in (0.0, 0.5, 1.0))]
)
def test_negatives_of_one_kind(kwargs):
    """Batch normalization does not see the negatives that there are not."""
    loop = make(model_cls=AdaMF, model_kwargs=dict(batch_norm=True), **kwargs)
    assert loop.train(make_factory(), num_epochs=2, batch_size=20, use_tqdm=False)
