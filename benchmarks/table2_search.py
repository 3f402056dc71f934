"""Search for the settings of all systems of table 2 on EmojiKG's validation triples, with one budget for all.

``python -m benchmarks.table2_search trials`` measures what is missing, and can be run several times at once with
different ``--only``; ``python -m benchmarks.table2_search write`` writes the best of each into the configurations that
``pykeen-adamf reproduce table2 --dataset EmojiKG`` takes.

Each system has five trials of 40 epochs with 64 dimensions: two learning rates, a third one beyond the better of them,
and with the best of them another value of what matters next: the margin, or else the weight of N3 regularization, the
self-adversarial temperature, or label smoothing. The last one has a still lower or higher learning rate, if that was
better until then, or else a third value of what matters next.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import torch

from benchmarks.combinations import measure
from pykeen_adamf.experiments.configuration import merge
from pykeen_adamf.experiments.paper.contenders import CONFIGURATIONS, CONTENDERS, load_configuration

RESULTS: Final = Path(__file__).parent / "results" / "table2_search.jsonl"

#: for optimizers that divide by moving averages, or by sums: the first two, what is below and beyond, and still further
LEARNING_RATES: Final[Mapping[str, tuple[float, ...]]] = {
    "Adam": (0.005, 0.01, 0.002, 0.02, 0.001, 0.04),
    "Adagrad": (0.1, 0.2, 0.05, 0.4, 0.02, 0.8),
}

NUM_TRIALS: Final = 5

#: what configurations say of it
CHOSEN: Final = "Chosen by the validation MRR, the best of five trials (benchmarks/results/table2_search.jsonl)."


def find_other_value(pipeline: Mapping[str, Any], power: int = 1) -> dict[str, dict[str, float]]:
    """Return another value of what matters most beside the learning rate.

    :param pipeline: The configuration.
    :param power: 1, or -1 for the other direction, or 2 for a value that is further away.
    """
    loss_kwargs = pipeline.get("loss_kwargs") or {}
    if margin := loss_kwargs.get("margin"):
        return {"loss_kwargs": {"margin": margin * (0.5 if margin >= 8 else 2.0) ** power}}
    if weight := (pipeline.get("training_loop_kwargs") or {}).get("n3_weight"):
        return {"training_loop_kwargs": {"n3_weight": weight * 10.0**power}}
    if temperature := loss_kwargs.get("adversarial_temperature"):
        return {"loss_kwargs": {"adversarial_temperature": temperature * 2.0**power}}
    smoothing = pipeline["training_kwargs"].get("label_smoothing")
    return {"training_kwargs": {"label_smoothing": 0.2 if power != 1 else 0.0 if smoothing else 0.1}}


def choose_next(pipeline: Mapping[str, Any], finished: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return what is different in the next trial of a system, or None after the last one."""
    first, second, below, beyond, far_below, far_beyond = LEARNING_RATES[pipeline["optimizer"]]
    found = {x["changes"]["optimizer_kwargs"]["lr"]: x["validation MRR"] for x in finished if len(x["changes"]) == 1}
    for lr in (first, second):
        if lr not in found:
            return {"optimizer_kwargs": {"lr": lr}}
    third = beyond if found[second] > found[first] else below
    if third not in found:
        return {"optimizer_kwargs": {"lr": third}}
    if len(finished) >= NUM_TRIALS:
        return None
    if len(finished) == NUM_TRIALS - 2:
        return {"optimizer_kwargs": {"lr": max(found, key=found.__getitem__)}, **find_other_value(pipeline)}
    best = max(finished, key=lambda x: x["validation MRR"])["changes"]
    lr = best["optimizer_kwargs"]["lr"]
    if lr in {below, beyond}:
        return {**best, "optimizer_kwargs": {"lr": far_below if lr == below else far_beyond}}
    return {**best, **find_other_value(pipeline, -1 if len(best) == 1 else 2)}


def read() -> list[dict[str, Any]]:
    """Return the trials that are finished."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.is_file() else []


@click.group()
def main() -> None:
    """Search with one budget for all."""


@main.command()
@click.option("--only", multiple=True, type=click.Choice(list(CONTENDERS)), help="Systems, instead of all.")
def trials(only: tuple[str, ...]) -> None:
    """Measure trials on validation triples."""
    torch.set_num_threads(1)
    for name in only or CONTENDERS:
        pipeline = load_configuration(name, "EmojiKG")["pipeline"]
        # a configuration that was written already is the starting point of the same trials
        start = next((x["start"] for x in read() if x["system"] == name), pipeline)
        while changes := choose_next(start, [x for x in read() if x["system"] == name]):
            changed = merge(start, {**changes, "random_seed": 0})
            config = merge(changed, {"training_kwargs": {"use_tqdm": False}, "device": "cpu"})
            record = measure(config, use_testing_data=False)
            trial = {
                **{"system": name, "changes": changes, "validation MRR": record["metrics"]["MRR"]},
                **{"cpu_seconds": round(record["cpu_seconds"], 1), "start": start},
            }
            with RESULTS.open("a") as file:
                file.write(json.dumps(trial) + "\n")
            click.echo(f"{name}: {trial['validation MRR']:.4f} with {changes} in {trial['cpu_seconds']:.0f} s")


@main.command()
def write() -> None:
    """Write the best trial of each system into its configuration."""
    found = read()
    for name, stem in CONTENDERS.items():
        ours = [x for x in found if x["system"] == name]
        if len(ours) < NUM_TRIALS:
            click.echo(f"{name}: only {len(ours)} trials")
            continue
        best = max(ours, key=lambda x: x["validation MRR"])
        path = CONFIGURATIONS / "EmojiKG" / f"{stem}.json"
        content = merge(json.loads(path.read_text()), {"pipeline": best["changes"]})
        comments = content["metadata"]["comments"].replace(CHOSEN, "").strip()
        content["metadata"]["comments"] = f"{comments} {CHOSEN}".strip()
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        click.echo(f"{name}: {best['validation MRR']:.4f} with {best['changes']}")


if __name__ == "__main__":
    main()
