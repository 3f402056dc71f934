"""The pictures and texts of entities, read as encoders read them; pictures need Pillow, i.e., the extra ``images``."""

import contextlib
import functools
import io
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from ..constants import TEXTUAL, VISUAL
from ..encoders import UnusableInputError, load_image
from ..encoders.images import IMAGE_SUFFIXES, pillow_version
from ..encoders.sources import read_source
from ..encoders.texts import load_text

__all__ = ["Picture", "Pictures", "read_archive", "read_texts"]

#: A file, or a file in an archive.
Picture: TypeAlias = Path | zipfile.Path

#: The largest side of what is shown, in pixels.
SIZE: Final = 320

#: How many of them are kept; each has some ten thousand bytes.
KEPT: Final = 2048


class Pictures:
    """The pictures of entities, by label."""

    def __init__(self, sources: Mapping[str, Sequence[Picture]], where: str = "the pictures") -> None:
        """Initialize the pictures.

        :param sources: The files of each entity.
        :param where: Where they are from, for messages.
        :raises EncodingError: if Pillow is not installed
        """
        pillow_version()
        self.sources = sources
        self.where = where
        self._shrink = functools.lru_cache(maxsize=KEPT)(_shrink)

    @classmethod
    def read(cls, path: str | Path, entities: Collection[str] = ()) -> "Pictures":
        """Find the pictures in a folder or table, as encoders do, or in an archive (``.zip``) that is like a folder.

        :param path: The path of the folder, table or archive.
        :param entities: The labels of entities, some of which should have a picture.
        :raises ValueError: if there is no such file, or nothing of these entities in it
        """
        path = Path(path)
        if zipfile.is_zipfile(path):
            sources = read_archive(path, entities)
        else:
            sources = {item.entity: [Path(x) for x in item.sources] for item in read_source(path, VISUAL)}
        check_overlap(path, sources, entities)
        return cls(sources, str(path))

    def count(self, label: str) -> int:
        """Return how many pictures an entity has, usable or not."""
        return len(self.sources.get(label, ()))

    def thumbnail(self, label: str, number: int = 0) -> bytes:
        """Return a picture of an entity, small, upright and on white ground, as a WebP file.

        Nothing of the file itself is passed on, but what was decoded.

        :raises UnusableInputError: if there is no such picture, or it is too large, broken, or no image
        """
        sources = self.sources.get(label, ())
        if not 0 <= number < len(sources):
            raise UnusableInputError(f"{label!r} has no picture {number} in {self.where}")
        try:
            return self._shrink(sources[number])
        except UnusableInputError as error:
            raise UnusableInputError(f"{sources[number]} {error}") from error


def _shrink(source: Picture) -> bytes:
    image = load_image(source)
    image.thumbnail((SIZE, SIZE))
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=85)
    return buffer.getvalue()


def read_archive(path: str | Path, entities: Collection[str] = ()) -> dict[str, list[Picture]]:
    """Find the images in a ZIP archive: ``ENTITY.png``, or ``ENTITY/*.png``, maybe all of them in one folder.

    :param path: The path of the archive.
    :param entities: What is known to be called like an entity, rather than like such a folder.
    :returns: The files of each entity.
    :raises ValueError: if there are none
    """
    try:
        root = zipfile.Path(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is a damaged archive ({error}). Pack it again.") from error
    # of links in archives, nothing but the text is read
    names = [PurePosixPath(name) for name in sorted(root.root.namelist())]
    names = [
        name
        for name in names
        if name.suffix.lower() in IMAGE_SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in name.parts)
    ]
    # that of a folder, rather than of a single entity's
    tops = {name.parts[0] for name in names}
    depth = int(len(tops) == 1 and tops.isdisjoint(entities) and all(len(name.parts) > 1 for name in names))
    found: dict[str, list[Picture]] = {}
    for name in names:
        parts = name.parts[depth:]
        if len(parts) in (1, 2):
            entity = name.stem if len(parts) == 1 else parts[0]
            found.setdefault(entity, []).append(root / str(name))
    if not found:
        raise ValueError(
            f"There are no images in {path}, which are to be named ENTITY.png or ENTITY/*.png "
            f"(suffixes: {', '.join(IMAGE_SUFFIXES)})."
        )
    return found


def read_texts(path: str | Path, entities: Collection[str] = ()) -> dict[str, str]:
    """Read the texts of entities from a folder or table, as encoders do; entities whose text is unusable have none.

    :param path: The path of the folder or table.
    :param entities: The labels of entities, some of which should have a text.
    :returns: The text of each entity.
    :raises ValueError: if there is no such file, or nothing of these entities in it
    """
    texts = {}
    for item in read_source(Path(path), TEXTUAL):
        for source in item.sources:
            with contextlib.suppress(UnusableInputError):
                texts[item.entity] = load_text(source)
    check_overlap(path, texts, entities)
    return texts


def check_overlap(path: str | Path, found: Collection[str], entities: Collection[str]) -> None:
    """Raise an error if there is nothing of any entity, which most likely has another name."""
    if entities and not any(label in entities for label in found):
        raise ValueError(
            f"Nothing in {path} is called like an entity of the graph: there is {next(iter(found), None)!r}, and the "
            f"graph has {next(iter(entities))!r}. Rename the files, or use a table with an entity and a path or "
            f"text in each line."
        )
