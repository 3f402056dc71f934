"""The search that the configurations on EmojiKG come from: random, and on validation triples only.

The ranges were left by pilot runs, likewise on validation triples: about 20 for AdaMF, and, since it has more options,
about 60 for AdaMF-MAT. In ``results/emojikg_search.jsonl``, trials 12 to 15 of AdaMF and AdaMF-MAT are not random: they
are four smaller learning rates for each, after the smallest one of the first range had turned out best.

``python benchmarks/emojikg_search.py --model AdaMF-MAT --trials 16 --json search.jsonl``
"""

import dataclasses
import json
import random
import time
from pathlib import Path
from typing import Any

import click
import torch
from emojikg_methods import BUDGET, CONTENDERS, Contender, train

from pykeen_adamf.datasets import EmojiKG


def sample(name: str, rng: random.Random) -> Contender:
    """Sample a configuration, from ranges that pilot runs on validation triples have left."""
    structural = name == "RotatE"
    shared: dict[str, Any] = dict(
        model=CONTENDERS[name].model,
        training_loop=CONTENDERS[name].training_loop,
        lr=rng.choice([2e-3, 3e-3, 5e-3, 1e-2] if structural else [1e-3, 2e-3, 3e-3, 5e-3]),
        margin=rng.choice([3.0, 4.0, 6.0] if structural else [4.0, 5.0, 6.0]),
        adversarial_temperature=rng.choice([0.5, 1.0, 2.0] if structural else [1.0, 2.0]),
    )
    if structural:
        return Contender(**shared)
    # features that are trained, as by default, overfit in all pilot runs on this small graph
    model_kwargs = dict(missing=rng.choice(["random", "zero"]), attention="per-modality", trainable_features=False)
    if name == "AdaMF":
        return Contender(**shared, model_kwargs=model_kwargs)
    training_loop_kwargs = dict(
        adversarial_weight=rng.choice([0.3, 1.0, 3.0]),
        adversarial_weighting="uniform",
        generator_objective="minimax",
        generator_optimizer_kwargs=dict(lr=1e-4),
        hidden_dim=128,
    )
    return Contender(**shared, model_kwargs=model_kwargs, training_loop_kwargs=training_loop_kwargs)


@click.command()
@click.option("--model", "name", type=click.Choice(list(CONTENDERS)), required=True, help="The model.")
@click.option("--trials", type=click.IntRange(min=1), default=12, show_default=True, help="How many configurations.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the search.")
@click.option("--threads", type=click.IntRange(min=1), help="How many threads to compute with.")
@click.option(
    "--json", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="One line a trial."
)
def main(name: str, trials: int, seed: int, threads: int | None, path: Path) -> None:
    """Search; the best is the one with the largest validation MRR after the last epoch."""
    if threads is not None:
        torch.set_num_threads(threads)
    rng = random.Random(seed)  # noqa: S311 - a search is no secret
    # test triples are of no use here, and must not be
    dataset = EmojiKG()
    dataset._testing = dataset.validation
    best = (0.0, "")
    for trial in range(trials):
        contender = sample(name, rng)
        start = time.perf_counter()
        _, curve = train(contender, dataset, BUDGET, seed=0, device="cpu")
        value = curve.points[BUDGET.epochs]
        line = json.dumps(
            {
                "model": name,
                "trial": trial,
                "validation_MRR": value,
                "configuration": dataclasses.asdict(contender),
                "budget": dataclasses.asdict(BUDGET),
                "curve": curve.points,
                "seconds": time.perf_counter() - start,
            }
        )
        with path.open("a") as file:
            file.write(line + "\n")
        best = max(best, (value, line))
        click.echo(f"{trial}: {value:.3f}, best {best[0]:.3f}")
    click.echo(best[1])


if __name__ == "__main__":
    main()
