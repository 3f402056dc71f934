"""A small comparison: structure only, AdaMF, and AdaMF-MAT with equal budget, each a run in a folder of its own."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .configuration import merge
from .paper.contenders import CONFIGURATIONS, Overrides, load_configuration
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

#: The budget, if nothing else is said.
SMALL: Final = Overrides(epochs=5, embedding_dim=64)


def compare(
    dataset: str,
    output: str | Path,
    *,
    dataset_kwargs: Mapping[str, Any] | None = None,
    methods: Sequence[str] = tuple(METHODS),
    overrides: Overrides = SMALL,
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
    :param overrides: The budget of each, as far as it is not that of RotatE on any dataset. The learning rate is also
        that of the generators.
    :param adversarial_weight: The weight of the adversarial loss.
    :param num_test_triples: Evaluate on that many random test triples rather than on all.
    :param seed: The random seed.
    :param device: The device.
    :param report: Called with what is to be printed.
    :returns: The results of the runs by the name of the method.
    :raises OSError: if the output cannot be written
    :raises ValueError: if a folder has a run with another configuration
    """
    base = merge(load_configuration("RotatE", dataset, CONFIGURATIONS / "default")["pipeline"], overrides.as_pipeline())
    results = {}
    for name in methods:
        model, training_loop = METHODS[name]
        # The 2-norm of d coordinates of similar modulus is 1 / sqrt(d) of their sum. With the margin for the sum,
        # PyKEEN's RotatE would hardly learn.
        scale = base["model_kwargs"]["embedding_dim"] ** 0.5 if model == "RotatE" else 1.0
        loss = base["loss_kwargs"]
        changes = dict(
            dataset_kwargs=dict(dataset_kwargs or {}),
            model=model,
            loss_kwargs=dict(
                margin=loss["margin"] / scale, adversarial_temperature=loss["adversarial_temperature"] * scale
            ),
            training_loop=training_loop,
            training_loop_kwargs=dict(adversarial_weight=adversarial_weight) if training_loop == "MAT" else {},
        )
        configuration = {
            "metadata": {"title": f"{name} on {dataset}", "variant": name},
            "data": {} if num_test_triples is None else {"test_triples": num_test_triples},
            "pipeline": merge(base, changes),
        }
        folder = Path(output) / "runs" / re.sub(r"[^a-z0-9]+", "-", f"{name} seed {seed}".lower()).strip("-")
        report(f"{name}, {base['training_kwargs']['num_epochs']} epochs:")
        results[name] = run(configuration, folder, seed=seed, device=device, report=report)
    report(format_table(results))
    return results
