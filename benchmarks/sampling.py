"""Time of negative sampling: our exactly filtered Bernoulli sampler against PyKEEN's samplers.

``python benchmarks/sampling.py --json benchmarks/results/sampling.json``
"""

from pathlib import Path

import click
import torch
import workloads
from pykeen.sampling import BasicNegativeSampler, BernoulliNegativeSampler
from timing import ratios, report, summarize, take_turns

from pykeen_adamf.sampling import FilteredBernoulliNegativeSampler

REFERENCE = "PyKEEN basic, unfiltered"
OURS = "filtered Bernoulli"
CONTENDERS = {
    REFERENCE: (BasicNegativeSampler, {}),
    "PyKEEN Bernoulli, unfiltered": (BernoulliNegativeSampler, {}),
    "PyKEEN Bernoulli, filtered by a Bloom filter": (
        BernoulliNegativeSampler,
        dict(filtered=True, filterer="bloom"),
    ),
    OURS: (FilteredBernoulliNegativeSampler, {}),
    "filtered Bernoulli, pool of 8,192": (FilteredBernoulliNegativeSampler, dict(pool_size=8192)),
}


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=21, show_default=True, help="How often each is timed.")
@click.option("--directory", type=click.Path(exists=True, file_okay=False, path_type=Path), help="DB15K's triples.")
@click.option("--threads", type=click.IntRange(min=1), help="The number of threads.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(rounds: int, directory: Path | None, threads: int | None, path: Path | None) -> None:
    """Time the samplers for a batch of 1024 positives with 128 negatives each."""
    if threads:
        torch.set_num_threads(threads)
    factory, _ = workloads.load_triples(directory)
    batch = factory.mapped_triples[torch.randperm(factory.num_triples)[: workloads.BATCH_SIZE]]
    common = dict(
        mapped_triples=factory.mapped_triples,
        num_entities=factory.num_entities,
        num_relations=factory.num_relations,
        num_negs_per_pos=workloads.NUM_NEGATIVES,
    )
    samplers = {name: cls(**common, **kwargs) for name, (cls, kwargs) in CONTENDERS.items()}
    seconds = take_turns(
        {name: (lambda sampler=sampler: sampler.sample(batch)) for name, sampler in samplers.items()}, rounds
    )
    click.echo(summarize(seconds, REFERENCE))
    report(path, {"ratios": ratios(seconds, REFERENCE), "seconds": seconds})


if __name__ == "__main__":
    main()
