"""The pictures and texts of entities, read as encoders read them; pictures need Pillow, i.e., the extra ``images``."""

import contextlib
import functools
import io
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from ..constants import TEXTUAL, VISUAL
from ..encoders import UnusableInputError, load_image
from ..encoders.folders import read_archive
from ..encoders.images import pillow_version
from ..encoders.sources import read_source
from ..encoders.texts import load_text

__all__ = ["Picture", "Pictures", "read_texts"]

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
        items = read_archive(path, VISUAL, entities) if zipfile.is_zipfile(path) else read_source(path, VISUAL)
        sources: dict[str, list[Any]] = {item.entity: list(item.sources) for item in items}
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
