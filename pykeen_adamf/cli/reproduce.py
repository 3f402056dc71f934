"""The command that runs the experiments of the paper."""

import re
from pathlib import Path
from typing import Any

import click

from .options import (
    EXISTING_DIRECTORY,
    POSITIVE,
    budget_options,
    dataset_options,
    device_option,
    output_option,
    take_dataset_kwargs,
    take_overrides,
)

__all__ = ["reproduce"]


def _parse_models(_: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> list[str] | None:
    """Split lists at commas, but not at those in parentheses, as in ``AdaMF (S+V+T, mean)``."""
    names = [name.strip() for item in value for name in re.split(r",(?![^(]*\))", item)]
    return names or None


@click.command()
@click.argument("experiment", metavar="EXPERIMENT")
@click.option("--dataset", "datasets", multiple=True, default=["DB15K"], help="A dataset; repeatable.")
@dataset_options
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
@click.option("--seeds", type=POSITIVE, default=5, help="How many random seeds each model has: 0, 1, …")
@click.option(
    "--configurations",
    type=EXISTING_DIRECTORY,
    help="A directory with a configuration for each model, e.g., AdaMF-MAT.json, as PyKEEN reads and writes them. If "
    "not given, those of this package.",
)
@budget_options()
@click.option("--test-triples", "num_test_triples", type=POSITIVE, help="Rank that many random test triples, not all.")
@click.option(
    "--missing-by",
    type=click.Choice(["uniform", "degree"]),
    default="uniform",
    help="Which features figure3 drops first: random ones, or those of rare entities.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray", "inline"]),
    default="local",
    help="Where runs are carried out: in processes on this machine, on a cluster of Ray, or in this very process.",
)
@click.option("--workers", type=POSITIVE, default=1, help="Runs at a time of the engine local.")
@click.option("--address", help="The address of the cluster of Ray, e.g., auto. If not given, one is started.")
@click.option(
    "--gpus-per-run", type=click.FloatRange(min=0), default=0, help="GPUs that a run of Ray takes, e.g., 0.5."
)
@click.option("--dry-run", is_flag=True, help="Print one command for each run, for other engines, and run nothing.")
@device_option
@click.option("--retry", is_flag=True, help="Run again what has failed.")
@click.option("--report-only", is_flag=True, help="Write the report of what is finished, and run nothing.")
@output_option("The directory to write to. Several processes and machines may share it.")
def reproduce(experiment: str, output: Path, engine: str, report_only: bool, **options: Any) -> None:
    """Run an experiment of the AdaMF-MAT paper, or what is missing of it, and report the results.

    EXPERIMENT is table2 (all models), table3 (ablations), figure3 (missing modalities), figure4 (groups of synthetic
    triples), or figure5 (weights of modalities). Whatever is finished is never run again: an interrupted command
    continues if it is repeated. More seeds, models or datasets may be added later.
    """
    # importing PyKEEN takes seconds; --help should not
    from ..experiments.engines import engine_resolver
    from ..experiments.paper import grid

    dataset_kwargs, overrides = take_dataset_kwargs(options), take_overrides(options)
    known = {"inline": [], "local": ["workers"], "ray": ["address", "gpus_per_run"]}
    engine_kwargs = {kind: {name: options.pop(name) for name in names} for kind, names in known.items()}[engine]
    device = options.pop("device")
    try:
        if report_only:
            path = grid.report_only(experiment, output)
        else:
            path = grid.reproduce(
                experiment,
                output=output,
                dataset_kwargs=dataset_kwargs,
                overrides=overrides,
                engine=engine_resolver.make(engine, engine_kwargs, device=device),
                report=click.echo,
                **options,
            )
    except KeyboardInterrupt:
        click.echo("Interrupted. What is finished is kept: repeat the command to go on, or see it with --report-only.")
        raise
    if options["dry_run"]:
        return
    click.echo(f"Wrote {path}")
    grid.raise_failures(output, "The same command with --retry runs what has failed again.")
