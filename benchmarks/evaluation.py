"""Time of the evaluation: our RotatE and AdaMF against PyKEEN's RotatE, all with PyKEEN's rank-based evaluator.

``python benchmarks/evaluation.py --json benchmarks/results/evaluation.json``
"""

from collections.abc import Callable
from pathlib import Path

import click
import torch
import workloads
from pykeen.evaluation import RankBasedEvaluator
from pykeen.models import Model
from timing import ratios, report, summarize, take_turns

REFERENCE = "PyKEEN RotatE"
CONTENDERS = {"rotate": "RotatE, our path", "adamf": "AdaMF"}


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="How often each is timed.")
@click.option("--triples", "num", type=click.IntRange(min=1), default=1000, show_default=True, help="How many triples.")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="PyKEEN's on the CPU.")
@click.option("--directory", type=click.Path(exists=True, file_okay=False, path_type=Path), help="DB15K's triples.")
@click.option("--threads", type=click.IntRange(min=1), help="The number of threads.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(
    rounds: int, num: int, batch_size: int, directory: Path | None, threads: int | None, path: Path | None
) -> None:
    """Time the filtered ranking of test triples, both sides."""
    if threads:
        torch.set_num_threads(threads)
    training, testing = workloads.load_triples(directory)
    triples = testing.mapped_triples[:num]

    def evaluate(model: Model) -> Callable[[], object]:
        def call() -> object:
            # as after training: nothing is left of an earlier evaluation
            model.train()
            return RankBasedEvaluator().evaluate(
                model,
                triples,
                batch_size=batch_size,
                additional_filter_triples=[training.mapped_triples, testing.mapped_triples],
                use_tqdm=False,
            )

        return call

    models = {
        REFERENCE: workloads.pykeen_rotate(training),
        CONTENDERS["rotate"]: workloads.lp_rotate(training),
        CONTENDERS["adamf"]: workloads.adamf(workloads.with_features(training, workloads.DB15K_DIMS)),
    }
    seconds = take_turns({name: evaluate(model) for name, model in models.items()}, rounds, warmup=0)
    click.echo(summarize(seconds, REFERENCE))
    relative = ratios(seconds, REFERENCE)
    report(
        path,
        {
            "ratio": relative[CONTENDERS["adamf"]],
            "ratios": {name: relative[label] for name, label in CONTENDERS.items()},
            "seconds": seconds,
            "num_triples": len(triples),
            "batch_size": batch_size,
            "triples": "DB15K" if directory else "synthetic, of DB15K's shape",
        },
    )


if __name__ == "__main__":
    main()
