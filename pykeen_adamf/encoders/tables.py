"""Reading tables of images or of texts."""

import csv
import io
from pathlib import Path
from typing import Final

from ..constants import VISUAL
from .base import Source
from .folders import leads_outside
from .items import Item
from .problems import EncodingError, Problem

__all__ = ["read_table"]

#: The largest number that the library accepts as the length of a field everywhere.
MAX_FIELD: Final = 2**31 - 1


def read_table(path: str | Path, modality: str) -> list[Item]:
    """Read which entity has which images or text from a tab-separated file.

    Each line has an entity and, for images, a path, or, for texts, the text itself. There is no header. The file is in
    UTF-8, with or without a byte order mark, with any line ends. A field that begins with a quotation mark has to end
    with one, and quotation marks in it are doubled, as spreadsheets and pandas write them; others are taken as they
    are.

    An entity may have several images, one each line. Relative paths start at the file's folder and must not leave it,
    while absolute paths may lead anywhere.

    :param path: The path of the file.
    :param modality: The modality, :data:`pykeen_adamf.constants.VISUAL` or :data:`pykeen_adamf.constants.TEXTUAL`.
    :returns: One item for each entity, in the order of their first lines.
    :raises EncodingError: if there is no such file, it is empty or not in UTF-8, or a line is malformed
    """
    path = Path(path)
    kind = "path" if modality == VISUAL else "text"
    # the first line of each entity, its sources, and its problems
    found: dict[str, tuple[int, list[Source], list[Problem]]] = {}
    for line, fields in _rows(path, _read(path)):
        if len(fields) != 2:
            raise EncodingError(
                f"{path}, line {line}: there must be two fields, the entity and its {kind}, separated by a tab, "
                f"but there {'is one' if len(fields) == 1 else f'are {len(fields)}'}."
            )
        entity, value = fields
        if not entity.strip():
            raise EncodingError(f"{path}, line {line}: there is no entity before the tab.")
        first, sources, problems = found.setdefault(entity, (line, [], []))
        if first != line and modality != VISUAL:
            raise EncodingError(
                f"{path}, line {line}: the entity {entity!r} already has a text in line {first}. Keep one of them."
            )
        source: Source = path.parent / value if modality == VISUAL else value
        reason = None
        if not value.strip():
            reason = f"the {kind} is empty"
        elif isinstance(source, Path) and not Path(value).is_absolute() and leads_outside(source, path.parent):
            reason = f"leads outside of {path.parent.absolute()}; use an absolute path if you mean it"
        if reason is None:
            sources.append(source)
        else:
            problems.append(Problem(entity, value.strip() or f"{path}, line {line}", reason))
    if not found:
        raise EncodingError(f"{path} is empty. Each line must have an entity, a tab, and its {kind}.")
    return [Item(entity, sources, problems) for entity, (_, sources, problems) in found.items()]


def _read(path: Path) -> str:
    """Read the whole file."""
    if not path.is_file():
        raise EncodingError(f"{path.absolute()} does not exist, or is neither a file nor a folder. Check the path.")
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EncodingError(
            f"{path}, line {line}: this is not in UTF-8. Convert the file, e.g.: iconv -f LATIN1 -t UTF-8"
        ) from error


def _rows(path: Path, content: str) -> list[tuple[int, list[str]]]:
    """Return the lines which are not blank: where each begins, and its fields."""
    reader = csv.reader(io.StringIO(content, newline=""), delimiter="\t", strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    # the library's limit of 131,072 characters is one for the whole process
    limit = csv.field_size_limit(MAX_FIELD)
    try:
        for fields in reader:
            if fields:
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise EncodingError(
            f"{path}, line {line}: bad quoting ({error}). A field that begins with a quotation mark must end with "
            f"one, and those inside must be doubled."
        ) from error
    finally:
        csv.field_size_limit(limit)
    return rows
