"""The demonstration from beginning to end."""

import dataclasses
import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pykeen.models import Model

from ...datasets import EmojiKG
from ...encoders.weights import resolve_device
from ...models import MultimodalModel
from ..results import describe_environment, format_table, summarize, write_json
from .contenders import BUDGET, SHOWN, Preset
from .questions import answer, choose_questions, format_answer, format_question, name_entity
from .training import train

__all__ = ["demo"]


def demo(
    output: str | Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: str | None = None,
    report: Callable[[str], object] = print,
    finished: list[str] | None = None,
) -> dict[str, Any]:
    """Train all models on EmojiKG, compare them, and let them answer questions.

    Everything about a model is written as soon as it is trained: if this is interrupted, what is finished remains.

    :param output: The directory to write to: ``results.json``, one directory for each trained model, as written by
        :meth:`pykeen.pipeline.PipelineResult.save_to_directory`, ``modality_weights.png`` and ``learning_curves.png``
        (those only if matplotlib is installed).
    :param epochs: The number of epochs of each model, if not as many as they were configured for.
    :param seed: The random seed, of the training and of the choice of questions.
    :param device: The device. If ``None``, a GPU if there is one.
    :param report: Called with what is to be printed.
    :param finished: If given, the names of models are added once everything about them is written.
    :returns: The results.
    :raises OSError: if the output cannot be written
    :raises ValueError: if there is no such device
    """
    # before anything is trained, or an earlier run's results are replaced; PyKEEN would use the CPU instead
    device = str(resolve_device(device))
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    if not os.access(output, os.W_OK):
        raise OSError(f"Cannot write to {output}. Choose another directory.")
    start = time.perf_counter()
    dataset = EmojiKG()
    budget = BUDGET if epochs is None else dataclasses.replace(BUDGET, epochs=epochs)
    results: dict[str, Any] = {
        "dataset": "EmojiKG",
        "budget": {**dataclasses.asdict(budget), "seed": seed},
        "environment": {**describe_environment(), "device": device},
        "results": {},
    }
    # whatever an earlier run has left there is not of this one
    write_json(output / "results.json", results)
    report(f"EmojiKG: {dataset.num_entities:,} entities, {dataset.training.num_triples:,} training triples")
    models: dict[str, Model] = {}
    # presets may need inverse triples; their IDs are the same otherwise
    with_inverse = EmojiKG(create_inverse_triples=True)
    for name, contender in SHOWN.items():
        given = with_inverse if isinstance(contender, Preset) else dataset
        report(f"Training {name} for {budget.epochs} {'epoch' if budget.epochs == 1 else 'epochs'} ...")
        result, curve = train(contender, given, budget, seed=seed, device=device)
        models[name] = result.model
        summary = summarize(result)
        summary["training_seconds"] -= curve.seconds
        summary["epochs"] = budget.epochs
        summary["configuration"] = dataclasses.asdict(contender)
        summary["validation_curve"] = [{"epoch": epoch, "MRR": value} for epoch, value in curve.points.items()]
        results["results"][name] = summary
        result.save_to_directory(output / name, save_replicates=True)
        write_json(output / "results.json", results)
        if finished is not None:
            finished.append(name)
    report("\nFiltered ranks of all test triples, heads and tails:\n")
    report(format_table(results))
    results["questions"] = _answer_questions(models, dataset, seed, report)
    results["seconds"] = time.perf_counter() - start
    write_json(output / "results.json", results)
    pictures = _write_pictures(models, dataset, results, output, report)
    written = "the results, the models and the pictures" if pictures else "the results and the models"
    report(f"\nWrote {written} to {output}. It took {results['seconds']:.0f} seconds.")
    return results


def _answer_questions(
    models: dict[str, Model], dataset: EmojiKG, seed: int, report: Callable[[str], object]
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
    models: dict[str, Model],
    dataset: EmojiKG,
    results: dict[str, Any],
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
    save(plot_curves(results["results"]), output / "learning_curves.png")
    return True
