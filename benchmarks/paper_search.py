"""The search that the configurations of reduced runs come from: a small grid, on validation triples only.

``python benchmarks/paper_search.py --dataset MKG-Y --directory data/MKG-Y --json search.jsonl``
"""

import itertools
import json
import time
from pathlib import Path
from typing import Any

import click
import torch
from pykeen.datasets import get_dataset
from pykeen.evaluation import RankBasedEvaluator
from pykeen.pipeline import pipeline

from pykeen_adamf.garbage_collection import cheap_garbage_collection

#: The pipeline's model and training loop.
MODELS = {"RotatE": ("LpRotatE", "sLCWA"), "AdaMF": ("AdaMFRotatE", "sLCWA"), "AdaMF-MAT": ("AdaMFRotatE", "MAT")}


@click.command()
@click.option("--dataset", required=True, help="The dataset.")
@click.option("--directory", type=click.Path(exists=True, file_okay=False), required=True, help="Its files.")
@click.option("--features", default="name-minilm.npy", show_default=True, help="Text features, in the directory.")
@click.option("--model", "models", multiple=True, default=list(MODELS), type=click.Choice(list(MODELS)))
@click.option("--lr", "lrs", type=float, multiple=True, default=[1e-3, 3e-3], help="A learning rate; repeatable.")
@click.option("--margin", "margins", type=float, multiple=True, default=[6.0, 12.0], help="A margin; repeatable.")
@click.option("--weight", "weights", type=float, multiple=True, default=[0.1], help="λ of AdaMF-MAT; repeatable.")
@click.option("--weighting", default="self-adversarial", show_default=True, help="AdaMF-MAT's adversarial_weighting.")
@click.option("--fusion", default="adaptive", show_default=True, help="AdaMF's and AdaMF-MAT's fusion.")
@click.option("--epochs", type=int, default=30, show_default=True, help="The epochs of each run.")
@click.option("--embedding-dim", type=int, default=100, show_default=True, help="Complex numbers an embedding.")
@click.option("--triples", type=int, default=1000, show_default=True, help="How many validation triples.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="One line a run.")
def main(
    dataset: str,
    directory: str,
    features: str,
    models: list[str],
    lrs: list[float],
    margins: list[float],
    weights: list[float],
    weighting: str,
    fusion: str,
    epochs: int,
    embedding_dim: int,
    triples: int,
    path: Path,
) -> None:
    """Search; the best is the one with the largest validation MRR."""
    torch.set_num_threads(1)
    kwargs: dict[str, Any] = dict(directory=directory, features={"textual": features}, validation="holdout")
    data = get_dataset(dataset=dataset, dataset_kwargs=kwargs)
    sample = torch.randperm(data.validation.num_triples, generator=torch.Generator().manual_seed(0))[:triples]
    validation = data.validation.mapped_triples[sample]
    known = [data.training.mapped_triples, data.validation.mapped_triples]
    grid = [
        (name, lr, margin, weight)
        for name, lr, margin in itertools.product(models, lrs, margins)
        for weight in (weights if name == "AdaMF-MAT" else [None])
    ]
    for name, lr, margin, weight in grid:
        model, loop = MODELS[name]
        options: dict[str, Any] = dict(lr=lr, margin=margin)
        model_kwargs: dict[str, Any] = dict(embedding_dim=embedding_dim)
        if name != "RotatE":
            model_kwargs["fusion"] = options["fusion"] = fusion
        adversarial: dict[str, Any] = {}
        if weight is not None:
            adversarial = dict(
                adversarial_weight=weight,
                adversarial_weighting=weighting,
            )
        start = time.perf_counter()
        with cheap_garbage_collection():
            # test triples are of no use here, and must not be
            result = pipeline(
                training=data.training,
                testing=data.validation.clone_and_exchange_triples(validation),
                model=model,
                model_kwargs=model_kwargs,
                loss_kwargs=dict(margin=margin, adversarial_temperature=2.0),
                optimizer_kwargs=dict(lr=lr),
                training_loop=loop,
                training_loop_kwargs=adversarial,
                negative_sampler="FilteredBernoulli",
                negative_sampler_kwargs=dict(num_negs_per_pos=64),
                training_kwargs=dict(num_epochs=epochs, batch_size=1024, use_tqdm=False),
                evaluator=RankBasedEvaluator,
                evaluation_kwargs=dict(batch_size=32, additional_filter_triples=known, use_tqdm=False),
                random_seed=0,
                device="cpu",
            )
        value = result.get_metric("both.realistic.inverse_harmonic_mean_rank")
        seconds = round(time.perf_counter() - start)
        line = dict(
            dataset=dataset,
            model=name,
            **options,
            **adversarial,
            epochs=epochs,
            dim=embedding_dim,
            validation_MRR=value,
        )
        with path.open("a") as file:
            file.write(json.dumps({**line, "seconds": seconds}) + "\n")
        click.echo(f"{name} {options} {adversarial}: {value:.4f} ({seconds} s)")


if __name__ == "__main__":
    main()
