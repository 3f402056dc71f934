"""Reading tables of images or of texts, and choosing how to read."""

import csv
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..constants import NUMERIC, VISUAL
from ..limits import FileError, check_regular
from .attributes import read_attributes
from .base import Source
from .folders import leads_outside, read_folder
from .items import Item
from .problems import EncodingError, Problem

__all__ = ["read_source", "read_table"]

logger = logging.getLogger(__name__)

#: What the columns of a table may be called, in any case: of entities, and of what they have.
HEADERS: Final = (
    ("entity", "label", "id", "name"),
    ("image", "path", "file", "picture", "text", "description", "caption", "title"),
)

#: The largest number that the library accepts as the length of a field everywhere.
MAX_FIELD: Final = 2**31 - 1


def read_source(source: Path, modality: str) -> list[Item]:
    """Read a folder, or else a table."""
    if modality == NUMERIC:
        return read_attributes(source)
    return read_folder(source, modality) if source.is_dir() else read_table(source, modality)


def read_table(path: str | Path, modality: str) -> list[Item]:
    """Read which entity has which images or text from a table.

    Each line has an entity and, for images, a path, or, for texts, the text itself. The first line may be a header that
    calls the columns, e.g., *entity* and *text* or *image*. The file is in UTF-8, with or without a byte order mark,
    with any line ends; columns are separated by tabs, or by commas if it ends with ``.csv``. A field that begins with a
    quotation mark has to end with one, and quotation marks in it are doubled, as spreadsheets and pandas write them;
    others are taken as they are.

    An entity may have several images, one each line. Relative paths start at the file's folder and must not leave it,
    while absolute paths may lead anywhere.

    :param path: The path of the file.
    :param modality: The modality, :data:`pykeen_adamf.constants.VISUAL` or :data:`pykeen_adamf.constants.TEXTUAL`.
    :returns: One item for each entity, in the order of their first lines.
    :raises EncodingError: if there is no such file, it is empty or not in UTF-8, or a line is malformed
    """
    path = Path(path)
    kind = "path" if modality == VISUAL else "text"
    separator = "a comma" if path.suffix.lower() == ".csv" else "a tab"
    # the first line of each entity, its sources, and its problems
    found: dict[str, tuple[int, list[Source], list[Problem]]] = {}
    for number, (line, fields) in enumerate(_read_rows(path)):
        if number == 0 and _is_header(fields):
            logger.info("%s begins with a header: %s", path, ", ".join(fields))
            continue
        where = f"{path}, line {line}"
        if len(fields) != 2:
            raise EncodingError(
                f"{where}: there must be two fields, the entity and its {kind}, separated by {separator}, but there "
                f"{'is one' if len(fields) == 1 else f'are {len(fields)}'}."
            )
        entity, value = fields
        if not entity.strip():
            raise EncodingError(f"{where}: there is no entity before {separator}.")
        first, sources, problems = found.setdefault(entity, (line, [], []))
        if first != line and modality != VISUAL:
            raise EncodingError(f"{where}: the entity {entity!r} already has a text in line {first}. Keep one of them.")
        if not value.strip():
            problems.append(Problem(entity, where, f"the {kind} is empty"))
        elif modality != VISUAL:
            sources.append(value)
        elif not Path(value).is_absolute() and leads_outside(path.parent / value, path.parent):
            reason = f"leads outside of {path.parent.absolute()}; use an absolute path if you mean it"
            problems.append(Problem(entity, value.strip(), reason))
        else:
            sources.append(path.parent / value)
    if not found:
        raise EncodingError(f"{path} is empty. Each line must have an entity, {separator}, and its {kind}.")
    return [Item(entity, sources, problems) for entity, (_, sources, problems) in found.items()]


def _is_header(fields: Sequence[str]) -> bool:
    """Return whether the fields of a line are names of columns."""
    return len(fields) == 2 and all(x.strip().lower() in known for x, known in zip(fields, HEADERS, strict=True))


def _read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the lines which are not blank: where each begins, and its fields."""
    try:
        check_regular(path)
        content = path.read_bytes()
    except FileError as error:
        raise EncodingError(str(error)) from error
    except OSError as error:
        raise EncodingError(f"{path} cannot be read ({error.strerror or error}). Check the path.") from error
    rows: list[tuple[int, list[str]]] = []
    line = 1
    # the library's limit of 131,072 characters is one for the whole process
    limit = csv.field_size_limit(MAX_FIELD)
    try:
        text, delimiter = content.decode("utf-8-sig"), "," if path.suffix.lower() == ".csv" else "\t"
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        for fields in reader:
            if fields:
                rows.append((line, fields))
            line = reader.line_num + 1
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EncodingError(
            f"{path}, line {line}: this is not in UTF-8. Convert the file, e.g.: iconv -f LATIN1 -t UTF-8"
        ) from error
    except csv.Error as error:
        raise EncodingError(
            f"{path}, line {line}: bad quoting ({error}). A field that begins with a quotation mark must end with "
            f"one, and those inside must be doubled."
        ) from error
    finally:
        csv.field_size_limit(limit)
    return rows
