"""Downloads from a real server on this machine, and from something that behaves like Google Drive."""

import dataclasses
import http.server
import io
import re
import socket
import threading
from collections import Counter
from pathlib import Path
from unittest.mock import create_autospec

import gdown
import pytest
import torch
from gdown.download_folder import GoogleDriveFileToDownload

from pykeen_adamf.datasets import DB15K, MKGW, DownloadError, base
from pykeen_adamf.datasets.download import ensure_from_google_drive, ensure_from_url
from pykeen_adamf.datasets.published import BENCHMARKS, PublishedFeatures

from .cases import DATASETS, ENTITIES, NAMES, TRAIN, VALID, content_of, listing, make_matrix, sha256

# the originals, before fixtures replace them
DOWNLOAD, DOWNLOAD_FOLDER = gdown.download, gdown.download_folder

CONTENT = {name: text.encode("utf-8") for name, text in content_of().items()}


@dataclasses.dataclass
class Server:
    """A server, what it serves, and what it was asked for."""

    url: str
    files: dict[str, bytes]
    #: how to answer for a file, if not with its content
    answers: dict[str, str] = dataclasses.field(default_factory=dict)
    requests: Counter = dataclasses.field(default_factory=Counter)


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


def feature_content(modality):
    buffer = io.BytesIO()
    torch.save(make_matrix(dim=3, seed=len(modality)), buffer)
    return buffer.getvalue()


FEATURES = {modality: feature_content(modality) for modality in ("visual", "textual")}


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


# --- triples


def test_good_download(dataset_cls, use_server, tmp_path):
    dataset = dataset_cls(cache_root=tmp_path / "data", features=[])
    assert not use_server.requests
    assert dataset.training.num_triples == len(TRAIN)
    assert dataset.validation.num_triples == len(VALID)
    assert dataset.entity_to_id == {label: i for i, label in enumerate(ENTITIES)}
    folder = dataset.cache_root
    assert folder.is_relative_to(tmp_path / "data")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert use_server.requests == {f"{dataset_cls.benchmark_name}/{name}": 1 for name in NAMES}


def test_benchmarks_do_not_share_files(use_server, tmp_path):
    roots = {cls(cache_root=tmp_path, features=[]).cache_root for cls in DATASETS}
    assert len(roots) == 3


def test_default_place_is_pykeens(use_server, pykeen_datasets):
    dataset = DB15K(features=[], eager=True)
    assert dataset.cache_root == pykeen_datasets / "db15k"
    assert {path.name for path in dataset.cache_root.iterdir()} == set(NAMES)


def test_good_files_are_not_downloaded_again(dataset_cls, use_server, tmp_path):
    first = dataset_cls(cache_root=tmp_path, features=[], eager=True)
    before = listing(tmp_path)
    use_server.requests.clear()
    assert dataset_cls(cache_root=tmp_path, features=[], eager=True) == first
    assert not use_server.requests
    assert listing(tmp_path) == before


def test_good_files_suffice_without_a_server(use_server, tmp_path, monkeypatch):
    first = DB15K(cache_root=tmp_path, features=[], eager=True)
    monkeypatch.setattr(base, "TRIPLES_URL", free_address())
    assert DB15K(cache_root=tmp_path, features=[], eager=True) == first


@pytest.mark.parametrize("answer", BAD_ANSWERS)
@pytest.mark.parametrize("name", ["entity2id.txt", "test2id.txt"])
def test_bad_download(use_server, tmp_path, name, answer):
    """The message names the file and how to get it by hand; nothing of it remains; others stay."""
    use_server.answers[name] = answer
    dataset = DB15K(cache_root=tmp_path, features=[])
    path = dataset.cache_root / name
    with pytest.raises(DownloadError) as info:
        assert dataset.training
    for part in (name, f"from {use_server.url}/DB15K/{name} by hand", f"put it at {path}"):
        assert part in str(info.value)
    good = {file: content for file, content in CONTENT.items() if (dataset.cache_root / file).is_file()}
    assert name not in good
    assert {file.name: file.read_bytes() for file in dataset.cache_root.iterdir()} == good
    if name == "test2id.txt":
        assert "train2id.txt" in good
    # as soon as the server is well, the rest is downloaded
    before = listing(dataset.cache_root)
    use_server.answers.clear()
    use_server.requests.clear()
    assert dataset.training.num_triples == len(TRAIN)
    assert set(use_server.requests) == {f"DB15K/{file}" for file in NAMES if file not in good}
    assert listing(dataset.cache_root).items() >= before.items()


