"""Questions to the model of a run or a bundle, and answers as text."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas
import torch

from ..bundle import open_trained
from ..calibration import MEANING
from ..calibration import calibrate as fit
from ..explaining.candidates import Allowed, Side
from ..explaining.labels import resolve_triples
from ..labeled_triples import read_labeled_triples
from ..prediction import predict

__all__ = ["answer", "asked_for", "format_answers"]


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

    :param directory: The folder of a run, whose validation and test triples are known, too, a bundle, or an
        ensemble.
    :param relation: The label of the relation.
    :param head: The label of the head; or
    :param tail: that of the tail.
    :param candidates: What says which entities may be the answer, cf. :class:`pykeen_adamf.explaining.Candidates`.
        Defaults to all.
    :param known_paths: Files with known triples.
    :param calibrate: A file with true triples that the model was not trained on, or ``"validation"``.
    :param device: The device. Defaults to a GPU, if there is one.
    :param kwargs: Further parameters of :func:`pykeen_adamf.prediction.predict`.
    :raises ValueError: if the directory or a file cannot be used, there are no such labels, or scores are no numbers
    """
    trained, side = open_trained(directory, device), asked_for(tail)
    training = trained.training
    others = [resolve_triples(read_labeled_triples(path), training) for path in known_paths]
    known_triples = torch.cat([trained.known(), *others])
    calibration = None if calibrate is None else fit(trained, calibrate, known_triples, side=side)
    with trained.blaming():
        return predict(
            trained.model,
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


def format_answers(answers: pandas.DataFrame, side: Side) -> str:
    """Format answers, which are heads or tails, as text, with what is not plain about it."""
    if not len(answers):
        return "There is no answer that is not known: --keep-known has the others."
    table = answers.set_index("rank")
    if not table["known"].any():
        table = table.drop(columns="known")
    # for files; ranks say more
    table = table.drop(columns=[name for name in table if str(name).startswith("score change")])
    table.index = table.index.map(_format_rank)
    formats = {str(name): _choose_format(str(name)) for name in table.select_dtypes("float")}
    text = table.to_string(formatters=formats)
    if "probability" in table:
        text += f"\n\n{MEANING.format(side=side)}"
    return text


def _choose_format(column: str) -> Callable[[float], str]:
    """Return what formats the numbers of a column."""
    if column.startswith("rank"):
        return _format_rank
    return ("{:.2f}" if column.startswith("weight") or column == "probability" else "{:.3f}").format


def _format_rank(rank: float) -> str:
    """Format a rank, which may be between two."""
    return f"{rank:.1f}".removesuffix(".0")
