"""Downloads of features from something that behaves like Google Drive."""

import pytest
import torch

from pykeen_adamf.datasets import DB15K, MKGW, DownloadError
from pykeen_adamf.datasets.download import ensure_from_google_drive

from ..cases import NAMES, listing, make_matrix, sha256
from .servers import FEATURES, TROUBLES


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
