"""The page as a web application; needs Flask, i.e., the extra ``explore``."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import flask
from werkzeug.exceptions import HTTPException

from ..encoders import UnusableInputError
from .explorer import Entity, Explorer, Question
from .pages import STATIC, make_colors, render

__all__ = ["HEADERS", "POLICY", "TRUSTED_HOSTS", "make_app"]

logger = logging.getLogger(__name__)

#: What the browser may ask for. Any other name leads here only if somebody else's page is behind it (DNS rebinding).
TRUSTED_HOSTS: Final = ("127.0.0.1", "localhost")

#: Scripts, styles and pictures are those of this server, and nothing in a page is one.
POLICY: Final = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

#: Nothing longer is looked for.
MAX_QUERY: Final = 1000


def make_app(explorer: Explorer, *, k: int = 10) -> flask.Flask:
    """Return the application (WSGI).

    :param explorer: What answers.
    :param k: >0, how many answers to show.
    """
    app = flask.Flask(__name__, static_folder=str(STATIC), template_folder=None)
    app.config["TRUSTED_HOSTS"] = list(TRUSTED_HOSTS)
    views = Views(explorer, k)
    rules: Mapping[str, Callable[..., Any]] = {
        "/": views.index,
        "/entity/<int:i>": views.entity,
        "/search": views.search,
        "/suggest": views.suggest,
        "/ask": views.ask,
        "/picture/<int:i>/<int:number>": views.picture,
    }
    for rule, view in rules.items():
        app.add_url_rule(rule, view_func=view)
    app.register_error_handler(Exception, views.fail)
    app.after_request(_secure)
    return app


def _secure(response: flask.Response) -> flask.Response:
    response.headers.update(HEADERS)
    return response


class Site:
    """Addresses on the server: entities and pictures by number, never by a path."""

    is_live = True
    policy = style = ""

    def __init__(self, explorer: Explorer) -> None:
        """Initialize with the explorer of the model that pages are about."""
        self.title = explorer.name
        self.colors = make_colors([*explorer.modalities, *explorer.features])

    def asset(self, name: str) -> str:
        """Return the address of a static file."""
        return f"/static/{name}"

    def entity(self, entity: Entity) -> str:
        """Return the address of an entity's page."""
        return f"/entity/{entity.id}"

    def picture(self, entity: Entity, number: int) -> str:
        """Return the address of an entity's picture."""
        return f"/picture/{entity.id}/{number}"


class Views:
    """A method for each kind of page."""

    def __init__(self, explorer: Explorer, k: int) -> None:
        """Initialize the views with what answers, and how many answers to show."""
        self.explorer = explorer
        self.k = k
        self.site = Site(explorer)

    def _find(self, i: int) -> Entity:
        if i >= len(self.explorer.labels):
            flask.abort(404, "There is no such entity.")
        return self.explorer.entity(i)

    def index(self) -> str:
        """Show what there is."""
        x = self.explorer
        return render(
            "index",
            self.site,
            labels=x.labels,
            relations=x.relations,
            num_triples=x.training.num_triples,
            num_held_out=len(x.held_out),
            examples=x.examples(),
            coverage=x.coverage,
        )

    def entity(self, i: int) -> str:
        """Show an entity."""
        x, found = self.explorer, self._find(i)
        return render(
            "entity",
            self.site,
            entity=found,
            asked=Question(found.label, x.relations[0], "tail"),
            modalities=x.describe(i),
            neighbors=x.neighbors(i),
            relations=x.relations,
            facts=x.facts(i),
            degree=int(x.degrees[i]),
        )

    def search(self) -> str:
        """Show entities whose label or text has something."""
        query = flask.request.args.get("q", "")[:MAX_QUERY].strip()
        return render("search", self.site, query=query, found=self.explorer.search(query), message="")

    def suggest(self) -> flask.Response:
        """Return some labels as JSON."""
        query = flask.request.args.get("q", "")[:MAX_QUERY]
        return flask.jsonify([entity.label for entity in self.explorer.search(query, k=12)])

    def ask(self) -> str | tuple[str, int]:
        """Answer a question."""
        x, args = self.explorer, flask.request.args
        given, relation, side = args.get("entity", ""), args.get("relation", ""), args.get("side", "tail")
        if relation not in x.training.relation_to_id or (side != "head" and side != "tail"):
            flask.abort(400, "Choose one of the relations, and whether heads or tails are asked for.")
        if given not in x.training.entity_to_id:
            query = given[:MAX_QUERY].strip()
            found = x.search(query)
            message = "No entity is called exactly so. Choose one of these, and ask about it." if found else ""
            return render("search", self.site, query=query, found=found, message=message), 404
        asked = Question(given, relation, "head" if side == "head" else "tail")
        entity, with_known = x.find(given), "known" in args
        return render(
            "answers",
            self.site,
            asked=asked,
            entity=entity,
            modalities=x.describe(entity.id),
            answers=x.ask(asked, self.k, with_known=with_known),
            with_known=with_known,
            relations=x.relations,
        )

    def picture(self, i: int, number: int) -> flask.Response:
        """Send a picture, or what stands for a broken one."""
        label = self._find(i).label
        try:
            if self.explorer.pictures is None:
                raise UnusableInputError("there are no pictures")
            content = self.explorer.pictures.thumbnail(label, number)
        except UnusableInputError as error:
            logger.warning("No picture of %r: %s", label, error)
            # browsers show it all the same
            response = flask.send_file(STATIC / "placeholder.svg", mimetype="image/svg+xml")
            response.status_code = 404
            return response
        response = flask.Response(content, mimetype="image/webp")
        # the next model on this port may number its entities in another way
        response.cache_control.no_cache = True
        response.add_etag()
        response.make_conditional(flask.request)
        return response

    def fail(self, error: Exception) -> Any:
        """Show what is wrong."""
        if isinstance(error, HTTPException):
            title, message, code = error.name, error.description, error.code
        else:
            logger.exception("A page could not be made", exc_info=error)
            title, message, code = "Internal error", "The terminal says what is wrong.", 500
        return render("error", self.site, title=title, message=message or ""), code
