"""Answers to given questions as a page in files, which needs no server."""

import base64
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

from ..atomic import written_atomically
from ..encoders import UnusableInputError
from .explorer import Entity, Explorer, Question
from .pages import STATIC, make_colors, render

__all__ = ["ANYTHING", "Page", "export", "parse_question", "render_answers"]

#: What stands in a question for what is asked for.
ANYTHING: Final = "?"

#: The name of the page in a directory, and of that of pictures beside it.
INDEX, PICTURES = "index.html", "pictures"


class Page(str):
    """A page in HTML, which notebooks show in a frame of its own, with its own style."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        source = self.replace("&", "&amp;").replace('"', "&quot;")
        return f'<iframe title="Answers" srcdoc="{source}" width="100%" height="640" frameborder="0"></iframe>'


class FileSite:
    """Everything that a page refers to in the page itself, or pictures in files beside it."""

    is_live = False

    def __init__(self, title: str, explorers: Sequence[Explorer], directory: Path | None = None) -> None:
        """Initialize the site.

        :param title: The title of the page.
        :param explorers: The models that it is about; pictures are those of the first one that has any.
        :param directory: Where to write pictures to. Defaults to the page itself.
        """
        self.title = title
        self.pictures = next((x.pictures for x in explorers if x.pictures is not None), None)
        self.directory = directory
        self.style = (STATIC / "style.css").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()
        # to a page that is opened from a file, files beside it are not its own
        pictures = "data:" if directory is None else "'self' file: data:"
        self.policy = f"default-src 'none'; img-src {pictures}; style-src 'sha256-{digest}'"
        self.colors = make_colors(name for x in explorers for name in (*x.modalities, *x.features))

    def asset(self, name: str) -> str:
        """Return a static file as an address."""
        return _embed((STATIC / name).read_bytes(), "image/svg+xml")

    def picture(self, entity: Entity, number: int) -> str:
        """Return the address of a picture, which is written if need be."""
        assert self.pictures is not None
        try:
            content = self.pictures.thumbnail(entity.label, number)
        except UnusableInputError:
            return self.asset("placeholder.svg")
        if self.directory is None:
            return _embed(content, "image/webp")
        name = f"{entity.id}-{number}.webp"
        (self.directory / name).write_bytes(content)
        return f"{PICTURES}/{name}"


def _embed(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def parse_question(head: str, relation: str, tail: str) -> Question:
    """Return the question of a triple with one unknown entity, which is given as ``?``.

    :raises ValueError: if not exactly one of head and tail is unknown
    """
    if (head == ANYTHING) == (tail == ANYTHING):
        raise ValueError(
            f"Either the head or the tail of a question must be {ANYTHING!r}, but they are {head!r} and {tail!r}."
        )
    return Question(head, relation, "tail") if tail == ANYTHING else Question(tail, relation, "head")


def render_answers(
    explorers: Mapping[str, Explorer],
    questions: Sequence[Question],
    *,
    title: str | None = None,
    k: int = 10,
    with_neighbors: bool = True,
    directory: Path | None = None,
) -> Page:
    """Return a page with the answers of some models, which were trained on the same graph, to the same questions.

    :param explorers: At least one model, by name. What is said of an entity is what the last one says.
    :param questions: The questions.
    :param title: The title. Defaults to the names.
    :param k: >0, how many answers to show.
    :param with_neighbors: Whether to show the entities most similar to those that the questions are about.
    :param directory: An existing directory to write pictures to. Defaults to the page itself.
    :returns: The page.
    :raises ValueError: if there is no such entity or relation
    """
    last = list(explorers.values())[-1]
    sections = []
    for asked in questions:
        entity = last.find(asked.given)
        neighbors = last.neighbors(entity.id) if with_neighbors else {}
        given = {name: explorer.ask(asked, k) for name, explorer in explorers.items()}
        sections.append((asked, entity, last.describe(entity.id), neighbors, given))
    site = FileSite(title or ", ".join(explorers), list(explorers.values()), directory)
    return Page(render("export", site, sections=sections))


def export(explorers: Mapping[str, Explorer], questions: Sequence[Question], path: str | Path, *, k: int = 10) -> Path:
    """Write answers to questions to one file (``.html``), or to a new directory, and return the path of the page.

    Parameters are those of :func:`render_answers`. Nothing is there before everything is.

    :raises ValueError: if there are no questions, or no such entity or relation
    :raises OSError: if the directory exists and has anything in it, or nothing can be written
    """
    if not questions:
        raise ValueError("There are no questions to answer. Pass at least one.")
    path = Path(path)
    if path.suffix.lower() in {".html", ".htm"}:
        page = render_answers(explorers, questions, k=k)
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_atomically(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        return path
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OSError(f"{path} exists, and is no empty directory. Choose another one, or a file that ends in .html.")
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    (temporary / PICTURES).mkdir(parents=True)
    try:
        page = render_answers(explorers, questions, k=k, directory=temporary / PICTURES)
        (temporary / INDEX).write_text(page, encoding="utf-8")
        # an empty directory is replaced
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return path / INDEX
