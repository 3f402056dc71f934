"""Search for settings on validation triples, with PyKEEN's hyper-parameter optimization.

``python benchmarks/search.py benchmarks/searches/EmojiKG-AdaMF-MAT.json --output SEARCH``

A search that was interrupted goes on: the trials are in ``SEARCH/study.db``. Several processes can share it, each with
a number of trials and a seed of its own.
The best trial is ``SEARCH/best_pipeline/pipeline_config.json``, which ``pykeen-adamf run`` trains and measures on test
triples.
"""

import json
from pathlib import Path

import click
import optuna
import torch
from pykeen.hpo import hpo_pipeline_from_config


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where to write to.")
@click.option(
    "--trials", type=click.IntRange(min=1), help="How many trials there shall be, if not the configured ones."
)
@click.option("--epochs", type=click.IntRange(min=1), help="The epochs of each trial, if not the configured ones.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of a random search; another for each process.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="How many threads.")
def main(path: Path, output: Path, trials: int | None, epochs: int | None, seed: int, threads: int) -> None:
    """Search; the best is the one with the largest validation MRR after the last epoch."""
    torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    config = json.loads(path.read_text(encoding="utf-8"))
    if epochs is not None:
        config["pipeline"]["training_kwargs"]["num_epochs"] = epochs
    storage = f"sqlite:///{output / 'study.db'}"
    study = optuna.create_study(study_name=path.stem, storage=storage, direction="maximize", load_if_exists=True)
    finished = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
    options = config["optuna"] | {"storage": storage, "study_name": path.stem, "load_if_exists": True}
    if options["sampler"] == "random":
        # what goes on does not repeat what was tried
        options["sampler_kwargs"] = {"seed": seed + len(study.trials)}
    options["n_trials"] = max(0, (trials or options["n_trials"]) - len(finished))
    result = hpo_pipeline_from_config(config | {"optuna": options})
    result.save_to_directory(output)
    click.echo(f"{result.study.best_value:.4f} by {result.study.best_params}")


if __name__ == "__main__":
    main()
