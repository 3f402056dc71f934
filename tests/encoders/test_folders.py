"""Folders of images and texts."""

import logging
import os

import pytest

from pykeen_adamf.encoders import EncodingError, Item, encode, read_folder

from .cases import PixelEncoder, save_image


def _write(path, text="text"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_images(tmp_path):
    one = save_image(tmp_path / "berlin.png")
    several = [save_image(tmp_path / "paris" / name) for name in ("2.jpg", "10.png", "1.JPG")]
    upper = save_image(tmp_path / "St. Louis.JPEG")
    folder = save_image(tmp_path / "Mr. X" / "a.webp")
    assert read_folder(tmp_path, "visual") == [
        Item("Mr. X", [folder], []),
        Item("St. Louis", [upper], []),
        Item("berlin", [one], []),
        # by character, which is the same everywhere
        Item("paris", [several[2], several[1], several[0]], []),
    ]


def test_texts(tmp_path):
    paths = [_write(tmp_path / name) for name in ("b.txt", "a.TXT", "no. 1.txt")]
    assert read_folder(str(tmp_path), "textual") == [
        Item("a", [paths[1]], []),
        Item("b", [paths[0]], []),
        Item("no. 1", [paths[2]], []),
    ]


def test_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    for name in "dbca":
        save_image(tmp_path / f"{name}.png")
    expected = read_folder(tmp_path, "visual")
    listed = sorted(tmp_path.iterdir(), reverse=True)
    monkeypatch.setattr(type(tmp_path), "iterdir", lambda self: iter(listed))
    assert read_folder(tmp_path, "visual") == expected
    assert [item.entity for item in expected] == list("abcd")


def test_what_is_ignored(tmp_path, caplog):
    image = save_image(tmp_path / "a" / "1.png")
    _write(tmp_path / ".DS_Store")
    _write(tmp_path / ".hidden" / "x.png")
    _write(tmp_path / "a" / "deep" / "x.png")
    for name in ("notes.md", "a/notes.md", "list"):
        _write(tmp_path / name)
    with caplog.at_level(logging.WARNING):
        assert read_folder(tmp_path, "visual") == [Item("a", [image], [])]
    assert "Ignored 4" in caplog.text
    assert all(name in caplog.text for name in ("a/deep", "a/notes.md", "list, ..."))


def test_entity_with_an_empty_folder_is_missing(tmp_path):
    save_image(tmp_path / "a.png")
    _write(tmp_path / "b" / "notes.md")
    (tmp_path / "c").mkdir()
    items = read_folder(tmp_path, "visual")
    assert [(item.entity, list(item.sources)) for item in items] == [("a", [tmp_path / "a.png"]), ("b", []), ("c", [])]
    report = encode(items, PixelEncoder(), tmp_path / "f.safetensors", progress=False)
    assert [str(problem) for problem in report.problems] == [
        f"b: {tmp_path / 'b'}: has no image in it",
        f"c: {tmp_path / 'c'}: has no image in it",
    ]


def test_folders_that_cannot_be_listed(tmp_path, monkeypatch):
    """Even a superuser cannot list those of some file systems."""
    save_image(tmp_path / "a.png")
    save_image(tmp_path / "b" / "1.png")
    function = type(tmp_path).iterdir

    def iterdir(self):
        if self.name == "b":
            raise PermissionError(13, "Permission denied")
        return function(self)

    monkeypatch.setattr(type(tmp_path), "iterdir", iterdir)
    first, second = read_folder(tmp_path, "visual")
    assert list(first.sources) == [tmp_path / "a.png"]
    assert str(second.problems[0]) == f"b: {tmp_path / 'b'}: cannot be listed (Permission denied)"


@pytest.mark.parametrize("other", ["a.jpg", "a.PNG", "a/1.png"])
def test_two_things_for_one_entity(tmp_path, other):
    first, second = save_image(tmp_path / "a.png"), save_image(tmp_path / other)
    if other != "a.PNG" or len(list(tmp_path.iterdir())) == 2:
        with pytest.raises(EncodingError) as info:
            read_folder(tmp_path, "visual")
        assert f"{first}" in str(info.value)
        assert f"{second if second.parent == tmp_path else second.parent}" in str(info.value)
        assert "'a'" in str(info.value)


# --- nothing to encode


def test_missing_folder(tmp_path):
    with pytest.raises(EncodingError, match="nowhere does not exist"):
        read_folder(tmp_path / "nowhere", "visual")


@pytest.mark.parametrize("modality", ["visual", "textual"])
def test_empty_folder(tmp_path, modality):
    with pytest.raises(EncodingError, match=rf"There are no (images|texts) in {tmp_path}.*Files by suffix: none"):
        read_folder(tmp_path, modality)


@pytest.mark.parametrize("layout", ["{}.txt", "{}/text.txt"])
def test_texts_for_an_image_encoder(tmp_path, layout):
    for name in "abc":
        _write(tmp_path / layout.format(name))
    with pytest.raises(EncodingError) as info:
        read_folder(tmp_path, "visual")
    message = str(info.value)
    assert str(tmp_path) in message
    assert "3 of .txt" in message
    assert "choose a textual encoder" in message


def test_images_for_a_text_encoder(tmp_path):
    save_image(tmp_path / "a.png")
    with pytest.raises(EncodingError, match=r"no texts in .*1 of \.png.*choose a visual encoder"):
        read_folder(tmp_path, "textual")


def test_other_files(tmp_path):
    _write(tmp_path / "data.csv")
    _write(tmp_path / "README")
    with pytest.raises(EncodingError, match=r"1 of \.csv, 1 of no suffix\.$"):
        read_folder(tmp_path, "visual")


# --- links


@pytest.fixture
def outside(tmp_path):
    save_image(tmp_path / "outside" / "secret.png")
    save_image(tmp_path / "folder" / "a.png")
    return tmp_path / "outside"


@pytest.mark.parametrize("name", ["b.png", "b/1.png"])
def test_links_to_files_outside_are_not_followed(tmp_path, outside, name):
    folder = tmp_path / "folder"
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(outside / "secret.png")
    other = read_folder(folder, "visual")[1]
    assert (other.entity, list(other.sources)) == ("b", [])
    (problem,) = other.problems
    assert problem.source == str(folder / name)
    assert "leads outside" in problem.reason


def test_links_to_folders_outside_are_not_followed(tmp_path, outside):
    (tmp_path / "folder" / "b").symlink_to(outside)
    other = read_folder(tmp_path / "folder", "visual")[1]
    assert (other.entity, list(other.sources)) == ("b", [])
    assert "leads outside" in other.problems[0].reason


def test_links_to_folders_may_have_dots_in_their_names(tmp_path, outside):
    folder = tmp_path / "folder"
    for name in ("St. Louis", "v1.5"):
        (folder / name).symlink_to(outside)
    (folder / "notes.txt").symlink_to(outside / "notes.txt")
    items = read_folder(folder, "visual")
    assert [item.entity for item in items] == ["St. Louis", "a", "v1.5"]
    assert [len(item.problems) for item in items] == [1, 0, 1]
    assert "leads outside" in items[0].problems[0].reason


def test_links_with_dots_are_not_followed(tmp_path, outside):
    (tmp_path / "folder" / "b.png").symlink_to("../outside/secret.png")
    assert "leads outside" in read_folder(tmp_path / "folder", "visual")[1].problems[0].reason


def test_links_inside_are_followed(tmp_path, outside):
    folder = tmp_path / "folder"
    (folder / "b.png").symlink_to("a.png")
    assert read_folder(folder, "visual")[1] == Item("b", [folder / "b.png"], [])
    # the folder itself was named by whoever is calling
    (tmp_path / "link").symlink_to(folder)
    assert [item.entity for item in read_folder(tmp_path / "link", "visual")] == ["a", "b"]


def test_links_to_nothing(tmp_path, outside):
    folder = tmp_path / "folder"
    (folder / "b.png").symlink_to("nothing.png")
    (folder / "c.png").symlink_to("c.png")
    items = read_folder(folder, "visual")
    report = encode(items, PixelEncoder(), tmp_path / "f.safetensors", progress=False)
    assert [(problem.entity, problem.source) for problem in report.problems] == [
        ("b", str(folder / "b.png")),
        ("c", str(folder / "c.png")),
    ]


@pytest.mark.skipif(os.name == "nt", reason="file names are text")
def test_file_names_that_are_not_in_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"k\xf6ln.png")
    save_image(tmp_path / "a.png").rename(path)
    with pytest.raises(EncodingError, match="not in UTF-8"):
        encode(read_folder(tmp_path, "visual"), PixelEncoder(), tmp_path / "f.safetensors", progress=False)
