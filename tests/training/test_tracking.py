"""What reaches result trackers and progress bars, and what is reported when training goes wrong."""

import csv
import json
import logging

import pytest
import torch
from pykeen.trackers import PythonResultTracker
from pykeen.training import NonFiniteLossError

from pykeen_adamf.training import MATTrainingLoop
from pykeen_adamf.training.monitoring import GeneratorMonitor, explain_non_finite_loss, mean_modality_weights

from ..cases import DIMS, make_factory
from .cases import SAMPLER, make_loop, train

LOSSES = {"kgc_loss", "adversarial_loss", "discriminator_loss", "generator_loss"}
WEIGHTS = {f"modality_weight.{name}" for name in ("structural", *DIMS)}
GENERATORS = {f"generator.{name}.{what}" for name in DIMS for what in ("variance", "relative_variance")}
RATES = {"learning_rate", "generator_learning_rate"}
NAMES = LOSSES | WEIGHTS | GENERATORS | RATES


def test_tracking_and_progress(monkeypatch):
    shown = []
    monkeypatch.setattr("tqdm.std.tqdm.set_postfix", lambda self, values=None, **kwargs: shown.append(values))
    tracker = PythonResultTracker()
    loop = make_loop(MATTrainingLoop, loop_kwargs=dict(result_tracker=tracker, **SAMPLER))
    loop.train(make_factory(), num_epochs=2, batch_size=16)
    for epoch in (1, 2):
        assert set(tracker.metrics[epoch]) >= NAMES
    assert [set(losses) for losses in loop.adversarial_losses_per_epoch] == [LOSSES, LOSSES]
    assert any(set(values) >= LOSSES for values in shown if values)
    losses = loop.adversarial_losses_per_epoch[0]
    assert losses["discriminator_loss"] == pytest.approx(
        losses["kgc_loss"] + 0.1 * losses["adversarial_loss"], rel=1e-4
    )
    final = tracker.metrics[2]
    assert sum(final[name] for name in WEIGHTS) == pytest.approx(1)
    expected = loop.model.modality_weights().mean(dim=0).tolist()
    assert [final[f"modality_weight.{name}"] for name in loop.model.modalities] == pytest.approx(expected)


def read_csv(path):
    with path.open() as file:
        return {row[2]: row[3] for row in csv.reader(file) if row[0] == "metric" and row[1] == "2"}


def read_json(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {name: x for line in lines if line.get("step") == 2 for name, x in line["metrics"].items()}


@pytest.mark.parametrize(("tracker", "read"), [("csv", read_csv), ("json", read_json)])
def test_files(tmp_path, tracker, read):
    """PyKEEN's trackers which write text."""
    path = tmp_path / "metrics"
    loop = train(
        MATTrainingLoop,
        loop_kwargs=dict(result_tracker=tracker, result_tracker_kwargs=dict(path=path), **SAMPLER),
        epochs=2,
    )
    loop.result_tracker.end_run()
    metrics = read(path)
    assert set(metrics) >= NAMES
    assert float(metrics["generator_loss"]) == pytest.approx(loop.adversarial_losses_per_epoch[1]["generator_loss"])


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    kwargs = dict(result_tracker="tensorboard", result_tracker_kwargs=dict(experiment_path=tmp_path))
    loop = train(MATTrainingLoop, loop_kwargs={**kwargs, **SAMPLER}, epochs=2)
    loop.result_tracker.end_run()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) >= NAMES
    values = [event.value for event in events.Scalars("generator_loss")]
    expected = [losses["generator_loss"] for losses in loop.adversarial_losses_per_epoch]
    assert values == pytest.approx(expected)


def test_tracking_changes_nothing():
    """Statistics draw no noise, and the weights of modalities are measured without training."""
    with_many = train(MATTrainingLoop, loop_kwargs=SAMPLER)
    loop = make_loop(MATTrainingLoop, loop_kwargs=SAMPLER)
    loop.monitor.statistics = dict
    loop.train(make_factory(), num_epochs=3, batch_size=16, use_tqdm=False)
    assert loop.losses_per_epochs == with_many.losses_per_epochs


def test_variance():
    """Over entities and noise, of each modality, against PyTorch's own."""
    monitor = GeneratorMonitor(threshold=0.0)
    assert monitor.statistics() == {}
    head, tail = (torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(i)) + 1 for i in range(2))
    monitor.observe({"x": head}, {"x": tail})
    x = torch.cat([head, tail]).view(-1, 3)
    variance = torch.stack([column.var() for column in x.unbind(dim=1)]).mean().item()
    assert monitor.statistics() == {
        "generator.x.variance": pytest.approx(variance),
        "generator.x.relative_variance": pytest.approx(variance / x.pow(2).mean().item()),
    }


def test_collapse(caplog):
    """A generator that ignores its input is reported once, with what to change; others are not."""
    loop = make_loop(MATTrainingLoop, loop_kwargs=dict(generator_optimizer_kwargs=dict(lr=0.0), **SAMPLER))
    with caplog.at_level(logging.WARNING, logger="pykeen_adamf"):
        loop.train(make_factory(), num_epochs=2, batch_size=16, use_tqdm=False)
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
        with torch.no_grad():
            loop.synthesizer.generators["visual"].output.weight.zero_()
        loop.train(make_factory(), num_epochs=5, batch_size=16, use_tqdm=False, continue_training=True)
    (record,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
    assert "generator of visual embeddings has collapsed" in record.getMessage()
    assert "smaller generator_lr" in record.getMessage()


@pytest.mark.parametrize("broken", ["model", "generator"])
def test_non_finite_loss(broken):
    """PyKEEN's error, which also tells which loss it was, when, and what to do."""
    loop = make_loop(MATTrainingLoop, loop_kwargs=SAMPLER)
    loop.train(make_factory(), num_epochs=1, batch_size=16, use_tqdm=False)
    with torch.no_grad():
        if broken == "model":
            loop.model.fused.fusion.attention.fill_(float("nan"))
        else:
            step = loop.step_generators

            def break_generators(*args, **kwargs):
                next(loop.synthesizer.parameters()).fill_(float("inf"))
                step(*args, **kwargs)

            loop.step_generators = break_generators
    message = dict(
        model=r"in epoch 2 .*kgc_loss=nan.*smaller learning rate.*gradient_clipping_max_norm",
        generator=r"The generators' loss is not finite in epoch 2 .*generator_loss=nan.*smaller generator_lr",
    )[broken]
    with pytest.raises(NonFiniteLossError, match=message):
        loop.train(make_factory(), num_epochs=2, batch_size=16, use_tqdm=False, continue_training=True)


def test_explanation_without_losses():
    assert explain_non_finite_loss({}).startswith("The loss is not finite. Try")


def test_models_without_weights():
    assert mean_modality_weights(torch.nn.Linear(1, 1)) == {}


def test_some_entities():
    """Of large graphs, evenly spaced entities are looked at."""
    model = make_loop(MATTrainingLoop).model
    weights = mean_modality_weights(model, num_entities=7)
    expected = model.modality_weights()[::3].mean(dim=0).tolist()
    assert list(weights.values()) == pytest.approx(expected)
