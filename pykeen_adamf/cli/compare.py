"""The command that compares models."""

from pathlib import Path
from typing import Any

import click

from .options import (
    POSITIVE,
    budget_options,
    dataset_options,
    device_option,
    output_option,
    take_dataset_kwargs,
    take_overrides,
)

__all__ = ["compare"]


@click.command()
@click.option("--dataset", default="DB15K", help="The name of a dataset.")
@dataset_options
@budget_options(epochs=5, embedding_dim=64, batch_size=1024, negatives=128, learning_rate=1e-3)
@click.option("--adversarial-weight", type=float, default=0.1, help="The weight of the adversarial loss.")
@click.option("--test-triples", "num_test_triples", type=POSITIVE, help="Rank that many random test triples, not all.")
@click.option("--seed", type=int, default=0, help="The random seed.")
@device_option
@output_option("The directory of the runs; the same command continues what was interrupted.", "adamf-comparison")
def compare(output: Path, **options: Any) -> None:
    """Train RotatE, AdaMF and AdaMF-MAT with equal budget, and compare them.

    RotatE is trained as in PyKEEN (2-norm), and as in the paper (sum of moduli).
    """
    # importing PyKEEN takes seconds; --help should not
    from ..experiments.compare import compare as run

    overrides, kwargs = take_overrides(options), take_dataset_kwargs(options)
    run(dataset_kwargs=kwargs, output=output, overrides=overrides, report=click.echo, **options)
    click.echo(f"Wrote {output}")
