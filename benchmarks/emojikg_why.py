"""What adversarial training gains on EmojiKG, and why: by learning rate and margin, and by part of the loss.

All numbers are of validation triples.
``python benchmarks/emojikg_why.py --output RUNS --json benchmarks/results/emojikg_why.json``
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy
import pandas
import torch
from emojikg_methods import carry_out, read_configuration, run_all

from pykeen_adamf.experiments.folder import write_json
from pykeen_adamf.experiments.recording import VALIDATION, describe_environment
from pykeen_adamf.training import adversarial_step
from pykeen_adamf.training.objectives import adversarial_loss

LEARNING_RATES = (1e-3, 2e-3, 4e-3)
MARGINS = (4.0, 6.0)

#: After how many epochs the validation MRR is measured.
EVERY = 4


def positive_only(positive: torch.Tensor, synthetic: Any, margin: float, *_: Any, **__: Any) -> torch.Tensor:
    """Only pull positive triples, again: without any synthetic triple."""
    return -torch.nn.functional.logsigmoid(margin + positive).mean()


def synthetic_only(positive: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Only push synthetic triples away."""
    return adversarial_loss(positive.detach(), *args, **kwargs)


#: What the adversarial loss of AdaMF-MAT is replaced by.
PARTS = {"positive only": positive_only, "synthetic only": synthetic_only}


def carry_out_part(configuration: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Train with a part of the adversarial loss, by the folder's name, or with all of it."""
    part = PARTS.get(folder.name.rpartition(", ")[0].partition(", ")[2], adversarial_loss)
    with mock.patch.object(adversarial_step, "adversarial_loss", part):
        return carry_out(configuration, folder, validate_every=EVERY)


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), default=2, show_default=True, help="How many seeds.")
@click.option("--epochs", type=click.IntRange(min=1), help="The epochs of each run, if not the configured ones.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="How many runs at a time.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folders of runs.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(seeds: int, epochs: int | None, workers: int, output: Path, path: Path | None) -> None:
    """Train AdaMF and AdaMF-MAT with several learning rates and margins, and AdaMF-MAT with parts of its loss."""
    configurations: dict[str, dict[str, Any]] = {}
    for seed in range(seeds):
        for name, lr, margin in itertools.product(("AdaMF", "AdaMF-MAT"), LEARNING_RATES, MARGINS):
            configuration = read_configuration(name, epochs)
            configuration["pipeline"]["optimizer_kwargs"]["lr"] = lr
            configuration["pipeline"]["loss_kwargs"]["margin"] = margin
            configurations[f"{name}, learning rate {lr:g}, margin {margin:g}, seed {seed}"] = configuration
        for part in PARTS:
            configurations[f"AdaMF-MAT, {part}, seed {seed}"] = read_configuration("AdaMF-MAT", epochs)
    for name, configuration in configurations.items():
        configuration["pipeline"]["random_seed"] = int(name.rpartition(" ")[2])
        # test triples are of no use here, and are not looked at
        configuration["data"] = {"test_triples": 1}
    run_all(configurations, output, workers, carry_out_part)
    results: dict[str, dict[str, list[Any]]] = {}
    for name in configurations:
        curve = pandas.read_csv(output / name / "curve.csv").set_index("epoch")[VALIDATION].dropna()
        result = results.setdefault(
            name.rpartition(", ")[0], {"validation_MRR": [], "best_validation_MRR": [], "curves": []}
        )
        result["validation_MRR"].append(float(curve.iloc[-1]))
        result["best_validation_MRR"].append(float(curve.max()))
        result["curves"].append(curve.to_dict())
    for name, result in results.items():
        last, best = numpy.mean(result["validation_MRR"]), numpy.mean(result["best_validation_MRR"])
        click.echo(f"{name}: {last:.3f} after the last epoch, {best:.3f} at best")
    if path is not None:
        write_json(path, {"environment": describe_environment("cpu"), "results": results})


if __name__ == "__main__":
    main()
