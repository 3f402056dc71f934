"""The page as a local web server; needs Flask and waitress, i.e., the extra ``explore``."""

import logging
import socket
from collections.abc import Callable
from types import ModuleType
from typing import Final

from ..encoders.problems import import_extra
from .explorer import Explorer

__all__ = ["require_server", "serve"]

#: The one address that is listened on: nobody else's machine can ask.
HOST: Final = "127.0.0.1"


def serve(
    explorer: Explorer, port: int, *, k: int = 10, report: Callable[[str], object] = print, threads: int = 4
) -> None:
    """Serve the page on this machine alone, until interrupted.

    :param explorer: What answers.
    :param port: The port, or 0 for any that is free.
    :param k: >0, how many answers to show.
    :param report: Called with the address, as soon as it can be asked.
    :param threads: How many requests to work on at the same time.
    :raises OSError: if the port cannot be listened on
    :raises EncodingError: if Flask or waitress is not installed
    """
    waitress = require_server()
    from .application import make_app

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise OSError(f"Cannot listen on port {port} ({error.strerror}). Choose another one by --port.") from error
    # a browser asks for more pictures at once than there are threads, of which nobody has to be told
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = waitress.create_server(make_app(explorer, k=k), sockets=[listener], threads=threads, ident=None)
    report(f"Explore it at http://{HOST}:{listener.getsockname()[1]}/ (Ctrl-C ends it).")
    try:
        server.run()
    finally:
        server.close()


def require_server() -> ModuleType:
    """Return waitress.

    :raises EncodingError: if it or Flask is not installed
    """
    import_extra("flask", extra="explore")
    return import_extra("waitress", extra="explore")
