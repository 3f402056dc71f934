"""Studies of AdaMF with one softmax for each triple: trials use what they report."""

import pytest
from optuna.trial import TrialState

from pykeen_adamf.constants import STRUCTURAL
from pykeen_adamf.training import OneVsAllMATTrainingLoop, OneVsAllTrainingLoop

from ..cases import make_factory
from .cases import tune

#: The ranges of the loop, and of the model.
TRAINING = {"batch_size", "label_smoothing", "n3_weight"}
MODEL = {"fusion", "missing", "batch_norm", "entity_dropout", "query_dropout", "feature_dropout"}
ADVERSARIAL = {"adversarial_weight", "generator_lr", "num_groups"}

#: Batches that are smaller than this graph
BATCH_SIZES = dict(batch_size=dict(type="categorical", choices=[8, 12, 20]))


def make_splits():
    training, testing, validation = make_factory(create_inverse_triples=True).split([0.6, 0.2, 0.2], random_state=0)
    return dict(training=training, testing=testing, validation=validation)


@pytest.fixture
def seen(monkeypatch):
    """Return what is in force when losses are calculated, for each training loop."""
    loops = {}
    original = OneVsAllTrainingLoop.base_loss

    def base_loss(self, batch, start, stop, label_smoothing):
        (lr,) = {group["lr"] for group in self.optimizer.param_groups}
        _, sizes, numbers = loops.setdefault(id(self), (self, [], set()))
        sizes.append(len(batch))
        numbers.add((label_smoothing, self.n3_weight, lr))
        return original(self, batch, start, stop, label_smoothing)

    monkeypatch.setattr(OneVsAllTrainingLoop, "base_loss", base_loss)
    return loops


@pytest.mark.parametrize("cls", [OneVsAllTrainingLoop, OneVsAllMATTrainingLoop])
def test_trials_use_what_they_report(seen, cls):
    study = tune(
        model="AdaMF",
        model_kwargs=dict(embedding_dim=4),
        training_loop=cls,
        # it tries batches out, without label smoothing
        training_loop_kwargs=dict(automatic_memory_optimization=False),
        n_trials=2,
        training_kwargs_ranges=BATCH_SIZES,
        **make_splits(),
    ).study
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    assert len(seen) == 2
    for trial, (loop, sizes, numbers) in zip(study.trials, seen.values(), strict=True):
        params = trial.params
        assert type(loop) is cls
        tuned = {name.partition(".")[2] for name in params if name.startswith("training.")}
        assert tuned == TRAINING | (ADVERSARIAL if cls is OneVsAllMATTrainingLoop else set())
        assert {name.partition(".")[2] for name in params if name.startswith("model.")} == MODEL
        assert max(sizes) == params["training.batch_size"]
        names = ("training.label_smoothing", "training.n3_weight", "optimizer.lr")
        assert numbers == {tuple(params[name] for name in names)}
        model = loop.model
        features = [base for name, base in model.fused.bases.items() if name != STRUCTURAL]
        assert type(model.fused.fusion).__name__.lower() == f"{params['model.fusion']}fusion"
        assert {base.missing for base in features} == {params["model.missing"]}
        assert {base.feature_dropout.p for base in features} == {params["model.feature_dropout"]}
        for name in ("entity", "query"):
            dropout = getattr(model.interaction, f"{name}_dropout", None)
            assert (dropout.p if dropout is not None else 0.0) == params[f"model.{name}_dropout"]
            norm = getattr(model.interaction, f"{name}_batch_norm", None)
            assert (norm is not None) == params["model.batch_norm"]
        if cls is OneVsAllMATTrainingLoop:
            assert loop.adversarial_weight == params["training.adversarial_weight"]
            assert loop.num_groups == params["training.num_groups"]
            assert loop.generators.lr == params["training.generator_lr"]
    assert len({str(trial.params) for trial in study.trials}) == 2


@pytest.mark.slow_but_the_first
@pytest.mark.parametrize(
    ("cls", "kwargs", "name", "value"),
    [
        (OneVsAllTrainingLoop, dict(training_kwargs=dict(n3_weight=0.7)), "n3_weight", 0.7),
        (OneVsAllTrainingLoop, dict(training_loop_kwargs=dict(n3_weight=0.7)), "n3_weight", 0.7),
        (OneVsAllMATTrainingLoop, dict(training_loop_kwargs=dict(n3_weight=0.7)), "n3_weight", 0.7),
        (OneVsAllMATTrainingLoop, dict(training_kwargs=dict(adversarial_weight=0.7)), "adversarial_weight", 0.7),
        (OneVsAllMATTrainingLoop, dict(training_loop_kwargs=dict(adversarial_weight=0.7)), "adversarial_weight", 0.7),
        (OneVsAllMATTrainingLoop, dict(training_loop_kwargs=dict(num_groups=5)), "num_groups", 5),
    ],
)
def test_what_is_fixed_is_not_tuned(seen, cls, kwargs, name, value):
    """Wherever it is fixed, as for modality adversarial training with negative samples."""
    model_kwargs = dict(embedding_dim=4, batch_norm=False)
    splits = make_splits()
    study = tune(
        model="AdaMF",
        model_kwargs=model_kwargs,
        training_loop=cls,
        training_kwargs_ranges=BATCH_SIZES,
        **splits,
        **kwargs,
    ).study
    ((loop, _, _),) = seen.values()
    assert getattr(loop, name) == value
    assert f"training.{name}" not in study.trials[0].params


def test_without_inverse_triples():
    """All trials would fail; the reason is told."""
    with pytest.raises(ValueError, match="Without inverse triples, heads would be predicted by what nobody"):
        tune(model="AdaMF", model_kwargs=dict(embedding_dim=4), training_loop="OneVsAll")
