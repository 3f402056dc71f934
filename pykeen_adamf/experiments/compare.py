"""A small comparison: structure only, AdaMF, and AdaMF-MAT with equal budget through PyKEEN's pipeline."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from pykeen.datasets import Dataset, get_dataset
from pykeen.pipeline import pipeline
from pykeen.triples import CoreTriplesFactory

from ..triples import MultimodalTriplesFactory
from .results import describe_environment, summarize, write_json

__all__ = [
    "CONTENDERS",
    "compare",
]

logger = logging.getLogger(__name__)

#: The models to compare: the pipeline's ``model`` and ``training_loop``.
CONTENDERS: Final[Mapping[str, tuple[str, str]]] = {
    "RotatE (PyKEEN)": ("RotatE", "sLCWA"),
    "RotatE (sum of moduli)": ("LpRotatE", "sLCWA"),
    "AdaMF": ("AdaMFRotatE", "sLCWA"),
    "AdaMF-MAT": ("AdaMFRotatE", "MAT"),
}


def compare(
    dataset: str,
    *,
    dataset_kwargs: Mapping[str, Any] | None = None,
    contenders: Sequence[str] = tuple(CONTENDERS),
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
    output: str | Path | None = None,
    report: Callable[[str], object] = logger.info,
) -> dict[str, Any]:
    """Train and evaluate models with equal budget: epochs, batches, negatives, optimizer, and loss.

    :param dataset: The name of a dataset.
    :param dataset_kwargs: The dataset's keyword-based parameters.
    :param contenders: Which of :data:`CONTENDERS` to compare.
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
    :param output: Where to write the results as JSON. The file is complete after each model.
    :param report: Called with a line about each model.
    :returns: The results.
    :raises OSError: if the output cannot be written
    """
    if output is not None and not os.access(Path(output).absolute().parent, os.W_OK):
        # now rather than after hours of training
        raise OSError(f"Cannot write to {output}: its directory does not exist, or is not writable.")
    instance = get_dataset(dataset=dataset, dataset_kwargs=dataset_kwargs)
    testing = _sample(instance.testing, num_test_triples, seed)
    results: dict[str, Any] = {
        "dataset": _describe(dataset, instance, testing),
        "budget": dict(
            epochs=epochs,
            embedding_dim=embedding_dim,
            batch_size=batch_size,
            num_negatives=num_negatives,
            lr=lr,
            margin=margin,
            adversarial_temperature=adversarial_temperature,
            adversarial_weight=adversarial_weight,
            seed=seed,
        ),
        "environment": describe_environment(),
        "results": {},
    }
    for name in contenders:
        model, training_loop = CONTENDERS[name]
        # The 2-norm of d coordinates of similar modulus is 1 / sqrt(d) of their sum. With the margin for the sum,
        # PyKEEN's RotatE would hardly learn.
        scale = embedding_dim**0.5 if model == "RotatE" else 1.0
        loss_kwargs = dict(margin=margin / scale, adversarial_temperature=adversarial_temperature * scale)
        report(f"Training {name} for {epochs} epochs ...")
        result = pipeline(
            training=instance.training,
            testing=testing,
            validation=instance.validation,
            model=model,
            model_kwargs=dict(embedding_dim=embedding_dim),
            loss="NSSA",
            loss_kwargs=loss_kwargs,
            optimizer="Adam",
            optimizer_kwargs=dict(lr=lr),
            training_loop=training_loop,
            training_loop_kwargs=dict(adversarial_weight=adversarial_weight) if training_loop == "MAT" else {},
            negative_sampler="FilteredBernoulli",
            negative_sampler_kwargs=dict(num_negs_per_pos=num_negatives),
            training_kwargs=dict(num_epochs=epochs, batch_size=batch_size),
            # rank also against the training triples that are not part of the sample
            evaluation_kwargs=dict(
                additional_filter_triples=[instance.training.mapped_triples, instance.testing.mapped_triples]
            ),
            device=device,
            random_seed=seed,
        )
        results["results"][name] = {"loss": loss_kwargs, **summarize(result)}
        if output is not None:
            write_json(Path(output), results)
    return results


def _sample(factory: CoreTriplesFactory, num: int | None, seed: int) -> CoreTriplesFactory:
    """Sample triples."""
    if num is None or num >= factory.num_triples:
        return factory
    indices = torch.randperm(factory.num_triples, generator=torch.Generator().manual_seed(seed))[:num]
    return factory.clone_and_exchange_triples(factory.mapped_triples[indices])


def _describe(name: str, dataset: Dataset, testing: CoreTriplesFactory) -> dict[str, Any]:
    """Describe the data."""
    training = dataset.training
    features = training.features if isinstance(training, MultimodalTriplesFactory) else {}
    return {
        "name": name,
        "num_entities": training.num_entities,
        "num_relations": training.num_relations,
        "num_training_triples": training.num_triples,
        "num_evaluated_test_triples": testing.num_triples,
        "num_test_triples": dataset.testing.num_triples,
        "features": {
            key: dict(source=Path(value.source).name, dim=value.dim, num_present=value.num_present)
            for key, value in features.items()
        },
    }
