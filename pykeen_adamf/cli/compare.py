"""The command that compares models."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from .options import DIRECTORY, POSITIVE, collect_dataset_kwargs, device_option, directory_option, features_option

__all__ = ["compare"]


@click.command()
@click.option("--dataset", default="DB15K", show_default=True, help="The name of a dataset.")
@directory_option
@features_option
@click.option("--epochs", type=POSITIVE, default=5, show_default=True, help="The epochs of each model.")
@click.option("--embedding-dim", type=POSITIVE, default=64, show_default=True, help="Complex numbers an embedding.")
@click.option("--batch-size", type=POSITIVE, default=1024, show_default=True, help="Triples in a batch.")
@click.option("--negatives", type=POSITIVE, default=128, show_default=True, help="Negatives for each triple.")
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="The learning rate of Adam.")
@click.option(
    "--adversarial-weight", type=float, default=0.1, show_default=True, help="The weight of the adversarial loss."
)
@click.option(
    "--test-triples",
    "num_test_triples",
    type=POSITIVE,
    help="Evaluate on that many random test triples rather than on all.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The random seed.")
@device_option
@click.option(
    "--output",
    type=DIRECTORY,
    default="adamf-comparison",
    show_default=True,
    help="The directory with a folder for each run; the same command continues what was interrupted.",
)
def compare(directory: Path | None, features: dict[str, str | None], output: Path, **options: Any) -> None:
    """Train RotatE, AdaMF and AdaMF-MAT with equal budget, and compare them.

    RotatE is trained as in PyKEEN (2-norm), and as in the paper (sum of moduli).
    """
    # importing PyKEEN takes seconds; --help should not
    from ..experiments.compare import compare as run
    from ..experiments.paper.contenders import Overrides

    dataset_kwargs = collect_dataset_kwargs(directory=directory, features=features)
    overrides = Overrides(**{field.name: options.pop(field.name) for field in fields(Overrides)})
    try:
        run(dataset_kwargs=dataset_kwargs, output=output, overrides=overrides, report=click.echo, **options)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Wrote {output}")
