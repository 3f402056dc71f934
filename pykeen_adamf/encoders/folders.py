"""Reading folders of images or of texts."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ..constants import TEXTUAL, VISUAL
from .images import IMAGE_SUFFIXES
from .items import Item
from .problems import EncodingError, Problem, show

__all__ = ["leads_outside", "read_folder"]

logger = logging.getLogger(__name__)

SUFFIXES: Final = {VISUAL: IMAGE_SUFFIXES, TEXTUAL: (".txt",)}

PLURALS: Final = {VISUAL: "images", TEXTUAL: "texts"}

#: What is wrong with a folder of an entity in which there is nothing of the modality.
NO_IMAGE: Final = "has no image in it"


def read_folder(folder: str | Path, modality: str) -> list[Item]:
    """Find the images or texts in a folder.

    An entity is called like its file without the suffix (``folder/berlin.png``, ``folder/berlin.txt``), or, for images,
    like its folder (``folder/berlin/*.png``). Names that start with a dot are ignored, and so are, with a warning,
    files with other suffixes. Links that lead outside of the folder are not followed; what is behind them is missing.

    :param folder: The folder.
    :param modality: The modality, :data:`pykeen_adamf.constants.VISUAL` or :data:`pykeen_adamf.constants.TEXTUAL`.
    :returns: One item for each entity, sorted by name.
    :raises EncodingError: if there is no such folder, nothing of the modality in it, or two things for one entity
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise EncodingError(f"The folder {folder.absolute()} does not exist, or is none. Check the path.")
    found: dict[str, tuple[Path, Item]] = {}
    ignored: list[Path] = []
    for path in _visible(folder):
        item, others = _read_entry(path, folder, modality)
        ignored.extend(others)
        if item is None:
            continue
        other, _ = found.setdefault(item.entity, (path, item))
        if other != path:
            raise EncodingError(
                f"Both {other} and {path} are for the entity {item.entity!r}. Keep one of them; several images of an "
                f"entity go into a folder of its name."
            )
    if not any(item.sources or any(p.reason != NO_IMAGE for p in item.problems) for _, item in found.values()):
        raise EncodingError(_nothing_found(folder, modality, ignored))
    if ignored:
        what = f"{len(ignored)} of the files in {folder}, whose names do not end in {', '.join(SUFFIXES[modality])}"
        shown = [str(path.relative_to(folder)) for path in sorted(ignored)[:3]]
        logger.warning("Ignored %s: %s%s", what, ", ".join(shown), ", ..." if len(ignored) > 3 else "")
    return [item for _, item in found.values()]


def leads_outside(path: Path, folder: Path) -> bool:
    """Return whether a path inside of a folder leads, by links or dots, outside of it."""
    try:
        return not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        # a circle of links leads nowhere, and so does no path at all
        return True


def _visible(folder: Path) -> list[Path]:
    """List what is in a folder, sorted, such that the order is the same everywhere."""
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)


def _read_entry(path: Path, folder: Path, modality: str) -> tuple[Item | None, list[Path]]:
    """Return the item that an entry of the folder is, if any, and the files in it, or itself, that are ignored."""
    suffixes = SUFFIXES[modality]
    # whatever a link outside leads to is not looked at
    outside = leads_outside(path, folder)
    if path.suffix.lower() in suffixes and (outside or not path.is_dir()):
        return _item(path.stem, [path], folder), []
    # folders may have dots in their names, too
    if modality == VISUAL and outside and path.suffix.lower() not in SUFFIXES[TEXTUAL]:
        return _item(path.name, [path], folder), []
    if modality != VISUAL or outside or not path.is_dir():
        return None, [path]
    try:
        inner = _visible(path)
    except OSError as error:
        problem = Problem(path.name, show(path), f"cannot be listed ({error.strerror or error})")
        return Item(path.name, [], [problem]), []
    images = [image for image in inner if image.suffix.lower() in suffixes and not image.is_dir()]
    others = sorted(set(inner).difference(images))
    if not images:
        return Item(path.name, [], [Problem(path.name, show(path), NO_IMAGE)]), others
    return _item(path.name, images, folder), others


def _item(entity: str, paths: Iterable[Path], folder: Path) -> Item:
    """Create an item of those paths that stay in the folder."""
    sources, problems = [], []
    for path in paths:
        if leads_outside(path, folder):
            problems.append(Problem(entity, show(path), f"is a link that leads outside of {folder}"))
        else:
            sources.append(path)
    return Item(entity, sources, problems)


def _nothing_found(folder: Path, modality: str, ignored: Sequence[Path]) -> str:
    """Explain what is in a folder instead of what has been looked for."""
    kinds = Counter(path.suffix.lower() or "no suffix" for path in ignored if path.is_file())
    most_common = sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    content = ", ".join(f"{count:,} of {suffix}" for suffix, count in most_common) or "none"
    expected = f"{folder}/ENTITY.txt" if modality == TEXTUAL else f"{folder}/ENTITY.png or {folder}/ENTITY/*.png"
    other = TEXTUAL if modality == VISUAL else VISUAL
    hint = ""
    if any(suffix in kinds for suffix in SUFFIXES[other]):
        hint = f" If you want to encode the {PLURALS[other]} there, choose a {other} encoder."
    return (
        f"There are no {PLURALS[modality]} in {folder.absolute()}, which are to be named {expected} (suffixes: "
        f"{', '.join(SUFFIXES[modality])}). Files by suffix: {content}.{hint}"
    )
