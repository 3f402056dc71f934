"""Time of a training step for growing numbers of entities, negatives and dimensions.

``python benchmarks/scaling.py --json benchmarks/results/scaling.json``
"""

import statistics
from collections.abc import Callable
from pathlib import Path

import click
import torch
import workloads
from pykeen.triples import CoreTriplesFactory
from timing import ratios, report, summarize, take_turns

from pykeen_adamf.optimizers import LazyAdam

#: The width of the features, and how many entities a batch draws its negatives from.
FEATURE_DIM, POOL_SIZE = 384, 8192


def make_factory(num_entities: int) -> CoreTriplesFactory:
    """Return triples which grow with the number of entities."""
    triples = workloads.random_triples(num_entities, 279, 4 * num_entities)
    return CoreTriplesFactory(triples, num_entities=num_entities, num_relations=279)


def make_reference(num_entities: int) -> Callable[[], None]:
    """Return a step of PyKEEN's RotatE."""
    factory = make_factory(num_entities)
    return workloads.make_step(workloads.pykeen_rotate(factory), factory)


def make(
    num_entities: int,
    *,
    pool_size: int | None = POOL_SIZE,
    num_negatives: int = workloads.NUM_NEGATIVES,
    dim: int = workloads.EMBEDDING_DIM,
    dtype: torch.dtype = torch.float16,
) -> Callable[[], None]:
    """Return a step of AdaMF-MAT with frozen features and sparse gradients."""
    factory = make_factory(num_entities)
    multimodal = workloads.with_features(factory, {"textual": FEATURE_DIM}, dtype=dtype)
    model = workloads.adamf(multimodal, dim=dim, trainable_features=False, sparse=True)
    return workloads.make_step(
        model,
        multimodal,
        workloads.MATTrainingLoop,
        optimizer=LazyAdam,
        negative_sampler="filteredbernoulli",
        num_negatives=num_negatives,
        sampler_kwargs=dict(pool_size=pool_size),
    )


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="How often each is timed.")
@click.option("--entities", type=int, multiple=True, default=(15_000, 100_000, 1_000_000), show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="The number of threads.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(rounds: int, entities: tuple[int, ...], threads: int | None, path: Path | None) -> None:
    """Time the steps."""
    if threads:
        torch.set_num_threads(threads)
    results = {}
    for title, pool_size in (("pool", POOL_SIZE), ("independent", None)):
        steps = {f"{num:,} entities": make(num, pool_size=pool_size) for num in entities}
        reference = next(iter(steps))
        seconds = take_turns(steps, rounds)
        click.echo(f"\nNegatives of a batch from {'all entities' if pool_size is None else f'{pool_size:,} entities'}")
        click.echo(summarize(seconds, reference))
        results[title] = {"ratios": ratios(seconds, reference), "seconds": seconds}
        del steps
    for num in entities:
        steps = {"PyKEEN RotatE": make_reference(num), "AdaMF-MAT, pool": make(num)}
        seconds = take_turns(steps, max(1, rounds // 2))
        click.echo(f"\n{num:,} entities\n{summarize(seconds, 'PyKEEN RotatE')}")
        results[f"pykeen, {num} entities"] = {"ratios": ratios(seconds, "PyKEEN RotatE"), "seconds": seconds}
        del steps
    others = {}
    for name, values in (("num_negatives", (32, 128, 512)), ("dim", (64, 250, 500))):
        seconds = take_turns({f"{name} = {value}": make(15_000, **{name: value}) for value in values}, rounds)
        click.echo("\n" + summarize(seconds, next(iter(seconds))))
        others |= {key: statistics.median(times) for key, times in seconds.items()}
    report(path, {**results, "median_seconds": others})


if __name__ == "__main__":
    main()
