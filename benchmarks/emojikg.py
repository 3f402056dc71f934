"""RotatE, AdaMF and AdaMF-MAT on EmojiKG: several seeds, and with features shuffled between entities.

``python benchmarks/emojikg.py --seeds 5 --json benchmarks/results/emojikg.json``
"""

import dataclasses
import os
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy
import torch
from emojikg_methods import BUDGET, CONTENDERS, Budget, train
from pykeen.datasets import Dataset

from pykeen_adamf.datasets import EagerMultimodalDataset, EmojiKG
from pykeen_adamf.evaluation.measuring import METRICS, collect_metrics
from pykeen_adamf.experiments.results import describe_environment, write_json
from pykeen_adamf.features import ModalityFeatures


def shuffle_features(dataset: Dataset, seed: int) -> Dataset:
    """Give each entity the features of another one which has the modality, too."""
    rng = torch.Generator().manual_seed(seed)
    shuffled = {}
    for name, features in dataset.training.features.items():
        present = features.presence.nonzero().view(-1)
        matrix = features.matrix.clone()
        matrix[present] = features.matrix[present[torch.randperm(len(present), generator=rng)]]
        shuffled[name] = ModalityFeatures.from_matrix(matrix, features.labels, features.presence, source="shuffled")
    parts = []
    for factory in (dataset.training, dataset.testing, dataset.validation):
        clone = factory.clone_and_exchange_triples(factory.mapped_triples)
        clone.features = shuffled
        parts.append(clone)
    return EagerMultimodalDataset(*parts)


def run(seed: int, name: str, shuffled: bool, budget: Budget) -> dict[str, Any]:
    """Train and evaluate one model with one seed, in one thread."""
    torch.set_num_threads(1)
    dataset: Dataset = EmojiKG()
    if shuffled:
        dataset = shuffle_features(dataset, seed)
    result, curve = train(CONTENDERS[name], dataset, budget, seed=seed, device="cpu")
    metrics = collect_metrics(result.metric_results)
    sides = {side: {name: kinds["realistic"][name] for name in METRICS} for side, kinds in metrics.items()}
    return {"seed": seed, **sides, "validation_curve": curve.points}


@click.command()
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="How many seeds.")
@click.option("--epochs", type=click.IntRange(min=1), help="The epochs of each run, if not the configured ones.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="How many runs at a time.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(seeds: int, epochs: int | None, workers: int, path: Path | None) -> None:
    """Compare on test triples; the configurations were chosen on validation triples."""
    budget = BUDGET if epochs is None else dataclasses.replace(BUDGET, epochs=epochs)
    tasks = [
        (seed, name, shuffled)
        for seed in range(seeds)
        for name, contender in CONTENDERS.items()
        for shuffled in (False, True)
        if not (shuffled and contender.model == "LpRotatE")
    ]
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        futures = [executor.submit(run, *task, budget) for task in tasks]
        for (seed, name, shuffled), future in zip(tasks, futures, strict=True):
            title = f"{name}, shuffled features" if shuffled else name
            runs[title].append(future.result())
            click.echo(f"{title}, seed {seed}: {runs[title][-1]['both']['MRR']:.3f}")
            if path is not None:
                write_json(path, _collect(runs, budget))
    click.echo(_table(runs))


def _collect(runs: dict[str, list[dict[str, Any]]], budget: Any) -> dict[str, Any]:
    """Collect everything there is to know."""
    return {
        "dataset": "EmojiKG",
        "budget": dataclasses.asdict(budget),
        "configurations": {name: dataclasses.asdict(contender) for name, contender in CONTENDERS.items()},
        "environment": {**describe_environment(), "num_cpus": os.cpu_count()},
        "summary": {name: _aggregate(part) for name, part in runs.items()},
        "runs": runs,
    }


def _aggregate(part: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return mean and standard deviation of each metric over seeds."""
    values = {metric: [run["both"][metric] for run in part] for metric in METRICS}
    return {
        metric: [float(numpy.mean(x)), float(numpy.std(x, ddof=1)) if len(x) > 1 else 0.0]
        for metric, x in values.items()
    }


def _table(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Format mean and standard deviation over seeds."""
    rows = [["filtered test metrics", *METRICS], ["---"] * (len(METRICS) + 1)]
    for name, part in runs.items():
        metrics = [f"{mean:.3f} ± {std:.3f}" for mean, std in _aggregate(part).values()]
        rows.append([name, *metrics])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


if __name__ == "__main__":
    main()
