"""Reading folders and tables of images, of texts, or of attributes."""

import csv
import io
import logging
import os
import posixpath
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ..constants import NUMERIC, TEXTUAL, VISUAL
from ..limits import FileError, check_regular
from .attributes import read_attributes
from .base import Source
from .images import IMAGE_SUFFIXES
from .items import Item
from .problems import EncodingError, Problem, show

__all__ = ["read_archive", "read_folder", "read_source", "read_table"]

logger = logging.getLogger(__name__)

SUFFIXES: Final = {VISUAL: IMAGE_SUFFIXES, TEXTUAL: (".txt",)}

PLURALS: Final = {VISUAL: "images", TEXTUAL: "texts"}

#: What the columns of a table may be called, in any case: of entities, and of what they have.
HEADERS: Final = (
    ("entity", "label", "id", "name"),
    ("image", "path", "file", "picture", "text", "description", "caption", "title"),
)

#: The largest number that the library accepts as the length of a field everywhere.
MAX_FIELD: Final = 2**31 - 1

#: What is wrong with a folder of an entity in which there is nothing of the modality.
NO_IMAGE: Final = "has no image in it"


def read_source(source: Path, modality: str) -> list[Item]:
    """Read a folder, or else a table."""
    if modality == NUMERIC:
        return read_attributes(source)
    return read_folder(source, modality) if source.is_dir() else read_table(source, modality)


