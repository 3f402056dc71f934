"""The demonstration from beginning to end."""

import importlib.util
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pandas
import torch
from pykeen.models import Model

from ...bundle import load
from ...datasets import EmojiKG
from ...encoders.weights import resolve_device
from ...evaluation import METRICS
from ...explaining import Candidates
from ...presets import load_preset
from ..configuration import merge
from ..folder import write_json
from ..paper.contenders import load_configuration
from ..paper.reporting.rendering import tabulate
from ..run import run
from .questions import answer, choose_questions, format_answer, format_question, name_entity

__all__ = ["demo", "get_configurations"]

NUM_EPOCHS: Final = 40


def get_configurations(epochs: int = NUM_EPOCHS) -> dict[str, dict[str, Any]]:
    """Return what is trained, by name: two of the paper's methods, and the preset, for as many epochs."""
    configurations = {
        "RotatE": load_configuration("RotatE", "EmojiKG"),
        "AdaMF-MAT": load_configuration("AdaMF-MAT", "EmojiKG"),
        # in half of its epochs, each has to do more
        "AdaMF, one-to-N": merge(load_preset("EmojiKG"), {"pipeline": {"optimizer_kwargs": {"lr": 0.006}}}),
    }
    changes = {"pipeline": {"training_kwargs": {"num_epochs": epochs}}}
    return {name: merge(configuration, changes) for name, configuration in configurations.items()}


def demo(
    output: str | Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: str | None = None,
    any_type: bool = False,
    report: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Train all models on EmojiKG, compare them, and let them answer questions.

    Each model has a folder of its own: if this is interrupted, the same call goes on where it has stopped.

    :param output: The directory to write to: ``results.json``, one folder for each run, with the bundle of its model,
        ``modality_weights.png`` and ``learning_curves.png`` (those only if matplotlib is installed).
    :param epochs: The number of epochs of each model, if not as many as they were configured for.
    :param seed: The random seed, of the training and of the choice of questions.
    :param device: The device. If ``None``, a GPU if there is one.
    :param any_type: Whether to rank all entities as answers to questions, rather than those of the right type: emoji
        where an emoji is asked for. Metrics are always those of all entities.
    :param report: Called with what is to be printed.
    :returns: The results.
    :raises OSError: if the output cannot be written
    :raises ValueError: if there is no such device, or the directory has runs with other settings
    """
    # before anything is trained; PyKEEN would use the CPU instead
    device = str(resolve_device(device))
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    if not os.access(output, os.W_OK):
        raise OSError(f"Cannot write to {output}. Choose another directory.")
    start = time.perf_counter()
    dataset = EmojiKG()
    report(f"EmojiKG: {dataset.num_entities:,} entities, {dataset.training.num_triples:,} training triples")
    epochs = NUM_EPOCHS if epochs is None else epochs
    # for about ten points of the learning curve
    options: dict[str, Any] = dict(bundle=True, validate_every=max(1, epochs // 10))
    results = {}
    num_threads = torch.get_num_threads()
    # Batches on a small graph are too small to gain much from more threads, which wait for each other after each
    # operation: if anything else keeps a core busy, this takes ten times as long.
    torch.set_num_threads(1)
    try:
        for name, configuration in get_configurations(epochs).items():
            report(f"Training {name} for {epochs} {'epoch' if epochs == 1 else 'epochs'} ...")
            results[name] = run(configuration, output / name, seed=seed, device=device, **options)
    finally:
        torch.set_num_threads(num_threads)
    models = {name: load(output / name / "bundle", device=device).model for name in results}
    report("\nFiltered ranks of all test triples, heads and tails:\n")
    rows = []
    for name, result in results.items():
        metrics = [f"{result['metrics']['both']['realistic'][metric]:.3f}" for metric in METRICS]
        rows.append([name, *metrics, *(f"{result['seconds'][kind]:.0f} s" for kind in ("training", "evaluation"))])
    report(tabulate(rows, ["model", *METRICS, "training", "evaluation"]))
    candidates = None if any_type else Candidates(dataset.training, dataset.types)
    questions = _answer_questions(models, dataset, seed, candidates, report)
    seconds = time.perf_counter() - start
    content = {"results": results, "questions": questions, "seconds": seconds, "seed": seed, "epochs": epochs}
    content["any_type"] = any_type
    write_json(output / "results.json", content)
    has_pictures = importlib.util.find_spec("matplotlib") is not None
    if has_pictures:
        from ...explaining.plotting import plot_weights
        from .pictures import plot_curves

        plot_weights(pandas.DataFrame(results["AdaMF-MAT"]["modality_weights"]), output / "modality_weights.png")
        curves = {name: pandas.read_csv(output / name / "curve.csv") for name in results}
        plot_curves(curves).savefig(output / "learning_curves.png", dpi=150)
    else:
        report('\nThere are no pictures without matplotlib: pip install "pykeen-adamf[plots]"')
    written = "the results, the models and the pictures" if has_pictures else "the results and the models"
    report(f"\nWrote {written} to {output}. It took {seconds:.0f} seconds.")
    return content


def _answer_questions(
    models: Mapping[str, Model],
    dataset: EmojiKG,
    seed: int,
    candidates: Candidates | None,
    report: Callable[[str], object],
) -> list[dict[str, Any]]:
    """Let all models answer the same questions, which were chosen before, at random."""
    kind = "" if candidates is None else " of the right type"
    report(f"\nSome questions, chosen at random from the test triples, and the best five answers{kind} (✓: held out):")
    content = []
    for question in choose_questions(dataset, seed):
        text = format_question(dataset, question)
        report(f"\n{text}")
        answers = {name: answer(model, dataset, question, candidates=candidates) for name, model in models.items()}
        for name, given in answers.items():
            report(f"  {name + ':':<{max(map(len, answers)) + 1}} {format_answer(dataset, question, given)}")
        for name, given in answers.items():
            if given.weights:
                weights = ", ".join(f"{key} {value:.0%}" for key, value in given.weights.items())
                report(f"  {name} weights the modalities of {name_entity(dataset, question.given)}: {weights}")
        content.append({**question._asdict(), "text": text, "answers": {k: x._asdict() for k, x in answers.items()}})
    return content
