"""Which triples explanations are averaged over, and which ones are known."""

import dataclasses
import difflib
from pathlib import Path

import torch
from pykeen.datasets import dataset_resolver, get_dataset
from pykeen.triples import TriplesFactory

from ..typing import LongTensor
from .labels import resolve_triples

__all__ = ["EvaluationTriples", "read_labeled_triples"]


@dataclasses.dataclass(frozen=True)
class EvaluationTriples:
    """Triples to average over."""

    #: shape: ``(num_triples, 3)``, the triples
    triples: LongTensor

    #: shape: ``(num_known, 3)``, all triples that are known beside the training triples, with those to average over
    known: LongTensor

    #: what they are, in words
    description: str

    @classmethod
    def from_dataset(cls, name: str, training: TriplesFactory) -> "EvaluationTriples":
        """Take the test triples of a dataset; its validation triples are known.

        :param name: The name of the dataset.
        :param training: The triples that the model was trained on.
        :returns: The triples.
        :raises ValueError: if there is no such dataset, or the model knows other entities or relations
        """
        try:
            dataset_class = dataset_resolver.lookup(name)
        except KeyError as error:
            matches = difflib.get_close_matches(dataset_resolver.normalize(name), dataset_resolver.lookup_dict)
            hint = f"Did you mean {' or '.join(map(repr, matches))}?" if matches else "See: pykeen ls datasets"
            raise ValueError(f"There is no dataset {name!r}. {hint}") from error
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

    @classmethod
    def from_path(cls, path: str | Path, training: TriplesFactory) -> "EvaluationTriples":
        """Read triples from a file, cf. :func:`read_labeled_triples`.

        :param path: The path of the file.
        :param training: The triples that the model was trained on.
        :returns: The triples.
        :raises ValueError: if the file is malformed, or the model knows other entities or relations
        """
        triples = resolve_triples(read_labeled_triples(path), training)
        return cls(triples, triples, f"the {len(triples):,} triples of {path}")

    @classmethod
    def from_training(cls, training: TriplesFactory) -> "EvaluationTriples":
        """Take the training triples.

        :param training: The triples that the model was trained on.
        :returns: The triples.
        """
        triples = training.mapped_triples
        description = f"the {len(triples):,} triples that the model was trained on; --dataset or --triples have others"
        return cls(triples, triples, description)


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
