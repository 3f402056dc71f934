"""Triples of labels as people have them: files of several kinds, data frames, arrays, and lists."""

import logging
from collections.abc import Iterable, Sequence
from io import TextIOBase
from pathlib import Path
from typing import Any, Final, TextIO, TypeAlias

import numpy
import pandas
import torch
from pandas.api.types import is_integer_dtype

from .limits import explain_not_unicode, read_decompressed
from .tables import has_suffix, read_table
from .typing import LongTensor, NumpyArray

__all__ = ["LabeledTriplesSource", "choose_columns", "read_labeled_triples"]

logger = logging.getLogger(__name__)

#: Where triples of labels may come from.
LabeledTriplesSource: TypeAlias = (
    str | Path | TextIO | pandas.DataFrame | NumpyArray | LongTensor | Sequence[Sequence[Any]]
)

#: Longer labels are refused if all of them together could take too many bytes.
MAX_LABEL: Final = 1_000
MAX_ROOM: Final = 2**28

#: What the columns of a table may be called, in any case.
COLUMNS: Final = (("head", "relation", "tail"), ("subject", "predicate", "object"), ("source", "relation", "target"))


def read_labeled_triples(source: LabeledTriplesSource) -> NumpyArray:
    """Read triples of labels.

    :param source: A path or an open file: text in columns, which are separated by tabs, commas (``.csv``), semicolons
        or spaces; Parquet (``.parquet``, needs ``pyarrow``); or N-Triples (``.nt``, needs ``rdflib``; literals are left
        out). All but Parquet may be compressed (``.gz``). Or a data frame, an array, or a sequence of triples. Labels
        that are numbers become texts. A header of *head, relation, tail*, or *subject, predicate, object*, or *source,
        relation, target*, is recognized; a table may have further columns if it has one.
    :returns: shape: ``(num_triples, 3)``
        The labels.
    :raises ValueError: if there is no such file, it is of another kind, a label is missing, or it has no triples
    """
    try:
        name, result = _read_labels(source)
    except UnicodeEncodeError as error:
        # pandas may keep texts in UTF-8
        raise ValueError(explain_not_unicode([error.object], "One of the triples")) from error
    incomplete = numpy.flatnonzero((result == "").any(axis=1))
    if len(incomplete):
        found = ", ".join(repr(str(label)) for label in result[incomplete[0]] if label) or "none"
        raise ValueError(
            f"{name}, triple {incomplete[0] + 1}: this row has not three labels, but {found}. Complete or remove it."
        )
    if not len(result):
        raise ValueError(f"{name} has no triples.")
    if problem := explain_not_unicode(result.ravel().tolist(), name):
        raise ValueError(problem)
    longest = max(map(str, result.ravel()), key=len)
    # as an array of texts, which PyKEEN may make of it, it has the room of the longest label for each of them
    if len(longest) > MAX_LABEL and 4 * len(longest) * result.size > MAX_ROOM:
        raise ValueError(f"{name} has a label of {len(longest):,} characters: {longest[:40]!r}... Shorten it.")
    _check_first(name, result)
    return result


def _read_labels(source: LabeledTriplesSource) -> tuple[str, NumpyArray]:
    """Return what to call the source, and the columns of triples; what is missing is empty."""
    name, frame = _read(source)
    columns = choose_columns(frame.columns)
    if columns is None:
        raise ValueError(
            f"{name} has {len(frame.columns)} columns. Triples have three, or a header with head, relation, tail."
        )
    chosen = frame.iloc[:, columns]
    return name, chosen.astype(object).where(chosen.notna(), "").astype(str).to_numpy(dtype=object)


def choose_columns(names: Iterable[Any]) -> list[int] | None:
    """Return which columns have heads, relations and tails, by their names or else if there are just three, or None."""
    found = _find_columns(names := list(names))
    return [0, 1, 2] if found is None and len(names) == 3 else found


def _read(source: LabeledTriplesSource) -> tuple[str, pandas.DataFrame]:
    """Return what to call the source, and what is in it."""
    if isinstance(source, pandas.DataFrame):
        return "The data frame", source
    if isinstance(source, str | Path) and has_suffix(Path(source), ".nt"):
        return str(source), _read_ntriples(Path(source))
    if isinstance(source, str | Path | TextIOBase):
        frame = read_table(source, lambda fields: choose_columns(fields) is not None)
        if len(frame) and is_integer_dtype(frame.columns) and _find_columns(frame.iloc[0]):
            frame = frame.iloc[1:].set_axis(frame.iloc[0], axis=1)
        return str(source if isinstance(source, str | Path) else getattr(source, "name", "The file")), frame
    if isinstance(source, torch.Tensor):
        source = source.numpy(force=True)
    if isinstance(source, numpy.ndarray) and source.ndim != 2:
        raise ValueError(
            f"Triples must have three columns, head, relation and tail, but their shape is {source.shape}."
        )
    if isinstance(source, numpy.ndarray):
        return "The array of triples", pandas.DataFrame(source)
    rows = [(x,) if isinstance(x, str) or not isinstance(x, Iterable) else tuple(x) for x in source]
    width = max(map(len, rows), default=0)
    # what is too short lacks its end
    return "The list of triples", pandas.DataFrame([(*row, *[None] * (width - len(row))) for row in rows])


def _find_columns(names: Iterable[Any]) -> list[int] | None:
    """Return which columns are called like those of triples, or None."""
    cleaned = [str(name).strip().lower() for name in names]
    return next(([cleaned.index(x) for x in known] for known in COLUMNS if set(known).issubset(cleaned)), None)


def _check_first(name: str, triples: NumpyArray) -> None:
    """Warn of a first row that may be a header with other names: its labels occur nowhere else."""
    if len(triples) < 10:
        return
    first, others = triples[0], triples[1:]
    if not (others == first).any() and first[0] not in others[:, 2] and first[2] not in others[:, 0]:
        logger.warning(
            "%s: the labels of the first triple, %s, occur nowhere else. If they are a header, call the columns head, "
            "relation and tail.",
            name,
            ", ".join(map(repr, first)),
        )


def _read_ntriples(path: Path) -> pandas.DataFrame:
    """Read N-Triples, of which those with literals are no links."""
    content = read_decompressed(path)
    try:
        from rdflib import Graph, Literal
    except ImportError as error:
        raise ValueError(f'{path} needs rdflib to be read: pip install "pykeen-adamf[rdf]"') from error
    try:
        graph = Graph().parse(data=content, format="nt")
    except Exception as error:
        # its errors are of many kinds
        raise ValueError(f"{path} cannot be read as N-Triples: {error}") from error
    # a graph is a set, without an order of its own
    rows = sorted((str(s), str(p), str(o)) for s, p, o in graph if not isinstance(o, Literal))
    if len(rows) < len(graph):
        logger.info("%s has %d triples with literals, which are left out.", path, len(graph) - len(rows))
    return pandas.DataFrame(rows, columns=["head", "relation", "tail"])
