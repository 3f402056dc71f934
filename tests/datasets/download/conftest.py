"""Servers, and small files as the published ones."""

import dataclasses
import http.server
import socket
import threading
from pathlib import Path
from unittest.mock import create_autospec

import gdown
import pytest

from pykeen_adamf.datasets import base
from pykeen_adamf.datasets.published import BENCHMARKS, PublishedFeatures

from ..cases import DATASETS, sha256
from .servers import CONTENT, FEATURES, Drive, Server

# the originals, before fixtures replace them
DOWNLOAD, DOWNLOAD_FOLDER = gdown.download, gdown.download_folder


@pytest.fixture
def server():
    """Serve the small benchmark under the names of all benchmarks."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            state.requests[name] += 1
            answer = state.answers.get(Path(name).name)
            content = state.files.get(name)
            if content is None or answer == "404":
                self.send_error(404)
                return
            if answer == "500":
                self.send_error(500)
                return
            length = len(content)
            if answer == "other content":
                content = content.replace(b"1", b"2")
            elif answer == "web page":
                content = b"<!DOCTYPE html><html>Too many requests</html>"
                length = len(content)
            elif answer == "truncated":
                content = content[: length // 2]
            elif answer == "truncated silently":
                content = content[: length // 2]
                length = len(content)
            elif answer == "nothing":
                content = b""
            elif answer == "empty":
                content, length = b"", 0
            elif answer == "hang up":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state = Server(
            url=f"http://127.0.0.1:{httpd.server_port}",
            files={f"{cls.benchmark_name}/{name}": content for cls in DATASETS for name, content in CONTENT.items()},
        )
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            httpd.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _published(monkeypatch):
    """Let the small files be the published ones."""
    for cls in DATASETS:
        published = dataclasses.replace(
            BENCHMARKS[cls.benchmark_name],
            triples={name: sha256(content) for name, content in CONTENT.items()},
            features={name: PublishedFeatures(sha256(content), dim=3) for name, content in FEATURES.items()},
        )
        monkeypatch.setitem(base.BENCHMARKS, cls.benchmark_name, published)


@pytest.fixture
def use_server(server, monkeypatch):
    monkeypatch.setattr(base, "TRIPLES_URL", server.url)
    return server


@pytest.fixture
def drive(monkeypatch):
    drive = Drive(
        files={
            f"{cls.benchmark_name}-{modality}.pth": content
            for cls in DATASETS
            for modality, content in FEATURES.items()
        }
    )
    for name, original in (("download", DOWNLOAD), ("download_folder", DOWNLOAD_FOLDER)):
        monkeypatch.setattr(gdown, name, create_autospec(original, side_effect=getattr(drive, name)))
    return drive
