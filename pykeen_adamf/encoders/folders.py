"""Reading folders, or archives, of images or of texts."""

import logging
import os
import posixpath
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ..constants import TEXTUAL, VISUAL
from .images import IMAGE_SUFFIXES
from .items import Item
from .problems import EncodingError, Problem, show

__all__ = ["leads_outside", "read_archive", "read_folder"]

logger = logging.getLogger(__name__)

SUFFIXES: Final = {VISUAL: IMAGE_SUFFIXES, TEXTUAL: (".txt",)}

PLURALS: Final = {VISUAL: "images", TEXTUAL: "texts"}

#: What is wrong with a folder of an entity in which there is nothing of the modality.
NO_IMAGE: Final = "has no image in it"


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
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        # also of names that are no text, and of versions that Python does not know
        raise EncodingError(f"{path} is a damaged archive, or of another kind ({error}). Pack it again.") from error
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
        like = " or ".join(f"NAME{suffix}" for suffix in SUFFIXES[modality])
        what = f"{len(ignored)} of the files in {folder}, which are not called like {like}"
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
    if not PurePosixPath(path.name).stem.strip():
        return None, [path]
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
