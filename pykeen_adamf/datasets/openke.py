"""Reading benchmarks in the OpenKE format: numbered labels, and triples of numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy
import torch

from ..limits import FileError, check_regular
from ..typing import LongTensor

__all__ = ["DatasetFormatError", "read_mapping", "read_triples"]

#: Numbers are shown, and compared with their bounds, if they have no more digits; 64 bits have fewer.
MAX_DIGITS: Final = 100


class DatasetFormatError(ValueError):
    """Raised for files that are not what they claim to be; the message names the file, the line and the fix."""


def _read_lines(path: Path) -> list[str]:
    """Read the lines after the first one, which tells their number."""
    try:
        check_regular(path, "Put it there, or leave out directory= to download it.")
        # str.splitlines would also split at characters which may occur inside of labels
        first, *lines = path.read_text(encoding="utf-8-sig").rstrip("\n").split("\n")
    except FileError as error:
        raise DatasetFormatError(str(error)) from error
    except UnicodeDecodeError as error:
        raise DatasetFormatError(f"{path} is not a text file in UTF-8: {error}") from error
    except OSError as error:
        raise DatasetFormatError(f"{path} cannot be read ({error.strerror or error}). Check the path.") from error
    if not _is_number(first.strip()):
        raise DatasetFormatError(f"{path}:1 must be the number of the following lines, but is {first[:80]!r}.")
    if int(first) != len(lines):
        raise DatasetFormatError(
            f"{path}:1 says that there are {int(first):,} lines, but {len(lines):,} follow. The file may be truncated; "
            f"get it again, or correct its first line."
        )
    return lines


def _is_number(text: str) -> bool:
    """Return whether this is a number that anything could be numbered with."""
    return text.isdecimal() and len(text) <= MAX_DIGITS


def read_mapping(path: Path) -> Mapping[str, int]:
    """Read the numbers of labels in the file's order, from lines of the form ``LABEL ID``.

    :raises DatasetFormatError: if the file is missing, or is not in the format
    """
    mapping: dict[str, int] = {}
    for number, line in enumerate(_read_lines(path), start=2):
        # labels may contain spaces
        label, _, identifier = line.rstrip().replace("\t", " ").rpartition(" ")
        label = label.strip()
        if not label or not _is_number(identifier):
            raise DatasetFormatError(f"{path}:{number} must be a label and its number, but is {line[:80]!r}.")
        if label in mapping:
            raise DatasetFormatError(f"{path}:{number} has the label {label!r} for the second time.")
        mapping[label] = int(identifier)
    if not mapping:
        raise DatasetFormatError(f"{path} has no labels, but there must be at least one.")
    if sorted(mapping.values()) != list(range(len(mapping))):
        raise DatasetFormatError(f"{path} must number its labels from 0 to {len(mapping) - 1:,}, each number once.")
    return mapping


def read_triples(path: Path, num_entities: int, num_relations: int) -> LongTensor:
    """Read triples, from lines of the form ``HEAD TAIL RELATION``; they come back as head, relation, tail.

    :returns: shape: ``(num_triples, 3)``, the ID-based triples, in the file's order of lines.
    :raises DatasetFormatError: if the file is missing, is not in the format, or has unknown numbers
    """
    rows = [line.split() for line in _read_lines(path)]
    for number, row in enumerate(rows, start=2):
        if len(row) != 3 or not all(map(_is_number, row)):
            raise DatasetFormatError(
                f"{path}:{number} must be the numbers of a head, a tail, a relation, but is {row}."
            )
    # numbers that do not fit into 64 bits are out of range all the same
    numbers = [[min(int(x), 2**62) for x in row] for row in rows]
    head_tail_relation = numpy.asarray(numbers, dtype=numpy.int64).reshape(-1, 3)
    for name, columns, bound in (("entity", [0, 1], num_entities), ("relation", [2], num_relations)):
        bad = numpy.flatnonzero((head_tail_relation[:, columns] >= bound).any(axis=-1))
        if len(bad):
            largest = max(int(rows[bad[0]][column]) for column in columns)
            raise DatasetFormatError(
                f"{path}:{bad[0] + 2} has the {name} {largest}, but there are only {bound:,}. Mind the order of "
                f"columns: head, tail, relation."
            )
    return torch.from_numpy(head_tail_relation[:, [0, 2, 1]].copy())