@pytest.mark.parametrize("answer", ["other content", "web page", "truncated silently"])
def test_wrong_checksum_is_explained(use_server, tmp_path, answer):
    use_server.answers["entity2id.txt"] = answer
    with pytest.raises(DownloadError, match="damaged, truncated, or not the published file") as info:
        DB15K(cache_root=tmp_path, features=[], eager=True)
    expected = sha256(CONTENT["entity2id.txt"])
    assert expected in str(info.value)
    assert len(set(re.findall("[0-9a-f]{64}", str(info.value))) - {expected}) == 1


def test_server_is_down(tmp_path, monkeypatch):
    url = free_address()
    monkeypatch.setattr(base, "TRIPLES_URL", url)
    dataset = DB15K(cache_root=tmp_path, features=[])
    with pytest.raises(
        DownloadError, match=rf"Could not download entity2id\.txt.* from {url}/DB15K/entity2id\.txt"
    ) as info:
        assert dataset.training
    assert f"put it at {dataset.cache_root / 'entity2id.txt'}" in str(info.value)
    assert not list(dataset.cache_root.iterdir())


def test_putting_it_by_hand_works(tmp_path, monkeypatch):
    """The message is right about the place."""
    monkeypatch.setattr(base, "TRIPLES_URL", free_address())
    dataset = DB15K(cache_root=tmp_path, features=[])
    for _ in NAMES:
        with pytest.raises(DownloadError) as info:
            assert dataset.training
        place = Path(str(info.value).rpartition("put it at ")[2].rstrip("."))
        place.write_bytes(CONTENT[place.name])
    assert dataset.training.num_triples == len(TRAIN)


@pytest.mark.parametrize("damage", ["truncated", "empty", "changed"])
@pytest.mark.parametrize("name", ["entity2id.txt", "valid2id.txt"])
def test_damaged_files_are_replaced(use_server, tmp_path, name, damage, caplog):
    first = DB15K(cache_root=tmp_path, features=[], eager=True)
    path = first.cache_root / name
    content = path.read_bytes()
    path.write_bytes({"truncated": content[:-5], "empty": b"", "changed": content.replace(b"1", b"7")}[damage])
    others = {file: seen for file, seen in listing(first.cache_root).items() if file != name}
    use_server.requests.clear()
    assert DB15K(cache_root=tmp_path, features=[], eager=True) == first
    assert use_server.requests == {f"DB15K/{name}": 1}
    assert path.read_bytes() == content
    assert listing(first.cache_root).items() >= others.items()
    assert f"{path} does not have the expected checksum" in caplog.text


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_damaged_files_are_replaced_by_good_ones_only(use_server, tmp_path, answer):
    """Somebody may still need what is left of them."""
    first = DB15K(cache_root=tmp_path, features=[], eager=True)
    path = first.cache_root / "train2id.txt"
    path.write_bytes(b"my own notes")
    before = listing(tmp_path)
    use_server.answers["train2id.txt"] = answer
    with pytest.raises(DownloadError, match=r"train2id\.txt"):
        DB15K(cache_root=tmp_path, features=[], eager=True)
    assert listing(tmp_path) == before


def test_holdout_downloads_the_same_files(use_server, tmp_path):
    DB15K(cache_root=tmp_path, features=[], validation="holdout", eager=True)
    assert use_server.requests == {f"DB15K/{name}": 1 for name in NAMES}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_interrupted_download(tmp_path, monkeypatch, error):
    """Even Ctrl+C leaves nothing behind."""

    def fail(url, path, **kwargs):
        Path(path).write_bytes(b"half of ")
        raise error("interrupted")

    monkeypatch.setattr("pykeen_adamf.datasets.download.pystow_download", fail)
    path = tmp_path / "folder" / "file.txt"
    with pytest.raises(DownloadError if error is OSError else error):
        ensure_from_url(path, "http://127.0.0.1/file.txt", sha256=sha256(b"half of a file"))
    assert not list(path.parent.iterdir())


