"""Downloads of triples from a real server on this machine."""

import re
from pathlib import Path

import pytest

from pykeen_adamf.datasets import DB15K, DownloadError, base
from pykeen_adamf.datasets.download import ensure_from_url

from ..cases import DATASETS, ENTITIES, NAMES, TRAIN, VALID, listing, sha256
from .servers import BAD_ANSWERS, CONTENT, free_address


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
