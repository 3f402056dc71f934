"""A long run: ``python -m tests.fuzz --files 5000 --seed 1``."""

import json
import sys
from collections import Counter
from pathlib import Path

import click

from .running import FINE, fuzz, to_table
from .targets import TARGETS

#: How many files are recorded at once.
PART_SIZE = 1000


@click.command()
@click.option("--files", default=1000, show_default=True, help="The number of files.")
@click.option("--seed", default=0, show_default=True, help="Runs with different seeds have different files.")
@click.option("--start", default=0, show_default=True, help="The number of the first file, to continue a run.")
@click.option("--target", "targets", multiple=True, type=click.Choice(list(TARGETS)), help="Only these kinds of files.")
@click.option("--failures", default="fuzz-failures", type=click.Path(path_type=Path), show_default=True)
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file of results: what is in it is not read again, and several processes can add to it.",
)
def main(files: int, seed: int, start: int, targets: tuple[str, ...], failures: Path, record: Path | None) -> None:
    """Read changed files, keep those that are not read or refused as they should be, and print a table."""
    counts = Counter[tuple[str, str]]()
    lines = record.read_text().splitlines() if record is not None and record.exists() else []
    parts = [(first, min(PART_SIZE, start + files - first)) for first in range(start, start + files, PART_SIZE)]
    with click.progressbar(parts, label="parts", file=sys.stderr) as progress:
        for first, size in progress:
            # files depend on how many targets there are
            what = {"seed": seed, "start": first, "files": size, "targets": list(targets), "of": len(TARGETS)}
            known = [x["counts"] for x in map(json.loads, lines) if {key: x[key] for key in what} == what]
            if known:
                found = Counter({key.rpartition(": ")[::2]: count for key, count in known[0].items()})
            else:
                found = fuzz(size, seed, targets, start=first, failures=failures)
                if record is not None:
                    content = {**what, "counts": {": ".join(key): count for key, count in found.items()}}
                    with record.open("a") as file:
                        file.write(json.dumps(content) + "\n")
            counts += found
    click.echo(to_table(counts))
    sys.exit(any(outcome not in FINE for _, outcome in counts))


if __name__ == "__main__":
    main()
