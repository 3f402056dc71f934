"""Explanations of a model that was saved to a directory, on average over triples of a file or a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas
import torch
from pykeen.datasets import dataset_resolver, get_dataset
from pykeen.triples import TriplesFactory

from ..bundle import load
from ..suggestions import suggest
from ..typing import LongTensor
from .explanations import explain_entities, explain_relations, explain_triples
from .labels import resolve_triples

__all__ = ["EvaluationTriples", "Explanation", "explain_directory", "read_labeled_triples"]


class Explanation(NamedTuple):
    """A table, and what it is."""

    title: str
    table: pandas.DataFrame


class EvaluationTriples(NamedTuple):
    """Triples to average over."""

    #: shape: ``(num_triples, 3)``, the triples
    triples: LongTensor

    #: shape: ``(num_known, 3)``, all triples that are known beside the training triples, with those to average over
    known: LongTensor

    #: what they are, in words
    description: str

    @classmethod
    def choose(cls, training: TriplesFactory, path: str | Path | None, dataset: str | None) -> "EvaluationTriples":
        """Take the triples of a file or a dataset, or else those that the model was trained on.

        :raises ValueError: if both are given, or as :meth:`from_dataset` and :func:`read_labeled_triples`
        """
        if path is not None and dataset is not None:
            raise ValueError("There can be triples of either a file or a dataset, not both.")
        if dataset is not None:
            return cls.from_dataset(dataset, training)
        if path is not None:
            triples = resolve_triples(read_labeled_triples(path), training)
            return cls(triples, triples, f"the {len(triples):,} triples of {path}")
        triples = training.mapped_triples
        description = f"the {len(triples):,} triples that the model was trained on; --dataset or --triples have others"
        return cls(triples, triples, description)

    @classmethod
    def from_dataset(cls, name: str, training: TriplesFactory) -> "EvaluationTriples":
        """Take the test triples of a dataset; its validation triples are known.

        :raises ValueError: if there is no such dataset, or the model knows other entities or relations
        """
        try:
            dataset_class = dataset_resolver.lookup(name)
        except KeyError as error:
            hint = suggest(dataset_resolver.normalize(name), dataset_resolver.lookup_dict)
            raise ValueError(f"There is no dataset {name!r}.{hint or ' See: pykeen ls datasets'}") from error
        dataset = get_dataset(dataset=dataset_class)
        testing = resolve_triples(dataset.testing, training)
        description = f"the {len(testing):,} test triples of {name}"
        if dataset.validation is None:
            return cls(testing, testing, description)
        validation = resolve_triples(dataset.validation, training)
        return cls(
            testing,
            torch.cat([testing, validation]),
            f"{description}; its {len(validation):,} validation triples are known, too",
        )


def explain_directory(
    directory: str | Path,
    *,
    entities: Sequence[str] = (),
    triples: Sequence[Sequence[str]] = (),
    relations: Sequence[str] = (),
    path: str | Path | None = None,
    dataset: str | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    progress: bool = True,
) -> list[Explanation]:
    """Explain entities, triples or relations by their labels; or, if none are given, all relations.

    :param directory: The directory, cf. :func:`pykeen_adamf.bundle.load`.
    :param entities: The labels of entities.
    :param triples: The labels of triples.
    :param relations: The labels of relations.
    :param path: A file with the triples to average over, cf. :func:`read_labeled_triples`.
    :param dataset: The name of a dataset, over whose test triples to average. If there is no file either, these are
        the training triples.
    :param device: The device. Defaults to a GPU, if there is one.
    :param batch_size: >0, how many triples to rank at once, cf. :func:`explain_triples`.
    :param progress: Whether to show a progress bar.
    :returns: One explanation for each kind of what is to be explained.
    :raises ValueError: if the directory or the triples cannot be used, there are no such labels, or the model cannot be
        explained
    """
    bundle = load(directory, device=device)
    model, training = bundle.model, bundle.training
    if not isinstance(training, TriplesFactory):
        raise ValueError(f"The triples in {directory} have no labels by which entities and relations could be named.")
    needs_triples = triples or relations or not entities
    # before anything is calculated, since they may not be readable
    evaluation = EvaluationTriples.choose(training, path, dataset) if needs_triples else None
    kwargs: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    explanations = []
    if entities:
        explanations.append(Explanation("Weights of modalities", explain_entities(model, training, entities)))
    if evaluation is None:
        return explanations
    averaged, known, description = evaluation
    if triples:
        table = explain_triples(model, training, triples, known, **kwargs)
        explanations.append(Explanation("Scores and filtered ranks with and without each modality", table))
    if relations or not explanations:
        table = explain_relations(model, training, averaged, known, relations=relations or None, **kwargs)
        explanations.append(Explanation(f"Averages over {description}", table))
    return explanations


def read_labeled_triples(path: str | Path) -> list[tuple[str, str, str]]:
    """Read triples from a tab-separated file in UTF-8 with head, relation and tail in each line, without a header.

    :param path: The path of the file.
    :returns: The triples. Labels are taken as they are; blank lines are ignored.
    :raises ValueError: if it is not in UTF-8, a line has another number of fields, or there is none
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not in UTF-8. Convert it, e.g.: iconv -f LATIN1 -t UTF-8") from error
    triples = []
    for number, line in enumerate(lines, start=1):
        fields = line.removesuffix("\r").split("\t")
        if fields == [""]:
            continue
        if len(fields) != 3:
            raise ValueError(
                f"{path}, line {number}: there must be three fields, head, relation and tail, separated by tabs, but "
                f"there {'is one' if len(fields) == 1 else f'are {len(fields)}'}."
            )
        head, relation, tail = fields
        triples.append((head, relation, tail))
    if not triples:
        raise ValueError(f"{path} is empty. Each line must have a head, a relation and a tail, separated by tabs.")
    return triples