def read_folder(folder: str | Path, modality: str) -> list[Item]:
    """Find the images or texts in a folder.

    An entity is called like its file without the suffix (``folder/berlin.png``, ``folder/berlin.txt``), or, for images,
    like its folder (``folder/berlin/*.png``). Names that start with a dot are ignored, and what macOS adds to archives
    (``__MACOSX``), and so are, with a warning, files with other suffixes. Links that lead outside of the folder are not
    followed; what is behind them is missing.

    :param folder: The folder.
    :param modality: The modality, :data:`pykeen_adamf.constants.VISUAL` or :data:`pykeen_adamf.constants.TEXTUAL`.
    :returns: One item for each entity, sorted by name.
    :raises EncodingError: if there is no such folder, nothing of the modality in it, or two things for one entity
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise EncodingError(f"The folder {folder.absolute()} does not exist, or is none. Check the path.")
    return _read_entries(folder, modality, lambda path: list(path.iterdir()))


def read_archive(path: str | Path, modality: str, entities: Collection[str] = ()) -> list[Item]:
    """Find the images or texts in a ZIP archive, as :func:`read_folder` does in a folder, perhaps all in one folder.

    :param path: The path of the archive.
    :param modality: The modality.
    :param entities: What is known to be called like an entity, rather than like such a folder.
    :returns: One item for each entity, whose sources are paths in the archive.
    :raises EncodingError: if it is damaged, there is nothing of the modality in it, or two things for one entity
    """
    try:
        root = zipfile.Path(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise EncodingError(f"{path} is a damaged archive ({error}). Pack it again.") from error
    # listing a folder of the archive itself would look at all names each time
    inside: dict[str, dict[str, Any]] = defaultdict(dict)
    for name in root.root.namelist():
        # it may begin with a dot for the archive itself, or be there twice
        if (normal := posixpath.normpath(name)) != ".":
            inside[posixpath.dirname(normal)][normal] = root / name

    def entries(folder: zipfile.Path) -> list[Any]:
        return list(inside[posixpath.normpath(folder.at).removeprefix(".")].values())

    # a license beside the folder is no entity
    kept = [x for x in _visible(root, entries) if x.is_dir() or _suffix(x) in SUFFIXES[modality]]
    has_top = len(kept) == 1 and kept[0].is_dir() and kept[0].name not in entities
    return _read_entries(kept[0] if has_top else root, modality, entries)


def _suffix(path: Any) -> str:
    """Return the suffix in lower case; paths in archives have none in Python 3.10."""
    return PurePosixPath(path.name).suffix.lower()


def _read_entries(folder: Any, modality: str, entries: Callable[[Any], Sequence[Any]]) -> list[Item]:
    """Read what is in a folder, by what lists the entries of one."""
    found: dict[str, tuple[Path, Item]] = {}
    ignored: list[Path] = []
    for path in _visible(folder, entries):
        item, others = _read_entry(path, folder, modality, entries)
        ignored.extend(others)
        if item is not None and found.setdefault(item.entity, (path, item))[0] != path:
            raise EncodingError(
                f"Both {found[item.entity][0]} and {path} are for the entity {item.entity!r}. Keep one of them; "
                f"several images of an entity go into a folder of its name."
            )
    items = [item for _, item in found.values()]
    if not any(item.sources or any(p.reason != NO_IMAGE for p in item.problems) for item in items):
        raise EncodingError(_nothing_found(folder, modality, ignored))
    if ignored:
        what = f"{len(ignored)} of the files in {folder}, whose names do not end in {', '.join(SUFFIXES[modality])}"
        shown = [os.path.relpath(str(path), str(folder)) for path in sorted(ignored, key=str)[:3]]
        logger.warning("Ignored %s: %s%s", what, ", ".join(shown), ", ..." if len(ignored) > 3 else "")
    return items


def _visible(folder: Any, entries: Callable[[Any], Sequence[Any]]) -> list[Any]:
    """List what is in a folder, sorted, such that the order is the same everywhere."""
    names = ((path.name, path) for path in entries(folder))
    return [path for name, path in sorted(names, key=lambda x: x[0]) if not name.startswith((".", "__MACOSX"))]


def _read_entry(
    path: Any, folder: Any, modality: str, entries: Callable[[Any], Sequence[Any]]
) -> tuple[Item | None, list[Path]]:
    """Return the item that an entry of the folder is, if any, and the files in it, or itself, that are ignored."""
    suffix, suffixes = _suffix(path), SUFFIXES[modality]
    # whatever a link outside leads to is not looked at
    outside = leads_outside(path, folder)
    is_folder = not outside and path.is_dir()
    if suffix in suffixes and not is_folder:
        return _make_item(PurePosixPath(path.name).stem, [path], folder), []
    # folders may have dots in their names, too
    if modality == VISUAL and outside and suffix not in SUFFIXES[TEXTUAL]:
        return _make_item(path.name, [path], folder), []
    if modality != VISUAL or not is_folder:
        return None, [path]
    try:
        inner = _visible(path, entries)
    except OSError as error:
        problem = f"cannot be listed ({error.strerror or error})"
        return Item(path.name, [], [Problem(path.name, show(path), problem)]), []
    images = [image for image in inner if _suffix(image) in suffixes and not image.is_dir()]
    chosen = set(images)
    others = [other for other in inner if other not in chosen]
    if not images:
        return Item(path.name, [], [Problem(path.name, show(path), NO_IMAGE)]), others
    return _make_item(path.name, images, folder), others


def _make_item(entity: str, paths: Sequence[Any], folder: Any) -> Item:
    """Make an item of those paths that stay in the folder."""
    outside = {path for path in paths if leads_outside(path, folder)}
    problems = [Problem(entity, show(path), f"is a link that leads outside of {folder}") for path in sorted(outside)]
    return Item(entity, [path for path in paths if path not in outside], problems)


def _nothing_found(folder: Any, modality: str, ignored: Sequence[Path]) -> str:
    """Explain what is in a folder instead of what has been looked for."""
    kinds = Counter(_suffix(path) or "no suffix" for path in ignored if path.is_file())
    most_common = sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    content = ", ".join(f"{count:,} of {suffix}" for suffix, count in most_common) or "none"
    expected = f"{folder}/ENTITY.txt" if modality == TEXTUAL else f"{folder}/ENTITY.png or {folder}/ENTITY/*.png"
    other = TEXTUAL if modality == VISUAL else VISUAL
    place = folder.absolute() if isinstance(folder, Path) else folder
    hint = ""
    if any(suffix in kinds for suffix in SUFFIXES[other]):
        hint = f" If you want to encode the {PLURALS[other]} there, choose a {other} encoder."
    return (
        f"There are no {PLURALS[modality]} in {place}, which are to be named {expected} (suffixes: "
        f"{', '.join(SUFFIXES[modality])}). Files by suffix: {content}.{hint}"
    )


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


def leads_outside(path: Any, folder: Any) -> bool:
    """Return whether a path inside of a folder leads, by links or dots, outside of it."""
    if isinstance(path, zipfile.Path):
        # of links in archives, nothing but the text is read
        return False
    try:
        return not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        # a circle of links leads nowhere, and so does no path at all
        return True
