"""Pictures, neighbors and search, each by itself."""

import io
import zipfile

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pykeen_adamf.encoders import UnusableInputError
from pykeen_adamf.exploring import Pictures
from pykeen_adamf.exploring.neighbors import Neighbors
from pykeen_adamf.exploring.pictures import SIZE, read_texts
from pykeen_adamf.exploring.search import EntityIndex

NAMES = (
    *("berlin.png", "paris/a.jpg", "paris/b.png", "rome.tiff", "x/y/deep.png", ".no.png", "UPPER.PNG"),
    *("oslo/.no.png", "oslo/1.PNG", "oslo/2/3.png", "__MACOSX/._berlin.png", "bonn.d/a.gif"),
)


def write_images(folder):
    for number, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 * number + 30, 500), (200, 10 * number, 0)).save(path)
    (folder / "notes.txt").write_text("no image")


@pytest.mark.parametrize("top", ["", "images/", "./", "./images/"])
def test_an_archive_is_like_its_folder(tmp_path, top):
    folder = tmp_path / "folder"
    write_images(folder)
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*"):
            file.write(path, top + str(path.relative_to(folder)))
        # beside the folder, if there is one
        file.writestr("LICENSE", "no image")
    entities = ["berlin", "paris", "rome", "madrid"]
    one, two = Pictures.read(folder, entities), Pictures.read(archive, entities)
    assert {name: [x.name for x in given] for name, given in one.sources.items()} == {
        name: [x.name for x in given] for name, given in two.sources.items()
    }
    assert one.count("UPPER") == one.count("oslo") == one.count("bonn.d") == 1
    for label, count in {"berlin": 1, "paris": 2, "rome": 1, "madrid": 0, "deep": 0, "images": 0}.items():
        assert one.count(label) == two.count(label) == count
        for number in range(count):
            content = one.thumbnail(label, number)
            assert content == two.thumbnail(label, number)
            with Image.open(io.BytesIO(content)) as image:
                assert image.format == "WEBP"
                assert max(image.size) == SIZE


def test_a_folder_in_an_archive_may_be_an_entity(tmp_path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as file:
        for name in ("paris/1.png", "paris/2.png"):
            file.writestr(name, b"")
    assert set(Pictures.read(tmp_path / "images.zip", ["paris"]).sources) == {"paris"}
    assert set(Pictures.read(tmp_path / "images.zip", ["1"]).sources) == {"1", "2"}


def test_unusable_pictures(tmp_path):
    (tmp_path / "a.png").write_bytes(b"<html><script>alert(1)</script>")
    Image.new("RGB", (9, 9)).save(tmp_path / "b.gif")
    pictures = Pictures.read(tmp_path, ["a"])
    for label, number, reason in (("a", 0, "a.png is no image"), ("a", 1, "no picture 1"), ("c", 0, "no picture 0")):
        with pytest.raises(UnusableInputError, match=reason):
            pictures.thumbnail(label, number)
    (tmp_path / "b.gif").unlink()
    with pytest.raises(UnusableInputError, match="does not exist"):
        pictures.thumbnail("b")


def test_nothing_of_the_graph(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "rocket.png")
    (tmp_path / "texts.tsv").write_text("rocket\ta text\n")
    for read in (Pictures.read, lambda path, labels: read_texts(path / "texts.tsv", labels)):
        with pytest.raises(ValueError, match=r"'rocket', and the graph has 'emoji:rocket'\. Rename the files, or"):
            read(tmp_path, ["emoji:rocket"])
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as file:
        file.writestr("notes.txt", "no image")
    with pytest.raises(ValueError, match="There are no images in"):
        Pictures.read(tmp_path / "empty.zip")


def test_archives_of_other_kinds(tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("\xa0.png", b"")
    with pytest.raises(ValueError, match="There are no images in"):
        Pictures.read(path)
    content = bytearray(path.read_bytes())
    # the version that is needed to extract the file
    content[content.index(b"PK\x01\x02") + 6] = 148
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"images\.zip is a damaged archive, or of another kind .*14\.8"):
        Pictures.read(path)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(1, 9), st.integers(0, 9), st.booleans(), st.integers(1, 50))
def test_neighbors(num_entities, dim, seed, half, k):
    rng = numpy.random.default_rng(seed)
    matrix, presence = rng.standard_normal((num_entities, dim)), rng.random(num_entities) < 0.7
    matrix[~presence] = 0
    x = torch.from_numpy(matrix).to(torch.float16 if half else torch.float32)
    neighbors = Neighbors(x, torch.from_numpy(presence))
    vectors = x.double().numpy()
    norms = numpy.linalg.norm(vectors, axis=1)
    for i in range(num_entities):
        found = neighbors.find(i, k)
        others = [j for j in range(num_entities) if presence[j] and j != i] if presence[i] else []
        expected = {j: vectors[i] @ vectors[j] / norms[i] / norms[j] for j in others}
        best = sorted(expected.values(), reverse=True)[:k]
        assert [x.similarity for x in found] == pytest.approx(best, abs=1e-5)
        assert [expected[x.entity] for x in found] == pytest.approx(best, abs=1e-5)
        assert len({x.entity for x in found}) == len(found)


def test_zero_vectors_are_similar_to_nothing():
    neighbors = Neighbors(torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]))
    assert [x.similarity for x in neighbors.find(0, 5)] == [0, 0]
    assert neighbors.find(1, 5) == [(2, 1), (0, 0)]


def test_order_of_what_is_found():
    labels = ["Sky rocket", "ROCKET", "rocketry", "sprocket", "other", "bracket"]
    texts = ["", "", "", "", "Starts like a Rocket.", ""]
    index = EntityIndex(labels, texts)
    assert [labels[i] for i in index.search(" rocket ", 9)] == ["ROCKET", "rocketry", "Sky rocket", "sprocket", "other"]
    assert [labels[i] for i in index.search("rocket", 2)] == ["ROCKET", "rocketry"]
    assert index.search("  ", 9) == index.search("nothing", 9) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=5), max_size=9), st.text(max_size=3), st.integers(1, 5))
def test_everything_that_fits_is_found(labels, query, k):
    found = EntityIndex(labels, [""] * len(labels)).search(query, k)
    sought = " ".join(query.casefold().split())
    fits = [i for i, label in enumerate(labels) if sought and sought in label.casefold()]
    assert len(found) == min(k, len(fits))
    assert set(found) <= set(fits)
