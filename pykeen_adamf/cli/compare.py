"""The command that compares models."""

from pathlib import Path
from typing import Any, Final

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

#: What is compared, in the order of the report.
MODELS: Final = ("RotatE (PyKEEN)", "RotatE", "AdaMF", "AdaMF-MAT")


@click.command()
@click.option("--dataset", "datasets", multiple=True, default=["DB15K"], help="A dataset; repeatable.")
@dataset_options
@budget_options(epochs=5, embedding_dim=64, batch_size=1024, negatives=128, learning_rate=1e-3)
@click.option("--seeds", type=POSITIVE, default=1, help="How many random seeds each model has: 0, 1, …")
@click.option("--test-triples", "num_test_triples", type=POSITIVE, help="Rank that many random test triples, not all.")
@device_option
@output_option("The directory of the runs; the same command continues what was interrupted.", "adamf-comparison")
def compare(output: Path, device: str | None, **options: Any) -> None:
    """Train RotatE, AdaMF and AdaMF-MAT with equal budget, and compare them: a small part of `reproduce table2`.

    RotatE is trained as in PyKEEN (2-norm), and as in the paper (sum of moduli). All other settings are those of
    `reproduce` for any dataset, e.g., the learning rate of the generators.
    """
    # importing PyKEEN takes seconds; --help should not
    from ..experiments.engines import InlineEngine
    from ..experiments.paper import grid
    from ..experiments.paper.contenders import DEFAULT

    kwargs = {"dataset_kwargs": take_dataset_kwargs(options), "overrides": take_overrides(options), **options}
    # the same settings whatever the dataset
    kwargs |= {"models": MODELS, "configurations": DEFAULT, "engine": InlineEngine(device), "retry": True}
    click.echo(f"Wrote {grid.reproduce('table2', output=output, report=click.echo, **kwargs)}")
    grid.raise_failures(output, "The same command tries again.")
