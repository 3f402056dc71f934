"""A page to look at: entities with their pictures and texts, answers of a model, and what these are due to."""

from .explorer import Answer, Change, Entity, Explorer, Modality, Question
from .export import Page, export, parse_question, render_answers
from .loading import open_explorer
from .pictures import Pictures
from .server import require_server, serve

__all__ = [
    "Answer",
    "Change",
    "Entity",
    "Explorer",
    "Modality",
    "Page",
    "Pictures",
    "Question",
    "export",
    "open_explorer",
    "parse_question",
    "render_answers",
    "require_server",
    "serve",
]
