"""What is downloaded from: a real server on this machine, and something that behaves like Google Drive."""

import dataclasses
import io
import socket
from collections import Counter
from pathlib import Path

import gdown
import torch
from gdown.download_folder import GoogleDriveFileToDownload

from ..cases import content_of, make_matrix

CONTENT = {name: text.encode("utf-8") for name, text in content_of().items()}


@dataclasses.dataclass
class Server:
    """A server, what it serves, and what it was asked for."""

    url: str
    files: dict[str, bytes]
    #: how to answer for a file, if not with its content
    answers: dict[str, str] = dataclasses.field(default_factory=dict)
    requests: Counter = dataclasses.field(default_factory=Counter)


def feature_content(modality):
    buffer = io.BytesIO()
    torch.save(make_matrix(dim=3, seed=len(modality)), buffer)
    return buffer.getvalue()


FEATURES = {modality: feature_content(modality) for modality in ("visual", "textual")}


#: Answers that are no published file
BAD_ANSWERS = [
    "404",
    "500",
    "other content",
    "web page",
    "truncated",
    "truncated silently",
    "nothing",
    "empty",
    "hang up",
]


@dataclasses.dataclass
class Drive:
    """Something that behaves like :mod:`gdown`, for a folder with the given files."""

    files: dict[str, bytes]
    trouble: str | None = None
    #: the calls, whose arguments are checked against the signatures of the real functions
    calls: list[str] = dataclasses.field(default_factory=list)

    def download_folder(self, *, output, skip_download, **kwargs):
        self.calls.append(f"list {kwargs['id']}")
        assert skip_download, "the folder has gigabytes of other files"
        if self.trouble == "folder not found":
            raise RuntimeError("Failed to retrieve folder contents (status code 404).")
        if self.trouble == "no folder":
            return None
        return [
            GoogleDriveFileToDownload(
                id=f"id of {name}", path=f"features/{name}", local_path=f"{output}/features/{name}"
            )
            for name in self.files
        ]

    def download(self, *, output, **kwargs):
        name = kwargs["id"].removeprefix("id of ")
        self.calls.append(f"get {name}")
        content = self.files[name]
        if self.trouble == "too many accesses":
            raise gdown.exceptions.FileURLRetrievalError("Cannot retrieve the public link of the file.")
        if self.trouble == "connection lost":
            Path(f"{output}.part").write_bytes(content[:20])
            raise ConnectionError("Connection reset by peer")
        if self.trouble == "nothing written":
            return None
        if self.trouble == "truncated":
            content = content[:-10]
        if self.trouble == "web page":
            content = b"<!DOCTYPE html><html>Google Drive - Quota exceeded</html>"
        Path(output).write_bytes(content)
        return output


#: What may happen, and what the message says about it.
TROUBLES = {
    "folder not found": "status code 404",
    "no folder": "has no file DB15K-visual.pth",
    "too many accesses": "Cannot retrieve the public link",
    "connection lost": "Connection reset by peer",
    "nothing written": "Could not download DB15K-visual.pth",
    "truncated": "damaged, truncated, or not the published file",
    "web page": "damaged, truncated, or not the published file",
}


def free_address():
    """Return the address of a server that is down."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"
