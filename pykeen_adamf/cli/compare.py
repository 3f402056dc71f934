"""The command that compares models."""

from pathlib import Path

import click

from .options import directory_option, features_option

__all__ = ["compare"]


@click.command()
@click.option("--dataset", default="DB15K", show_default=True, help="The name of a dataset.")
@directory_option
@features_option
@click.option("--epochs", type=click.IntRange(min=1), default=5, show_default=True, help="The epochs of each model.")
@click.option(
    "--embedding-dim", type=click.IntRange(min=1), default=64, show_default=True, help="Complex numbers an embedding."
)
@click.option("--batch-size", type=click.IntRange(min=1), default=1024, show_default=True, help="Triples in a batch.")
@click.option(
    "--negatives", type=click.IntRange(min=1), default=128, show_default=True, help="Negatives for each triple."
)
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="The learning rate of Adam.")
@click.option(
    "--adversarial-weight", type=float, default=0.1, show_default=True, help="The weight of the adversarial loss."
)
@click.option(
    "--test-triples", type=click.IntRange(min=1), help="Evaluate on that many random test triples rather than on all."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The random seed.")
@click.option("--device", help="The device, e.g., cpu or cuda. If not given, a GPU if there is one.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="comparison.json",
    show_default=True,
    help="Where to write the results.",
)
def compare(
    dataset: str,
    directory: Path | None,
    features: dict[str, str | None],
    epochs: int,
    embedding_dim: int,
    batch_size: int,
    negatives: int,
    learning_rate: float,
    adversarial_weight: float,
    test_triples: int | None,
    seed: int,
    device: str | None,
    output: Path,
) -> None:
    """Train RotatE, AdaMF and AdaMF-MAT with equal budget, and compare them.

    RotatE is trained as in PyKEEN (2-norm), and as in the paper (sum of moduli).
    """
    # importing PyKEEN takes seconds; --help should not
    from ..experiments.compare import compare as run
    from ..experiments.results import format_table

    dataset_kwargs: dict[str, object] = {}
    if directory is not None:
        dataset_kwargs["directory"] = str(directory)
    if features:
        dataset_kwargs["features"] = features
    results = run(
        dataset,
        dataset_kwargs=dataset_kwargs,
        epochs=epochs,
        embedding_dim=embedding_dim,
        batch_size=batch_size,
        num_negatives=negatives,
        lr=learning_rate,
        adversarial_weight=adversarial_weight,
        num_test_triples=test_triples,
        seed=seed,
        device=device,
        output=output,
        report=click.echo,
    )
    click.echo(format_table(results))
    click.echo(f"Wrote {output}")
