"""Minutes until the validation MRR on DB15K reaches a given value: what users feel.

``python benchmarks/time_to_accuracy.py --features name-minilm.npy --json benchmarks/results/time_to_accuracy.json``

Validation triples are held out of the training triples, since the published ones leak. Each contender is trained on one
core, and minutes are those of the processor, so that what else the machine does makes little difference; the time of
measuring does not count. The curves are written beside the results as a picture.
"""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click
import torch
from matplotlib.figure import Figure
from pykeen.datasets import Dataset
from pykeen.datasets.utils import get_dataset
from pykeen.evaluation import RankBasedEvaluator
from pykeen.pipeline import pipeline
from pykeen.training.callbacks import TrainingCallback
from timing import report

from pykeen_adamf.presets import load_preset

TARGETS: Final = (0.25, 0.30, 0.35)
METRIC: Final = "both.realistic.inverse_harmonic_mean_rank"

#: what is measured of the validation triples
NUM_TRIPLES: Final = 1000


class OutOfTimeError(Exception):
    """Raised to end a training."""


class Curve(TrainingCallback):
    """Measures after each epoch, and ends the training when the last target or the limit is reached."""

    def __init__(self, dataset: Dataset, limit: float) -> None:
        super().__init__()
        order = torch.randperm(len(dataset.validation.mapped_triples), generator=torch.Generator().manual_seed(0))
        self.triples = dataset.validation.mapped_triples[order[:NUM_TRIPLES]]
        self.known = [dataset.training.mapped_triples, dataset.validation.mapped_triples]
        self.limit, self.points = limit, []
        self.start, self.outside = time.process_time(), 0.0

    def post_epoch(self, epoch: int, epoch_loss: float, **kwargs: Any) -> None:
        """Measure."""
        stopped = time.process_time()
        minutes = (stopped - self.start - self.outside) / 60
        results = RankBasedEvaluator().evaluate(
            self.model, self.triples, additional_filter_triples=self.known, use_tqdm=False, batch_size=64
        )
        self.model.train()
        value = results.get_metric(METRIC)
        self.points.append({"epoch": epoch, "minutes": minutes, "MRR": value})
        click.echo(f"  epoch {epoch}, {minutes:.1f} min: {value:.3f}")
        self.outside += time.process_time() - stopped
        if value >= TARGETS[-1] or minutes > self.limit:
            raise OutOfTimeError


def contenders() -> Mapping[str, dict[str, Any]]:
    """Return what to train, as given to the pipeline."""
    best = load_preset("DB15K")["pipeline"]
    epochs = dict(num_epochs=10_000, use_tqdm=False)
    return {
        # with its own number of epochs, which the schedule of its learning rate is for
        "best combination": {**best, "training_kwargs": {**best["training_kwargs"], "use_tqdm": False}},
        "AdaMFRotatE, sampled negatives": dict(
            model="AdaMFRotatE",
            model_kwargs=dict(trainable_features=False),
            optimizer_kwargs=dict(lr=1e-3),
            training_loop="sLCWA",
            negative_sampler="FilteredBernoulli",
            negative_sampler_kwargs=dict(num_negs_per_pos=128),
            training_kwargs=dict(batch_size=1024, **epochs),
        ),
        "PyKEEN's ComplEx, LCWA": dict(
            dataset_kwargs=dict(create_inverse_triples=True),
            model="ComplEx",
            # with its own initializer, it is at 0.005 after three epochs, with this learning rate or a tenth of it
            model_kwargs=dict(
                embedding_dim=best["model_kwargs"]["embedding_dim"],
                entity_initializer="xavier_uniform",
                relation_initializer="xavier_uniform",
                regularizer=None,
            ),
            loss="CrossEntropy",
            optimizer_kwargs=dict(lr=1e-2),
            training_loop="LCWA",
            training_kwargs=dict(batch_size=1024, **epochs),
        ),
    }


def plot(curves: Mapping[str, list[dict[str, float]]]) -> Figure:
    """Plot the validation MRR over minutes."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.subplots()
    for name, points in curves.items():
        ax.plot([x["minutes"] for x in points], [x["MRR"] for x in points], marker=".", label=name)
    for target in TARGETS:
        ax.axhline(target, color="#bbbbbb", linewidth=0.8, zorder=0)
    ax.set(xlabel="minutes of one core", ylabel="validation MRR", ylim=(0, None), xlim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return figure


@click.command()
@click.option("--features", type=click.Path(exists=True, path_type=Path), help="Textual features of all entities.")
@click.option("--limit", type=float, default=30.0, show_default=True, help="Minutes for each contender.")
@click.option("--only", multiple=True, help="Some of the contenders; the others keep their results.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The results.")
def main(features: Path | None, limit: float, only: tuple[str, ...], path: Path) -> None:
    """Train the contenders, and write the results after each."""
    # the processor's time is the time of training only without others that wait for each other
    torch.set_num_threads(1)
    curves = json.loads(path.read_text())["curves"] if path.is_file() else {}
    for name, kwargs in contenders().items():
        if (only and name not in only) or (not only and name in curves):
            continue
        click.echo(name)
        dataset_kwargs = {**kwargs.pop("dataset_kwargs", {}), "validation": "holdout"}
        if features is not None:
            dataset_kwargs["features"] = {"textual": features}
        kwargs.pop("dataset", None)
        dataset = get_dataset(dataset="DB15K", dataset_kwargs=dataset_kwargs)
        curve = Curve(dataset, limit)
        kwargs["training_kwargs"]["callbacks"] = curve
        with suppress(OutOfTimeError):
            pipeline(dataset=dataset, random_seed=0, device="cpu", **kwargs)
        curves[name] = curve.points
        figure = plot(curves)
        figure.savefig(path.with_suffix(".png"), dpi=150)
        reached = {
            name: {str(x): next((p["minutes"] for p in points if p["MRR"] >= x), None) for x in TARGETS}
            for name, points in curves.items()
        }
        report(path, {"minutes": reached, "features": features and features.name, "curves": curves})
        click.echo(json.dumps(reached, indent=1))


if __name__ == "__main__":
    main()
