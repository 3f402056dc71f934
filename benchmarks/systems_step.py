"""Time and memory of a training step of each system, at DB15K's size, beside AdaMF's.

``python benchmarks/systems_step.py --json benchmarks/results/systems_step.json``

Each is configured as in ``reproduce table2`` for any dataset: 200 dimensions, batches of 1,024 triples. Systems with
sampled negatives have 128 for each triple, MMRNS from 1,500 candidates, KBGAN one of 20 candidates, and those with
one-to-N training all entities.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import torch
import workloads
from pykeen.losses import loss_resolver
from pykeen.models import model_resolver
from pykeen.training import training_loop_resolver
from pykeen.triples import CoreTriplesFactory
from timing import peak_gb, report, summarize, take_turns

from pykeen_adamf.experiments.paper.contenders import DEFAULT, MULTIMODAL, OTHERS, load_configuration

REFERENCE = "AdaMF"
SYSTEMS = (
    "AdaMF",
    "AdaMF-MAT",
    *(name for name in MULTIMODAL if name != "AdaMF"),
    *OTHERS,
    "OTE",
    "GC-OTE",
    "KBGAN (TransE)",
)


def load() -> CoreTriplesFactory:
    """Make triples with features of the published shapes."""
    return workloads.with_features(workloads.load_triples(None)[0], workloads.DB15K_DIMS)


def make(name: str, factory: CoreTriplesFactory, batch_size: int) -> Callable[[], None]:
    """Return the step of a system."""
    pipeline = load_configuration(name, "DB15K", DEFAULT)["pipeline"]
    if pipeline.get("dataset_kwargs", {}).get("create_inverse_triples"):
        factory = factory.clone_and_exchange_triples(factory.mapped_triples, create_inverse_triples=True)
    model = model_resolver.make(
        pipeline["model"],
        pipeline["model_kwargs"],
        triples_factory=factory,
        loss=loss_resolver.make(pipeline["loss"], pipeline.get("loss_kwargs")),
        random_seed=0,
    )
    sampler = pipeline.get("negative_sampler")
    num = pipeline.get("negative_sampler_kwargs", {}).get("num_negs_per_pos", 1)
    loop = training_loop_resolver.lookup(pipeline["training_loop"])
    options = pipeline.get("training_loop_kwargs", {})
    sizes = dict(batch_size=batch_size, num_negatives=num)
    return workloads.make_step(model, factory, loop, negative_sampler=sampler, **sizes, **options)


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="How often each is timed.")
@click.option("--only", multiple=True, help="Some of the systems, beside AdaMF.")
@click.option("--batch-size", type=click.IntRange(min=1), default=workloads.BATCH_SIZE, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="The number of threads.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
@click.option("--peak-of", hidden=True)
def main(
    rounds: int, only: tuple[str, ...], batch_size: int, threads: int | None, path: Path | None, peak_of: str | None
) -> None:
    """Time the steps."""
    if threads:
        torch.set_num_threads(threads)
    factory = load()
    if peak_of:
        step = make(peak_of, factory, batch_size)
        for _ in range(3):
            step()
        click.echo(json.dumps(peak_gb()))
        return
    names = [name for name in SYSTEMS if not only or name in only or name == REFERENCE]
    seconds, peaks, relative = {}, {}, {}
    for name in names:
        # one beside the reference at a time: all of them would not fit
        steps = {x: make(x, factory, batch_size) for x in dict.fromkeys((REFERENCE, name))}
        turns = take_turns(steps, rounds)
        seconds[name] = {"seconds": turns[name], REFERENCE: turns[REFERENCE]}
        options = {"--peak-of": name, "--batch-size": batch_size, "--threads": torch.get_num_threads()}
        command = [sys.executable, __file__, *(str(x) for option in options.items() for x in option)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
        peaks[name] = float(json.loads(output.splitlines()[-1]))
        click.echo(summarize(turns, REFERENCE) + f"\n{name}: {peaks[name]:.2f} GB")
        relative[name] = statistics.median(a / b for a, b in zip(turns[name], turns[REFERENCE], strict=True))
        # now: it takes long, and the next one may need more memory than there is
        report(path, {"ratios": relative, "peaks_gb": peaks, "seconds": seconds})


if __name__ == "__main__":
    main()
