"""RotatE, AdaMF and AdaMF-MAT on EmojiKG: several seeds, and with features shuffled between entities.

``python benchmarks/emojikg.py --seeds 5 --output RUNS --json benchmarks/results/emojikg.json``
"""

from pathlib import Path
from typing import Any

import click
import pandas
import torch
from emojikg_methods import METHODS, read_configuration, run_all

from pykeen_adamf.datasets import EmojiKG
from pykeen_adamf.evaluation import METRICS
from pykeen_adamf.experiments.folder import write_json
from pykeen_adamf.experiments.recording import describe_environment
from pykeen_adamf.features import ModalityFeatures, write_features


def shuffle_features(seed: int, directory: Path) -> dict[str, Any]:
    """Give each entity the features of another one which has the modality, too, and return EmojiKG with these."""
    rng = torch.Generator().manual_seed(seed)
    paths = {}
    for name, features in EmojiKG().training.features.items():
        present = features.presence.nonzero().view(-1)
        matrix = features.matrix.clone()
        matrix[present] = features.matrix[present[torch.randperm(len(present), generator=rng)]]
        shuffled = ModalityFeatures.from_matrix(matrix, features.labels, features.presence, source="shuffled")
        paths[name] = str(write_features(directory / f"{name}-{seed}.safetensors", shuffled))
    splits = {"training": "train", "testing": "test", "validation": "valid"}
    triples = {split: str(EmojiKG.directory / f"{name}.tsv") for split, name in splits.items()}
    return {"dataset": "MultimodalPath", "dataset_kwargs": {"triples": triples, "features": paths}}


@click.command()
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="How many seeds.")
@click.option("--epochs", type=click.IntRange(min=1), help="The epochs of each run, if not the configured ones.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="How many runs at a time.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folders of runs.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(seeds: int, epochs: int | None, workers: int, output: Path, path: Path | None) -> None:
    """Compare on test triples; the configurations were chosen on validation triples."""
    output.mkdir(parents=True, exist_ok=True)
    configurations = {}
    for seed in range(seeds):
        shuffled = shuffle_features(seed, output)
        for name in METHODS:
            configuration = read_configuration(name, epochs)
            configuration["pipeline"]["random_seed"] = seed
            configurations[f"{name}, seed {seed}"] = configuration
            # RotatE has no features
            if name != "RotatE":
                pipeline = configuration["pipeline"] | shuffled
                configurations[f"{name}, shuffled features, seed {seed}"] = configuration | {"pipeline": pipeline}
    results = run_all(configurations, output, workers)
    frame = pandas.DataFrame(
        [
            {"method": name.rpartition(", ")[0], **{x: result["metrics"]["both"]["realistic"][x] for x in METRICS}}
            for name, result in results.items()
        ]
    )
    groups = frame.groupby("method", sort=False)
    mean, deviation = groups.mean(), groups.std()
    if path is not None:
        summary = {name: {x: [mean[x][name], deviation[x][name]] for x in METRICS} for name in mean.index}
        runs = {name: {key: result[key] for key in ("configuration", "metrics")} for name, result in results.items()}
        write_json(path, {"environment": describe_environment("cpu"), "summary": summary, "runs": runs})
    table = mean.map("{:.3f}".format) + " ± " + deviation.map("{:.3f}".format)
    click.echo(table.reset_index(names="filtered test metrics").to_markdown(index=False))


if __name__ == "__main__":
    main()
