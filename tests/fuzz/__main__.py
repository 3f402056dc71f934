"""A long run: ``python -m tests.fuzz --files 5000 --seed 1``."""

import sys
from pathlib import Path

import click

from .running import FINE, fuzz, to_table
from .targets import TARGETS


@click.command()
@click.option("--files", default=1000, show_default=True, help="The number of files.")
@click.option("--seed", default=0, show_default=True, help="Runs with different seeds have different files.")
@click.option("--start", default=0, show_default=True, help="The number of the first file, to continue a run.")
@click.option("--target", "targets", multiple=True, type=click.Choice(list(TARGETS)), help="Only these kinds of files.")
@click.option("--failures", default="fuzz-failures", type=click.Path(path_type=Path), show_default=True)
def main(files: int, seed: int, start: int, targets: tuple[str, ...], failures: Path) -> None:
    """Read changed files, keep those that are not read or refused as they should be, and print a table."""
    counts = fuzz(files, seed, targets, start=start, failures=failures)
    click.echo(to_table(counts))
    sys.exit(any(outcome not in FINE for _, outcome in counts))


if __name__ == "__main__":
    main()
