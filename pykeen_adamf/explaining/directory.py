"""Explanations of a model that was saved to a directory."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pandas
from pykeen.triples import TriplesFactory

from ..bundle import load
from .entities import explain_entities
from .evaluation import EvaluationTriples
from .relations import explain_relations
from .triples import explain_triples

__all__ = ["Explanation", "explain_directory"]


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A table, and what it is."""

    title: str
    table: pandas.DataFrame


def explain_directory(
    directory: str | Path,
    *,
    entities: Sequence[str] = (),
    triples: Sequence[Sequence[str]] = (),
    relations: Sequence[str] = (),
    path: str | Path | None = None,
    dataset: str | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    progress: bool = True,
) -> list[Explanation]:
    """Explain entities, triples or relations; or, if none are given, all relations.

    :param directory: The directory, cf. :func:`pykeen_adamf.bundle.load`.
    :param entities: The labels of entities.
    :param triples: The labels of triples.
    :param relations: The labels of relations.
    :param path: A file with the triples to average over, cf.
        :func:`pykeen_adamf.explaining.evaluation.read_labeled_triples`.
    :param dataset: The name of a dataset, over whose test triples to average. If there is no file either, these are
        the training triples.
    :param batch_size: >0
        How many triples to rank at once.
    :param device: The device. Defaults to a GPU, if there is one.
    :param progress: Whether to show a progress bar, if it takes more than a second.
    :returns: One explanation for each kind of what is to be explained.
    :raises ValueError: if the directory or the triples cannot be used, there are no such labels, or the model cannot be
        explained
    """
    bundle = load(directory, device=device)
    training = bundle.training
    if not isinstance(training, TriplesFactory):
        raise ValueError(f"The triples in {directory} have no labels by which entities and relations could be named.")
    evaluation = None
    if triples or relations or not entities:
        evaluation = _choose_triples(training, path, dataset)
    explanations = []
    if entities:
        explanations.append(Explanation("Weights of modalities", explain_entities(bundle.model, training, entities)))
    if triples:
        assert evaluation is not None
        table = explain_triples(
            bundle.model, training, triples, evaluation.known, batch_size=batch_size, progress=progress
        )
        explanations.append(Explanation("Scores and filtered ranks with and without each modality", table))
    if relations or not explanations:
        assert evaluation is not None
        table = explain_relations(
            bundle.model,
            training,
            evaluation.triples,
            evaluation.known,
            relations=relations or None,
            batch_size=batch_size,
            progress=progress,
        )
        explanations.append(Explanation(f"Averages over {evaluation.description}", table))
    return explanations


def _choose_triples(training: TriplesFactory, path: str | Path | None, dataset: str | None) -> EvaluationTriples:
    """Choose the triples to average over."""
    if path is not None and dataset is not None:
        raise ValueError("There can be triples of either a file or a dataset, not both.")
    if path is not None:
        return EvaluationTriples.from_path(path, training)
    if dataset is not None:
        return EvaluationTriples.from_dataset(dataset, training)
    return EvaluationTriples.from_training(training)
