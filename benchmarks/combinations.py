"""Which fusion, interaction and loop: presets and their ablations, on test triples, with paired intervals.

Each run leaves a file with its metrics and the rank of each test triple; what is there is not run again, and several
processes can share the work by taking different seeds. For instance::

    python -m benchmarks.combinations run EmojiKG --seeds 0 1 2 3 4
    python -m benchmarks.combinations report EmojiKG
    python -m benchmarks.combinations search EmojiKG
    python -m benchmarks.combinations run MoCME --seeds 0 1 2 3 4

``MoCME`` are the ablations of MoCME on EmojiKG, which begin with its configuration in table 2. ``search`` measures on
validation triples only, the same number of trials for each combination, and writes them to
``results/combinations/DATASET-search.jsonl``. ``run`` takes the best trial of each, if there are any.
"""

import argparse
import copy
import itertools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy
import torch
from pykeen.datasets import Dataset, EagerDataset
from pykeen.datasets.utils import get_dataset
from pykeen.pipeline import pipeline

from pykeen_adamf.evaluation import Ranks, compare_ranks
from pykeen_adamf.evaluation.measuring import RankKeepingEvaluator, collect_metrics
from pykeen_adamf.experiments.paper.contenders import load_configuration
from pykeen_adamf.experiments.recording import describe_environment
from pykeen_adamf.garbage_collection import cheap_garbage_collection
from pykeen_adamf.presets import load_preset
from pykeen_adamf.triples import MultimodalTriplesFactory

RESULTS = Path(__file__).parent / "results" / "combinations"

#: the value of a key that the preset has and a combination has not
REMOVED = object()

#: what differs from the preset, by the name of the combination: dictionaries are merged, REMOVED removes
COMBINATIONS: Mapping[str, Mapping[str, Any]] = {
    "best": {},
    "best with MAT": {
        "training_loop": "OneVsAllMAT",
        "training_loop_kwargs": {"generator_optimizer_kwargs": {"lr": 1e-3}},
    },
    "structure only": {
        "model": "Structural",
        "model_kwargs": dict.fromkeys(
            [
                *("fusion", "fusion_kwargs", "modalities", "trainable_features"),
                *("center_features", "scale_features", "feature_dropout"),
            ],
            REMOVED,
        ),
    },
    "shuffled features": {"shuffle": True},
    "learned scales": {"model_kwargs": {"fusion_kwargs": {"trainable": REMOVED}}},
    "mean": {"model_kwargs": {"fusion": "mean", "fusion_kwargs": REMOVED}},
    "gated": {"model_kwargs": {"fusion": "gated", "fusion_kwargs": REMOVED}},
    "concatenation": {"model_kwargs": {"fusion": "concatenation", "fusion_kwargs": REMOVED}},
    "complementarity": {
        "model_kwargs": {
            "fusion": "complementarity",
            "fusion_kwargs": {"as_sum": True, "trainable": REMOVED, "initial_scale": REMOVED},
        }
    },
    "adaptive": {
        "model_kwargs": {
            "fusion": "adaptive",
            "fusion_kwargs": {"attention": "per-modality", "trainable": REMOVED, "initial_scale": REMOVED},
        }
    },
}

#: what MoCME gains from its parts, cf. COMBINATIONS
MOCME: Mapping[str, Mapping[str, Any]] = {
    "best": {},
    "without views": {"model_kwargs": {"num_views": None}},
    "without intra-modal weights": {"model_kwargs": {"intra_modal": False}},
    "without inter-modal weights": {"model_kwargs": {"inter_modal": False}},
    "without entropy guidance": {"loss_kwargs": {"focus": 0.0}},
    "self-adversarial weights instead": {
        "loss": "NSSA",
        "loss_kwargs": {"focus": REMOVED, "adversarial_temperature": 1.0},
    },
}

#: the trials of each combination on EmojiKG
GRID = {
    ("optimizer_kwargs", "lr"): [3e-3, 6e-3],
    ("model_kwargs", "entity_dropout"): [0.3, 0.5],
}

