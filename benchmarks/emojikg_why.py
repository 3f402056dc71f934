"""What adversarial training gains on EmojiKG, and why: by learning rate and margin, and by part of the loss.

All numbers are of validation triples. ``python benchmarks/emojikg_why.py --json benchmarks/results/emojikg_why.json``
"""

import dataclasses
import itertools
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy
import torch
from emojikg_methods import BUDGET, CONTENDERS, Contender, train

from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.experiments.results import describe_environment, write_json
from pykeen_adamf.training import adversary
from pykeen_adamf.training.objectives import adversarial_loss

LEARNING_RATES = (1e-3, 2e-3, 4e-3)
MARGINS = (4.0, 6.0)


def positive_only(positive: torch.Tensor, synthetic: Any, margin: float, *_: Any, **__: Any) -> torch.Tensor:
    """Only pull positive triples, again: without any synthetic triple."""
    return -torch.nn.functional.logsigmoid(margin + positive).mean()


def synthetic_only(positive: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Only push synthetic triples away."""
    return adversarial_loss(positive.detach(), *args, **kwargs)


def run(contender: Contender, loss: Callable[..., torch.Tensor], seed: int) -> dict[int, float]:
    """Train a model with an adversarial loss, in one thread, and return its validation MRR by epoch."""
    torch.set_num_threads(1)
    dataset = EmojiKG()
    # test triples are of no use here, and must not be
    dataset._testing = dataset.validation
    with mock.patch.object(adversary, "adversarial_loss", loss):
        return train(contender, dataset, BUDGET, seed=seed, device="cpu")[1].points


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), default=2, show_default=True, help="How many seeds.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="How many runs at a time.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(seeds: int, workers: int, path: Path | None) -> None:
    """Train AdaMF and AdaMF-MAT with several learning rates and margins, and AdaMF-MAT with parts of its loss."""
    experiments: dict[str, tuple[Contender, Callable[..., torch.Tensor]]] = {}
    for name in ("AdaMF", "AdaMF-MAT"):
        for lr, margin in itertools.product(LEARNING_RATES, MARGINS):
            contender = dataclasses.replace(CONTENDERS[name], lr=lr, margin=margin)
            experiments[f"{name}, learning rate {lr:g}, margin {margin:g}"] = contender, adversarial_loss
    for part in (positive_only, synthetic_only):
        experiments[f"AdaMF-MAT, {part.__name__.replace('_', ' ')}"] = CONTENDERS["AdaMF-MAT"], part
    results: dict[str, Any] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        futures = {
            name: [executor.submit(run, contender, loss, seed) for seed in range(seeds)]
            for name, (contender, loss) in experiments.items()
        }
        for name, part in futures.items():
            curves = [future.result() for future in part]
            last, best = (
                [pick(curve) for curve in curves] for pick in (lambda c: c[BUDGET.epochs], lambda c: max(c.values()))
            )
            results[name] = {"validation_MRR": last, "best_validation_MRR": best, "curves": curves}
            click.echo(f"{name}: {numpy.mean(last):.3f} after the last epoch, {numpy.mean(best):.3f} at best")
            if path is not None:
                environment = {"budget": dataclasses.asdict(BUDGET), "environment": describe_environment()}
                write_json(path, {**environment, "results": results})


if __name__ == "__main__":
    main()
