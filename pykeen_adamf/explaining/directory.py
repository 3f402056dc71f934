"""Explanations of the model of a run or a bundle, on average over triples of the run, a file or a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas
import torch

from ..bundle import TrainedModel, open_trained
from ..datasets.lookup import load_dataset
from ..labeled_triples import read_labeled_triples
from ..typing import LongTensor
from .candidates import Allowed, Candidates
from .explanations import explain_entities, explain_relations, explain_triples
from .labels import resolve_triples

__all__ = ["EvaluationTriples", "choose_triples", "explain_directory"]


class EvaluationTriples(NamedTuple):
    """Triples to average over, all that are known beside the training triples, and what they are in words."""

    triples: LongTensor
    known: LongTensor
    description: str


def explain_directory(
    directory: str | Path,
    *,
    entities: Sequence[str] = (),
    triples: Sequence[Sequence[str]] = (),
    relations: Sequence[str] = (),
    path: str | Path | None = None,
    dataset: str | None = None,
    candidates: Allowed | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    progress: bool = True,
) -> dict[str, pandas.DataFrame]:
    """Explain entities, triples or relations by their labels; or, if none are given, all relations.

    :param directory: The folder of a run, a bundle, or an ensemble, cf. :func:`pykeen_adamf.bundle.open_trained`.
    :param entities: The labels of entities.
    :param triples: The labels of triples.
    :param relations: The labels of relations.
    :param path: A file with the triples to average over, cf.
        :func:`pykeen_adamf.labeled_triples.read_labeled_triples`.
    :param dataset: The name of a dataset, over whose test triples to average. If there is no file either, these are
        the test triples of the run, or else the training triples.
    :param candidates: What says which entities are ranked, cf. :class:`Candidates`. Defaults to all.
    :param device: The device. Defaults to a GPU, if there is one.
    :param batch_size: >0, how many triples to rank at once, cf. :func:`explain_triples`.
    :param progress: Whether to show a progress bar.
    :returns: One explanation for each kind of what is to be explained, by its title.
    :raises ValueError: if the directory or the triples cannot be used, there are no such labels, or the model cannot be
        explained
    """
    trained = open_trained(directory, device)
    model, training = trained.model, trained.training
    kwargs: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    if candidates is not None:
        kwargs["candidates"] = Candidates(training, candidates)
    explanations = {}
    # before anything is calculated, since they may not be readable
    chosen = choose_triples(trained, path, dataset) if triples or relations or not entities else None
    with trained.blaming():
        if entities:
            explanations["Weights of modalities"] = explain_entities(model, training, entities)
        if chosen and triples:
            title = "Scores and filtered ranks with and without each modality"
            explanations[title] = explain_triples(model, training, triples, chosen.known, **kwargs)
        if chosen and (relations or not explanations):
            averages = explain_relations(model, training, *chosen[:2], relations=relations or None, **kwargs)
            explanations[f"Averages over {chosen.description}"] = averages
    return explanations


def choose_triples(
    trained: TrainedModel, path: str | Path | None = None, dataset: str | None = None
) -> EvaluationTriples:
    """Take the triples of a file, or the test triples of a dataset, or of the run, or else the training triples.

    What the run has held out is known, too, and so are the validation triples of a dataset.

    :raises ValueError: if both are given, there is no such dataset or file, or the model knows other entities or
        relations
    """
    if path is not None and dataset is not None:
        raise ValueError("There can be triples of either a file or a dataset, not both.")
    training, known = trained.training, [trained.known()]
    if path is not None:
        triples = resolve_triples(read_labeled_triples(path), training)
        description = f"the {len(triples):,} triples of {path}"
    elif dataset is not None:
        loaded = load_dataset(dataset)
        triples = resolve_triples(loaded.testing, training)
        description = f"the {len(triples):,} test triples of {dataset}"
        if loaded.validation is not None:
            known.append(resolve_triples(loaded.validation, training))
            description += f"; its {len(known[-1]):,} validation triples are known, too"
    elif "testing" in trained.held_out:
        triples = torch.as_tensor(trained.held_out["testing"])
        description = f"the {len(triples):,} test triples of the run"
    else:
        triples = training.mapped_triples
        description = f"the {len(triples):,} triples that the model was trained on; --dataset or --triples have others"
    return EvaluationTriples(triples, torch.cat([triples, *known]), description)
