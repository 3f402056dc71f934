"""Ensembles of presets: weights by validation triples, and what they are worth on test triples.

Each part is a run of its own, which continues where it was interrupted; then the weights are found::

    python -m benchmarks.ensembles MKG-Y MKG-Y-inverse MKG-Y-ComplEx --features name-minilm.npy --runs RUNS
    python -m benchmarks.ensembles MKG-Y MKG-Y-inverse MKG-Y-ComplEx --features name-minilm.npy --runs RUNS --test

Only the second one looks at test triples of the ensemble (runs measure those of parts). It writes metrics and ranks to
``results/ensembles``, and prints the paired difference to the first part.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import click
import numpy
import torch

from pykeen_adamf.bundle import open_trained
from pykeen_adamf.evaluation import Ranks, compare_ranks, read_ranks
from pykeen_adamf.evaluation.measuring import RankKeepingEvaluator, collect_metrics
from pykeen_adamf.experiments.configuration import read_configuration
from pykeen_adamf.experiments.ensembling import make_ensemble
from pykeen_adamf.experiments.recording import describe_environment
from pykeen_adamf.experiments.run import run

RESULTS = Path(__file__).parent / "results" / "ensembles"


def train(preset: str, seed: int, features: Path | None, folder: Path) -> dict[str, Any]:
    """Train a part, unless it is there, and return its result."""
    configuration = read_configuration(preset)
    if features is not None:
        configuration["pipeline"]["dataset_kwargs"]["features"] = {"textual": str(features.absolute())}
    result = run(configuration, folder, seed=seed, device="cpu", bundle=True, progress=False, report=click.echo)
    click.echo(f"{folder.name}: trained in {result['seconds']['training']:.0f} s")
    return result


def measure(ensemble: Path) -> tuple[dict[str, float], Ranks]:
    """Rank the test triples of an ensemble."""
    trained, evaluator = open_trained(ensemble, "cpu"), RankKeepingEvaluator()
    known = [trained.training.mapped_triples, torch.as_tensor(trained.held_out["validation"])]
    triples = torch.as_tensor(trained.held_out["testing"])
    result = evaluator.evaluate(trained.model, triples, additional_filter_triples=known, use_tqdm=False, batch_size=64)
    found = evaluator.get_ranks()
    ranks = Ranks.from_arrays(
        triples=triples.numpy(), head_rank=found["head_rank"], tail_rank=found["tail_rank"], source=str(ensemble)
    )
    return collect_metrics(result)["both"]["realistic"], ranks


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--features", type=Path, help="a file with the textual features, instead of the published ones")
    parser.add_argument("--runs", type=Path, required=True, help="where the runs are, or are to be")
    parser.add_argument("--method", default="selection")
    parser.add_argument("--test", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    name = "+".join(args.presets)
    ranks: tuple[list[Ranks], list[Ranks]] = [], []
    for seed in args.seeds:
        parts = [args.runs / f"{x}-{seed}" for x in args.presets]
        results = [train(x, seed, args.features, part) for x, part in zip(args.presets, parts, strict=True)]
        ensemble = args.runs / f"{name}-{seed}"
        table = make_ensemble(parts, ensemble, method=args.method, device="cpu", progress=False)
        click.echo(table.to_string())
        if not args.test:
            continue
        metrics, found = measure(ensemble)
        click.echo(f"{ensemble.name}: test MRR {metrics['MRR']:.4f}")
        ranks[0].append(found)
        ranks[1].append(read_ranks(parts[0] / "ranks.npz"))
        RESULTS.mkdir(parents=True, exist_ok=True)
        arrays = {name: getattr(found, name) for name in ("triples", "head_rank", "tail_rank")}
        numpy.savez_compressed(RESULTS / f"{ensemble.name}.npz", **arrays)
        record = {
            "method": args.method,
            "features": args.features and args.features.name,
            "validation": json.loads(table.to_json(orient="records")),
            "metrics": metrics,
            "parts": [
                {
                    "metrics": result["metrics"]["both"]["realistic"],
                    "training_seconds": result["seconds"]["training"],
                }
                for result in results
            ],
            "environment": describe_environment(),
        }
        text = json.dumps(record, indent=1, default=str).replace(f"{args.runs}/", "")
        (RESULTS / f"{ensemble.name}.json").write_text(f"{text}\n")
    if args.test:
        row = compare_ranks(*ranks, metrics=["MRR"]).iloc[0]
        click.echo(f"{row.difference:+.4f} [{row.low:+.4f}, {row.high:+.4f}] MRR than {args.presets[0]} alone")


if __name__ == "__main__":
    main()
