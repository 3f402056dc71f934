"""Questions to a model that was saved, and answers as text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas
import torch
from pykeen.triples import TriplesFactory

from ..bundle import load
from ..calibration import Calibrator
from ..explaining.candidates import Allowed, Side
from ..explaining.labels import resolve_triples
from ..labeled_triples import read_labeled_triples
from ..prediction import predict
from ..typing import NumpyArray
from .folder import RunFolder

__all__ = ["answer", "asked_for", "format_answers"]

#: What stands for the validation triples of a run in the place of a file.
VALIDATION: Final = "validation"

MEANING: Final = (
    "The probability is that of a triple which is, before its score is known, as likely to be true as to be a true one "
    "with a wrong {side} that the relation has elsewhere. It compares answers; where most candidates are wrong, it is "
    "too large."
)


def answer(
    directory: str | Path,
    *,
    relation: str,
    head: str | None = None,
    tail: str | None = None,
    candidates: Allowed | None = None,
    known_paths: Sequence[str | Path] = (),
    calibrate: str | Path | None = None,
    device: str | None = None,
    **kwargs: Any,
) -> pandas.DataFrame:
    """Answer a question by the labels of its parts, cf. :func:`pykeen_adamf.prediction.predict`.

    :param directory: A bundle, or the folder of a run that has one; its validation and test triples are known, too.
    :param relation: The label of the relation.
    :param head: The label of the head; or
    :param tail: that of the tail.
    :param candidates: What says which entities may be the answer, cf. :class:`pykeen_adamf.explaining.Candidates`.
        Defaults to all.
    :param known_paths: Files with known triples.
    :param calibrate: A file with true triples that the model was not trained on, or ``"validation"``.
    :param device: The device. Defaults to a GPU, if there is one.
    :param kwargs: Further parameters of :func:`pykeen_adamf.prediction.predict`.
    :raises ValueError: if the directory or a file cannot be used, or there are no such labels
    """
    folder = RunFolder(directory)
    is_run = folder.configuration.is_file() and folder.bundle.is_dir()
    bundle = load(folder.bundle if is_run else directory, device=device)
    training, side = bundle.training, asked_for(tail)
    if not isinstance(training, TriplesFactory):
        raise ValueError(f"The triples in {directory} have no labels by which entities and relations could be named.")
    splits = folder.read_held_out(training.num_entities, training.real_num_relations) if is_run else {}
    known = [*splits.values(), *map(read_labeled_triples, known_paths)]
    known_triples = torch.cat([resolve_triples(x, training) for x in known]) if known else ()
    calibration = None
    if calibrate is not None:
        true = _read_true(str(calibrate), splits, folder)
        calibration = Calibrator.fit(bundle.model, training, true, known_triples, side=side)
    return predict(
        bundle.model,
        training,
        head=head,
        relation=relation,
        tail=tail,
        candidates=candidates,
        known_triples=known_triples,
        calibration=calibration,
        **kwargs,
    )


def asked_for(tail: str | None) -> Side:
    """Return what is asked for."""
    return "tail" if tail is None else "head"


def _read_true(what: str, splits: dict[str, NumpyArray], folder: RunFolder) -> NumpyArray:
    """Read the triples of a calibration."""
    if what != VALIDATION or Path(what).is_file():
        return read_labeled_triples(what)
    if VALIDATION not in splits:
        raise ValueError(f"{folder.path} is no folder of a run with validation triples. Pass a file with true triples.")
    return splits[VALIDATION]


def format_answers(answers: pandas.DataFrame, side: Side) -> str:
    """Format answers, which are heads or tails, as text, with what is not plain about it."""
    if not len(answers):
        return "There is no answer that is not known: --keep-known has the others."
    table = answers.set_index("rank")
    if not table["known"].any():
        table = table.drop(columns="known")
    formats = {
        name: ("{:.2f}" if "weight" in name or name == "probability" else "{:.3f}").format
        for name in map(str, table.select_dtypes("float"))
    }
    text = table.to_string(formatters=formats)
    if "probability" in table:
        text += f"\n\n{MEANING.format(side=side)}"
    return text