#: for adversarial training, its weight instead of the dropout rate, which is the best one without
MAT_GRID = {
    ("optimizer_kwargs", "lr"): [3e-3, 6e-3],
    ("training_loop_kwargs", "adversarial_weight"): [0.01, 0.1],
}

#: for the fusion of MoCME
MOCME_GRID = {
    ("model_kwargs", "measure"): ["cosine", "information"],
    ("model_kwargs", "temperature"): [0.1, 0.3],
    ("model_kwargs", "as_sum"): [False, True],
}


def load(name: str) -> dict[str, Any]:
    """Load what combinations change: a preset, or MoCME's configuration."""
    is_mocme = name == "MoCME"
    pipeline: dict[str, Any] = (load_configuration(name, "EmojiKG") if is_mocme else load_preset(name))["pipeline"]
    return pipeline


def list_combinations(name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return what differs in each combination."""
    return MOCME if name == "MoCME" else COMBINATIONS


def merge(config: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge dictionaries; ``REMOVED`` removes a key, and None is a value like others."""
    for key, value in changes.items():
        if value is REMOVED:
            config.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(config.get(key), dict):
            config[key] = merge(config[key], value)
        else:
            config[key] = copy.deepcopy(value)
    return config


def shuffle(dataset: Dataset, seed: int) -> Dataset:
    """Give each entity the features of another one."""
    training = dataset.training
    assert isinstance(training, MultimodalTriplesFactory)
    labels = [training.entity_id_to_label[i] for i in range(training.num_entities)]
    order = numpy.random.default_rng(seed).permutation(len(labels))
    others = [labels[i] for i in order]
    features = {name: x.align(others).rename(labels) for name, x in training.features.items()}
    factory = MultimodalTriplesFactory.from_triples_factory(training, features)
    return EagerDataset(training=factory, testing=dataset.testing, validation=dataset.validation)


def make_config(
    name: str,
    combination: str,
    seed: int,
    changes: Mapping[str, Any] | None = None,
    features: Path | None = None,
    holdout: bool = False,
) -> dict[str, Any]:
    """Make the configuration of a pipeline, with the dataset itself; a holdout of the training triples validates."""
    config = merge(load(name), list_combinations(name)[combination])
    config = merge(config, changes or {})
    shuffled = config.pop("shuffle", False)
    dataset_kwargs = config.pop("dataset_kwargs", {})
    if features is not None:
        dataset_kwargs["features"] = {"textual": features}
    if holdout:
        dataset_kwargs["validation"] = "holdout"
    dataset = get_dataset(dataset=config["dataset"], dataset_kwargs=dataset_kwargs)
    config["dataset"] = shuffle(dataset, seed) if shuffled else dataset
    config["random_seed"] = seed
    config.setdefault("training_kwargs", {})["use_tqdm"] = False
    return config


def measure(config: dict[str, Any], use_testing_data: bool) -> dict[str, Any]:
    """Train and evaluate; the ranks are those of test triples."""
    start, start_cpu = time.perf_counter(), time.process_time()
    options, evaluator = {"use_tqdm": False, "batch_size": 64}, RankKeepingEvaluator()
    with cheap_garbage_collection():
        result = pipeline(**config, use_testing_data=use_testing_data, evaluator=evaluator, evaluation_kwargs=options)
    record = {
        "metrics": collect_metrics(result.metric_results)["both"]["realistic"],
        "training_seconds": result.train_seconds,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - start_cpu,
        "losses": result.losses,
    }
    if use_testing_data:
        ranks = evaluator.get_ranks()
        record["ranks"] = numpy.stack([ranks["head_rank"], ranks["tail_rank"]], axis=-1)
        record["triples"] = config["dataset"].testing.mapped_triples.numpy()
    return record


def search(args: argparse.Namespace) -> None:
    """Measure trials on validation triples."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{args.dataset}-search.jsonl"
    for combination in args.only or list_combinations(args.dataset):
        grid = MOCME_GRID if args.dataset == "MoCME" else MAT_GRID if "MAT" in combination else GRID
        for values in itertools.product(*grid.values()):
            changes: dict[str, Any] = {}
            for (section, key), value in zip(grid, values, strict=True):
                changes.setdefault(section, {})[key] = value
            done = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
            if any(x["combination"] == combination and x["changes"] == changes for x in done):
                continue
            # the published validation triples of DB15K leak
            holdout = args.dataset == "DB15K"
            record = measure(
                make_config(args.dataset, combination, args.seeds[0], changes, args.features, holdout=holdout), False
            )
            trial = {
                "combination": combination,
                "changes": changes,
                "validation MRR": record["metrics"]["MRR"],
                "training_seconds": record["training_seconds"],
            }
            with path.open("a") as file:
                file.write(json.dumps(trial) + "\n")
            click.echo(str(trial))


def choose(dataset: str, combination: str) -> dict[str, Any]:
    """Return the changes of the best trial, if there is any."""
    path = RESULTS / f"{dataset}-search.jsonl"
    trials = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    trials = [x for x in trials if x["combination"] == combination]
    changes: dict[str, Any] = max(trials, key=lambda x: x["validation MRR"])["changes"] if trials else {}
    return changes


def run(args: argparse.Namespace) -> None:
    """Train, and measure on test triples."""
    directory = RESULTS / args.dataset
    directory.mkdir(parents=True, exist_ok=True)
    for seed, combination in itertools.product(args.seeds, args.only or list_combinations(args.dataset)):
        path = directory / f"{combination.replace(' ', '-')}-{seed}.json"
        if path.is_file():
            continue
        changes = choose(args.dataset, combination)
        record = measure(make_config(args.dataset, combination, seed, changes, args.features), True)
        numpy.savez_compressed(path.with_suffix(".npz"), ranks=record.pop("ranks"), triples=record.pop("triples"))
        config = merge(merge(load(args.dataset), list_combinations(args.dataset)[combination]), changes)
        features = None if args.features is None else args.features.name
        record |= {"configuration": config, "features": features, "environment": describe_environment()}
        path.write_text(json.dumps(record, indent=1) + "\n")
        click.echo(f"{combination}, {seed}: {record['metrics']['MRR']:.4f} in {record['seconds']:.0f} s")


def read_ranks(path: Path) -> Ranks:
    """Read the ranks of a run."""
    with numpy.load(path) as file:
        ranks = file["ranks"]
        return Ranks(triples=file["triples"], head_rank=ranks[:, 0], tail_rank=ranks[:, 1])


def report(args: argparse.Namespace) -> None:
    """Print a table: the mean over seeds, and the paired difference to the best combination."""
    directory = RESULTS / args.dataset
    # "best" is not "best with MAT"
    found = {
        name: sorted(path for path in directory.glob("*.npz") if path.stem.rpartition("-")[0] == name.replace(" ", "-"))
        for name in args.only or list_combinations(args.dataset)
    }
    ranks = {name: [read_ranks(path) for path in paths] for name, paths in found.items() if paths}
    click.echo("| combination | seeds | MRR | H@1 | H@10 | MRR less than best [95 %] | training, s |")
    click.echo("|---|---|---|---|---|---|---|")
    for name, runs in ranks.items():
        records = [json.loads(path.with_suffix(".json").read_text()) for path in found[name]]
        values = {key: [record["metrics"][key] for record in records] for key in ("MRR", "Hits@1", "Hits@10")}
        cells = [f"{numpy.mean(x):.4f} ± {numpy.std(x, ddof=1) if len(x) > 1 else 0:.4f}" for x in values.values()]
        difference = ""
        if name != "best" and "best" in ranks:
            row = compare_ranks(ranks["best"], runs, metrics=["MRR"]).iloc[0]
            difference = f"{row.difference:+.4f} [{row.low:+.4f}, {row.high:+.4f}]"
        seconds = numpy.median([record["training_seconds"] for record in records])
        click.echo(f"| {name} | {len(runs)} | {' | '.join(cells)} | {difference} | {seconds:.0f} |")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["search", "run", "report"])
    parser.add_argument("dataset")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", choices=[*COMBINATIONS, *MOCME])
    parser.add_argument("--features", type=Path, help="a file with the textual features, instead of the published ones")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    {"search": search, "run": run, "report": report}[args.action](args)


if __name__ == "__main__":
    main()