# --- features


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


def test_good_features(dataset_cls, use_server, drive, tmp_path):
    dataset = dataset_cls(cache_root=tmp_path)
    training = dataset.training
    assert list(training.features) == ["visual", "textual"]
    for modality, features in training.features.items():
        assert torch.equal(features.matrix, make_matrix(dim=3, seed=len(modality)))
        assert features.num_present == 12
    name = dataset_cls.benchmark_name
    expected = {*NAMES, f"{name}-visual.pth", f"{name}-textual.pth"}
    assert {path.name for path in dataset.cache_root.iterdir()} == expected
    assert drive.calls == [
        "list nowhere",
        f"get {name}-visual.pth",
        "list nowhere",
        f"get {name}-textual.pth",
    ]


def test_only_requested_features_are_downloaded(use_server, drive, tmp_path):
    assert DB15K(cache_root=tmp_path, features=["textual"]).training.features["textual"].num_present == 12
    assert DB15K(cache_root=tmp_path, features={"x": make_matrix()}).training.features["x"].num_present == 12
    assert [call for call in drive.calls if call.startswith("get")] == ["get DB15K-textual.pth"]


def test_good_features_are_not_downloaded_again(use_server, drive, tmp_path):
    first = DB15K(cache_root=tmp_path, eager=True)
    before = listing(tmp_path)
    drive.calls.clear()
    drive.trouble = "folder not found"
    assert DB15K(cache_root=tmp_path, eager=True) == first
    assert not drive.calls
    assert listing(tmp_path) == before


@pytest.mark.parametrize("trouble", TROUBLES)
def test_bad_features(use_server, drive, tmp_path, trouble):
    drive.trouble = trouble
    dataset = DB15K(cache_root=tmp_path)
    path = dataset.cache_root / "DB15K-visual.pth"
    with pytest.raises(DownloadError) as info:
        assert dataset.training
    place = f"Google Drive folder https://drive.google.com/drive/folders/nowhere by hand, and put it at {path}"
    for part in ("DB15K-visual.pth", TROUBLES[trouble], place):
        assert part in str(info.value)
    assert {file.name for file in dataset.cache_root.iterdir()} == set(NAMES)
    # nothing is loaded halfway, and the next attempt is a new one
    drive.trouble = None
    assert dataset.training.features["visual"].num_present == 12


@pytest.mark.parametrize("trouble", [None, *TROUBLES])
def test_damaged_features(use_server, drive, tmp_path, trouble):
    """They are replaced, but by good ones only."""
    first = DB15K(cache_root=tmp_path, eager=True)
    path = first.cache_root / "DB15K-visual.pth"
    path.write_bytes(path.read_bytes()[:-1])
    before = listing(tmp_path)
    drive.trouble = trouble
    if trouble is None:
        assert DB15K(cache_root=tmp_path, eager=True) == first
        assert path.read_bytes() == FEATURES["visual"]
    else:
        with pytest.raises(DownloadError, match=r"DB15K-visual\.pth"):
            DB15K(cache_root=tmp_path, eager=True)
        assert listing(tmp_path) == before


def test_features_that_nobody_published(use_server, drive, tmp_path):
    with pytest.raises(
        ValueError, match=r"MKG-W has no audio features in the published files.*features={'audio': PATH}"
    ):
        MKGW(cache_root=tmp_path, features=["audio"], eager=True)
    assert not drive.calls


def test_file_is_not_in_the_folder(drive, tmp_path):
    path = tmp_path / "DB15K-audio.pth"
    with pytest.raises(DownloadError, match=r"the folder has no file DB15K-audio\.pth") as info:
        ensure_from_google_drive(path, "folder", sha256=sha256(b""))
    assert f"put it at {path}" in str(info.value)
    assert not list(tmp_path.glob("**/DB15K*"))


def free_address():
    """Return the address of a server that is down."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"
