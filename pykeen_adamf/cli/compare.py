"""The command that compares models."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from .options import POSITIVE, device_option, directory_option, features_option, output_option, take_dataset_kwargs

__all__ = ["compare"]


@click.command()
@click.option("--dataset", default="DB15K", help="The name of a dataset.")
@directory_option
@features_option
@click.option("--epochs", type=POSITIVE, default=5, help="The epochs of each model.")
@click.option("--embedding-dim", type=POSITIVE, default=64, help="Complex numbers an embedding.")
@click.option("--batch-size", type=POSITIVE, default=1024, help="Triples in a batch.")
@click.option("--negatives", type=POSITIVE, default=128, help="Negatives for each triple.")
@click.option("--learning-rate", type=float, default=1e-3, help="The learning rate of Adam.")
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
    from ..experiments.paper.contenders import Overrides

    overrides = Overrides(**{field.name: options.pop(field.name) for field in fields(Overrides)})
    kwargs = take_dataset_kwargs(options)
    run(dataset_kwargs=kwargs, output=output, overrides=overrides, report=click.echo, **options)
    click.echo(f"Wrote {output}")
