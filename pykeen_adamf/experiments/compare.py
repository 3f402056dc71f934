"""A small comparison: structure only, AdaMF, and AdaMF-MAT with equal budget, each a run in a folder of its own."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .results import format_table
from .run import run

__all__ = ["METHODS", "compare"]

#: What is compared: the pipeline's ``model`` and ``training_loop``.
METHODS: Final[Mapping[str, tuple[str, str]]] = {
    "RotatE (PyKEEN)": ("RotatE", "sLCWA"),
    "RotatE (sum of moduli)": ("LpRotatE", "sLCWA"),
    "AdaMF": ("AdaMFRotatE", "sLCWA"),
    "AdaMF-MAT": ("AdaMFRotatE", "MAT"),
}


def compare(
    dataset: str,
    output: str | Path,
    *,
    dataset_kwargs: Mapping[str, Any] | None = None,
    methods: Sequence[str] = tuple(METHODS),
    epochs: int = 5,
    embedding_dim: int = 64,
    batch_size: int = 1024,
    num_negatives: int = 128,
    lr: float = 1e-3,
    margin: float = 12.0,
    adversarial_temperature: float = 2.0,
    adversarial_weight: float = 0.1,
    num_test_triples: int | None = None,
    seed: int = 0,
    device: str | None = None,
    report: Callable[[str], object] = print,
) -> dict[str, dict[str, Any]]:
    """Train and evaluate models with equal budget: epochs, batches, negatives, optimizer, and loss.

    :param dataset: The name of a dataset.
    :param output: The directory with a folder for each run; the same call continues what was interrupted.
    :param dataset_kwargs: The dataset's keyword-based parameters, as in JSON.
    :param methods: Which of :data:`METHODS` to compare.
    :param epochs: The number of epochs of each.
    :param embedding_dim: The embedding dimension, in complex numbers.
    :param batch_size: The batch size.
    :param num_negatives: The number of negatives for each positive triple.
    :param lr: The learning rate of Adam, also for the generators.
    :param margin: The margin of the loss, for the sum of moduli; scaled for PyKEEN's RotatE, which uses the 2-norm.
    :param adversarial_temperature: The temperature of the loss, likewise.
    :param adversarial_weight: The weight of the adversarial loss.
    :param num_test_triples: Evaluate on that many random test triples rather than on all.
    :param seed: The random seed.
    :param device: The device.
    :param report: Called with what is to be printed.
    :returns: The results of the runs by the name of the method.
    :raises OSError: if the output cannot be written
    :raises ValueError: if a folder has a run with another configuration
    """
    results: dict[str, dict[str, Any]] = {}
    for name in methods:
        model, training_loop = METHODS[name]
        # The 2-norm of d coordinates of similar modulus is 1 / sqrt(d) of their sum. With the margin for the sum,
        # PyKEEN's RotatE would hardly learn.
        scale = embedding_dim**0.5 if model == "RotatE" else 1.0
        is_adversarial = training_loop == "MAT"
        pipeline = dict(
            dataset=dataset,
            dataset_kwargs=dict(dataset_kwargs or {}),
            model=model,
            model_kwargs=dict(embedding_dim=embedding_dim),
            loss="NSSA",
            loss_kwargs=dict(margin=margin / scale, adversarial_temperature=adversarial_temperature * scale),
            optimizer="Adam",
            optimizer_kwargs=dict(lr=lr),
            training_loop=training_loop,
            training_loop_kwargs=dict(adversarial_weight=adversarial_weight) if is_adversarial else {},
            negative_sampler="FilteredBernoulli",
            negative_sampler_kwargs=dict(num_negs_per_pos=num_negatives),
            training_kwargs=dict(num_epochs=epochs, batch_size=batch_size),
            random_seed=seed,
        )
        configuration = {
            "metadata": {"title": f"{name} on {dataset}", "variant": name},
            "data": {} if num_test_triples is None else {"test_triples": num_test_triples},
            "pipeline": pipeline,
        }
        folder = Path(output) / "runs" / re.sub(r"[^a-z0-9]+", "-", f"{name} seed {seed}".lower()).strip("-")
        report(f"{name}, {epochs} epochs:")
        results[name] = run(configuration, folder, device=device, report=report)
    report(format_table(results))
    return results
