"""The demonstration from beginning to end."""

import dataclasses
import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pandas
import torch
from pykeen.models import Model

from ...bundle import load
from ...datasets import EmojiKG
from ...encoders.weights import resolve_device
from ...models import MultimodalModel
from ...presets import load_preset
from ..configuration import merge
from ..folder import RunFolder
from ..paper.contenders import load_configuration
from ..results import format_table, write_json
from ..run import run
from .questions import answer, choose_questions, format_answer, format_question, name_entity

__all__ = ["METHODS", "demo", "get_configurations"]

#: What is shown, by name: one of the paper's methods, or a preset, trained for as many epochs.
METHODS: Final[Mapping[str, str]] = {"RotatE": "RotatE", "AdaMF-MAT": "AdaMF-MAT", "AdaMF, one-to-N": "preset"}

NUM_EPOCHS: Final = 40

#: About how often to measure on the validation triples.
NUM_POINTS: Final = 10


def get_configurations(epochs: int = NUM_EPOCHS) -> dict[str, dict[str, Any]]:
    """Return what is trained.

    :param epochs: The number of epochs of each.
    :returns: The configurations by the name of the method.
    """
    return {
        name: merge(
            load_preset("EmojiKG") if method == "preset" else load_configuration(method, "EmojiKG"),
            {"pipeline": {"training_kwargs": {"num_epochs": epochs}}},
        )
        for name, method in METHODS.items()
    }


def demo(
    output: str | Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: str | None = None,
    report: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Train all models on EmojiKG, compare them, and let them answer questions.

    Each model has a folder of its own: if this is interrupted, the same call goes on where it has stopped.

    :param output: The directory to write to: ``results.json``, one folder for each run, with the bundle of its model,
        ``modality_weights.png`` and ``learning_curves.png`` (those only if matplotlib is installed).
    :param epochs: The number of epochs of each model, if not as many as they were configured for.
    :param seed: The random seed, of the training and of the choice of questions.
    :param device: The device. If ``None``, a GPU if there is one.
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
    results, models, curves = {}, {}, {}
    for name, configuration in get_configurations(epochs).items():
        report(f"Training {name} for {epochs} {'epoch' if epochs == 1 else 'epochs'} ...")
        folder = RunFolder(output / name)
        with single_thread():
            results[name] = run(
                configuration,
                folder.path,
                seed=seed,
                device=device,
                bundle=True,
                validate_every=max(1, epochs // NUM_POINTS),
                progress=True,
            )
        models[name] = load(folder.bundle, device=device).model
        curves[name] = pandas.read_csv(folder.curve)
    report("\nFiltered ranks of all test triples, heads and tails:\n")
    report(format_table(results))
    questions = _answer_questions(models, dataset, seed, report)
    seconds = time.perf_counter() - start
    content = {"results": results, "questions": questions, "seconds": seconds, "seed": seed, "epochs": epochs}
    write_json(output / "results.json", content)
    pictures = _write_pictures(models, dataset, curves, output, report)
    written = "the results, the models and the pictures" if pictures else "the results and the models"
    report(f"\nWrote {written} to {output}. It took {seconds:.0f} seconds.")
    return content


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute in a single thread.

    Batches on a small graph are too small to gain much from more threads, which wait for each other after each
    operation: if anything else keeps a core busy, this takes ten times as long.
    """
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def _answer_questions(
    models: Mapping[str, Model], dataset: EmojiKG, seed: int, report: Callable[[str], object]
) -> list[dict[str, Any]]:
    """Let all models answer the same questions, which were chosen before, at random."""
    report("\nSome questions, chosen at random from the test triples, and the best five answers (✓: the held-out one):")
    content = []
    for question in choose_questions(dataset, seed):
        report(f"\n{format_question(dataset, question)}")
        answers = {name: answer(model, dataset, question) for name, model in models.items()}
        for name, given in answers.items():
            report(f"  {name + ':':<{max(map(len, answers)) + 1}} {format_answer(dataset, question, given)}")
        for name, given in answers.items():
            if given.weights:
                weights = ", ".join(f"{key} {value:.0%}" for key, value in given.weights.items())
                report(f"  {name} weights the modalities of {name_entity(dataset, question.given)}: {weights}")
        content.append(
            {
                **dataclasses.asdict(question),
                "text": format_question(dataset, question),
                "answers": {name: dataclasses.asdict(given) for name, given in answers.items()},
            }
        )
    return content


def _write_pictures(
    models: Mapping[str, Model],
    dataset: EmojiKG,
    curves: Mapping[str, pandas.DataFrame],
    output: Path,
    report: Callable[[str], object],
) -> bool:
    """Write the pictures, if there is anything to draw them with; returns whether there is."""
    if importlib.util.find_spec("matplotlib") is None:
        report('\nThere are no pictures without matplotlib: pip install "pykeen-adamf[plots]"')
        return False
    # an optional dependency
    from .pictures import modality_weights, plot_curves, plot_weights, save

    weights = {
        name: modality_weights(model, dataset)
        for name, model in models.items()
        if isinstance(model, MultimodalModel) and model.modality_weights() is not None
    }
    save(plot_weights(weights), output / "modality_weights.png")
    save(plot_curves(curves), output / "learning_curves.png")
    return True
