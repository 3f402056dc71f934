"""The command that runs the experiments of the paper."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from .options import DIRECTORY, POSITIVE, collect_dataset_kwargs, device_option, directory_option, features_option

__all__ = ["reproduce"]


def _parse_models(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> list[str] | None:
    """Split lists at commas, but not at those in parentheses, as in ``AdaMF (S+V+T, mean)``."""
    names = [name.strip() for item in value for name in re.split(r",(?![^(]*\))", item)]
    return names or None


@click.command()
@click.argument("experiment", metavar="EXPERIMENT")
@click.option(
    "--dataset", "datasets", multiple=True, default=["DB15K"], show_default=True, help="A dataset; repeatable."
)
@directory_option
@features_option
@click.option(
    "--validation",
    type=click.Choice(["published", "holdout"]),
    help="The validation triples of a benchmark: the published ones, or some of the training triples instead. Matters "
    "for early stopping, and for how many training triples there are.  [default: published]",
)
@click.option(
    "--models",
    multiple=True,
    callback=_parse_models,
    metavar="NAME,...",
    help="Some of the experiment's models, separated by commas; repeatable. If not given, all of them.",
)
@click.option(
    "--seeds", type=POSITIVE, default=5, show_default=True, help="How many random seeds each model has: 0, 1, …"
)
@click.option(
    "--configurations",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A directory with a configuration for each model, e.g., AdaMF-MAT.json, as PyKEEN reads and writes them. If "
    "not given, those of this package.",
)
@click.option("--epochs", type=POSITIVE, help="Epochs, if not as configured.")
@click.option(
    "--embedding-dim",
    type=POSITIVE,
    help="The embedding dimension, if not as configured. Margins stay as they are.",
)
@click.option("--batch-size", type=POSITIVE, help="Triples in a batch, if not as configured.")
@click.option("--negatives", type=POSITIVE, help="Negatives for each triple, if not as configured.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    help="The learning rate of all models, if not as configured.",
)
@click.option(
    "--test-triples",
    "num_test_triples",
    type=POSITIVE,
    help="Rank that many random test triples rather than all of them.",
)
@click.option(
    "--missing-by",
    type=click.Choice(["uniform", "degree"]),
    default="uniform",
    show_default=True,
    help="Which features figure3 drops first: random ones, or those of rare entities.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray", "inline"]),
    default="local",
    show_default=True,
    help="Where runs are carried out: in processes on this machine, on a cluster of Ray, or in this very process.",
)
@click.option("--workers", type=POSITIVE, default=1, show_default=True, help="Runs at a time of the engine local.")
@click.option("--address", help="The address of the cluster of Ray, e.g., auto. If not given, one is started.")
@click.option(
    "--gpus-per-run", type=click.FloatRange(min=0), default=0.0, help="GPUs that a run of Ray takes, e.g., 0.5."
)
@click.option("--dry-run", is_flag=True, help="Print one command for each run, for other engines, and run nothing.")
@device_option
@click.option("--retry", is_flag=True, help="Run again what has failed.")
@click.option("--report-only", is_flag=True, help="Write the report of what is finished, and run nothing.")
@click.option(
    "--output",
    type=DIRECTORY,
    required=True,
    help="The directory to write to. Several processes and machines may share it.",
)
def reproduce(
    experiment: str,
    directory: Path | None,
    features: dict[str, str | None],
    validation: str | None,
    engine: str,
    workers: int,
    address: str | None,
    gpus_per_run: float,
    device: str | None,
    report_only: bool,
    output: Path,
    **options: Any,
) -> None:
    """Run an experiment of the AdaMF-MAT paper, or what is missing of it, and report the results.

    EXPERIMENT is table2 (all models), table3 (ablations), figure3 (missing modalities), figure4 (groups of synthetic
    triples), or figure5 (weights of modalities). Whatever is finished is never run again: an interrupted command
    continues if it is repeated. More seeds, models or datasets may be added later.
    """
    # importing PyKEEN takes seconds; --help should not
    from ..datasets.download import DownloadError
    from ..experiments.engines import engine_resolver
    from ..experiments.paper import grid
    from ..experiments.paper.contenders import Overrides

    dataset_kwargs = collect_dataset_kwargs(directory=directory, features=features, validation=validation)
    overrides = Overrides(**{field.name: options.pop(field.name) for field in fields(Overrides)})
    engine_kwargs: dict[str, dict[str, object]] = {
        "inline": {},
        "local": {"workers": workers},
        "ray": {"address": address, "gpus_per_run": gpus_per_run},
    }
    try:
        if report_only:
            path = grid.report_only(experiment, output, dataset_kwargs)
        else:
            path = grid.reproduce(
                experiment,
                output=output,
                dataset_kwargs=dataset_kwargs,
                overrides=overrides,
                engine=engine_resolver.make(engine, engine_kwargs[engine], device=device),
                report=click.echo,
                **options,
            )
        num_failed = grid.count_failures(output)
    except KeyboardInterrupt:
        click.echo("Interrupted. What is finished is kept: repeat the command to go on, or see it with --report-only.")
        raise
    except (DownloadError, ImportError, OSError, RuntimeError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if options["dry_run"]:
        return
    click.echo(f"Wrote {path}")
    if num_failed:
        what = "1 run has" if num_failed == 1 else f"{num_failed} runs have"
        raise click.ClickException(
            f"{what} failed, see the end of the report. The same command with --retry runs what has failed again."
        )
