"""From items to features."""

import json
import logging

import numpy
import pytest
import torch
from pykeen.triples import TriplesFactory
from safetensors.torch import load_file

from pykeen_adamf.encoders import HuggingFaceEncoder, Item, Problem, encode, read_folder
from pykeen_adamf.encoders.items import group_items
from pykeen_adamf.features import read_features, write_features
from pykeen_adamf.triples import MultimodalTriplesFactory

from .cases import LetterEncoder, PixelEncoder, make_folder, save_image

TEXTS = {f"e{i}": "abcdefgh"[: i + 1] * 3 for i in range(8)}


@pytest.fixture
def output(tmp_path):
    return tmp_path / "features.safetensors"


def _encode(items, output, encoder=None, **kwargs):
    kwargs = {"progress": False, "batch_size": 3, **kwargs}
    return encode(items, encoder or LetterEncoder(), output, **kwargs)


# --- pooling


def test_mean_over_images(tmp_path, output):
    """Equation 1 of the paper, over the images that are usable."""
    folder = make_folder(tmp_path / "images")
    (folder / "e1" / "broken.jpg").write_bytes(b"broken")
    (folder / "none").mkdir()
    report = _encode(read_folder(folder, "visual"), output, PixelEncoder())
    features = read_features(output)
    rows = dict(zip(features.labels, features.matrix, strict=True))
    encoder = PixelEncoder()
    images = torch.cat([encoder.encode([encoder.load(folder / "e1" / f"{i}.jpg")]) for i in range(3)])
    torch.testing.assert_close(rows["e1"], images.double().mean(dim=0).float(), rtol=0, atol=0)
    assert torch.equal(rows["e2"], encoder.encode([encoder.load(folder / "e2.png")])[0])
    missing = [label for label, present in zip(features.labels, features.presence, strict=True) if not present]
    assert missing == ["broken", "none"]
    assert [(problem.entity, problem.source) for problem in report.problems] == [
        ("broken", str(folder / "broken.png")),
        ("e1", str(folder / "e1" / "broken.jpg")),
        ("none", str(folder / "none")),
    ]
    assert (report.num_entities, report.num_encoded, report.num_missing) == (9, 7, 2)


def test_more_images_than_a_batch(tmp_path, output):
    """An entity is encoded as a whole, but no more than a batch is in memory at once."""
    paths = [save_image(tmp_path / f"{i}.png", seed=i) for i in range(10)]
    sizes = []

    class Counting(PixelEncoder):
        def encode(self, inputs):
            sizes.append(len(inputs))
            return super().encode(inputs)

    _encode({"a": paths[0], "b": paths, "c": paths[1]}, output, Counting(), batch_size=4)
    assert sizes == [1, 4, 4, 2, 1]
    expected = numpy.mean([PixelEncoder().load(path) for path in paths], axis=0)
    torch.testing.assert_close(read_features(output).matrix[1], torch.from_numpy(expected).float())


def test_groups_depend_on_nothing_but_items():
    items = [Item(str(i), [f"text {i}"] * num) for i, num in enumerate([1, 1, 2, 0, 5, 1, 3, 3])]
    groups = group_items(items, batch_size=4)
    assert [[item.entity for item in group] for group in groups] == [["0", "1", "2"], ["3"], ["4"], ["5", "6"], ["7"]]
    assert [item for group in groups for item in group] == items


def test_order_is_kept(output):
    _encode(dict(reversed(TEXTS.items())), output)
    assert list(read_features(output).labels) == list(reversed(TEXTS))


# --- what is unusable


def test_unusable_texts_are_missing(tmp_path, output):
    (tmp_path / "latin1.txt").write_bytes("München".encode("latin1"))
    (tmp_path / "bom.txt").write_bytes("\ufeffabc".encode())
    texts = {
        "good": "abc",
        "empty": "",
        "space": " \n\t",
        "latin1": tmp_path / "latin1.txt",
        "bom": tmp_path / "bom.txt",
        "absent": tmp_path / "absent.txt",
        "folder": tmp_path,
        "odd": "unusable",
        "nothing": [],
    }
    report = _encode(texts, output, batch_size=100)
    features = read_features(output)
    assert features.presence.tolist() == [label in {"good", "bom"} for label in texts]
    assert torch.equal(features.matrix[0], features.matrix[4])
    assert not features.matrix[~features.presence].any()
    assert [str(problem) for problem in report.problems] == [
        "empty: its text: is empty",
        "space: its text: is empty",
        f"latin1: {tmp_path / 'latin1.txt'}: is not in UTF-8 (byte 1)",
        f"absent: {tmp_path / 'absent.txt'}: does not exist",
        f"folder: {tmp_path}: is no file",
        "odd: its text: is unusable",
        "nothing: has no textual input",
    ]


def test_half_characters_are_missing(tmp_path, output, bert):
    """Which no tokenizer takes."""
    (tmp_path / "long.txt").write_bytes(b"x" * (16 * 2**20 + 1))
    texts = {"good": "abc", "half": "ab\ud83d", "long": tmp_path / "long.txt"}
    report = _encode(texts, output, HuggingFaceEncoder(model=str(bert), device="cpu"))
    assert read_features(output).presence.tolist() == [True, False, False]
    assert [str(problem) for problem in report.problems] == [
        "half: its text: is not Unicode: there is half a character at position 2",
        f"long: {tmp_path / 'long.txt'}: has 16,777,217 bytes, more than the 16,777,216 that are read at most",
    ]


def test_nothing_is_usable(output):
    report = _encode({"a": "", "b": " "}, output)
    assert report.num_encoded == 0
    features = read_features(output)
    assert (features.num_present, features.dim) == (0, 8)


def test_problems_known_before_are_reported(output):
    problem = Problem("a", "x.png", "leads outside")
    report = _encode([Item("a", ["abc"], [problem]), Item("b", [], [problem])], output)
    assert list(report.problems) == [problem, problem]
    assert read_features(output).presence.tolist() == [True, False]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_vectors_that_are_not_finite(output, value):
    class Failing(LetterEncoder):
        def encode(self, inputs):
            vectors = super().encode(inputs)
            vectors[[text == "b" for text in inputs], 2] = value
            return vectors

    report = _encode({"a": "a", "b": "b", "c": ["b", "c"]}, output, Failing())
    features = read_features(output)
    assert features.presence.tolist() == [True, False, True]
    assert features.matrix.isfinite().all()
    assert [problem.entity for problem in report.problems] == ["b", "c"]
    assert "NaN or infinity" in report.problems[0].reason


def test_errors_of_encoders_are_not_hidden(output, tmp_path):
    """Only unusable inputs are; a bug is no missing image."""

    class Failing(LetterEncoder):
        def encode(self, inputs):
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        _encode(TEXTS, output, Failing())
    assert not list(tmp_path.iterdir())


# --- how it is stored


def test_float16(output):
    _encode(TEXTS, output)
    expected = read_features(output).matrix
    _encode(TEXTS, output, dtype="float16")
    features = read_features(output)
    assert features.matrix.dtype == torch.float16
    assert torch.equal(features.matrix, expected.half())


def test_float16_overflow(output):
    class Large(LetterEncoder):
        def encode(self, inputs):
            return super().encode(inputs) * torch.tensor([[1e6 if text == "b" else 1.0] for text in inputs])

    report = _encode({"a": "a", "b": "b"}, output, Large(), dtype="float16")
    assert read_features(output).presence.tolist() == [True, False]
    assert "use float32" in report.problems[0].reason
    assert _encode({"a": "a", "b": "b"}, output, Large()).num_missing == 0


def test_same_as_write_features(output, tmp_path):
    """The streamed file has what the other writer would have written."""
    report = _encode({**TEXTS, "empty": "", "naïve \"'\n": "x"}, output)
    features = read_features(output)
    other = write_features(tmp_path / "other.safetensors", features, metadata=report.provenance)
    assert read_features(other) == features
    streamed, written = load_file(output), load_file(other)
    assert streamed.keys() == written.keys()
    assert all(torch.equal(streamed[key], written[key]) for key in written)
    assert output.stat().st_mode & 0o444 == 0o444
    # rows can be mapped into memory
    assert (8 + int.from_bytes(output.read_bytes()[:8], "little")) % 8 == 0


def test_factory(output):
    """Features go straight into a graph."""
    _encode({"a": "abc", "b": "", "c": "hhh"}, output)
    triples = numpy.array([["c", "r", "a"], ["d", "r", "b"]])
    factory = MultimodalTriplesFactory.from_triples_factory(
        TriplesFactory.from_labeled_triples(triples), features={"textual": output}
    )
    assert factory.coverage().per_modality == {"textual": 2}
    assert [
        factory.entity_id_to_label[i] for i in factory.features["textual"].presence.nonzero().view(-1).tolist()
    ] == [
        "a",
        "c",
    ]


def test_same_input_same_bytes(output):
    _encode(TEXTS, output)
    first = output.read_bytes()
    _encode(TEXTS, output)
    assert output.read_bytes() == first


def test_nothing_else_remains(output, tmp_path):
    _encode(TEXTS, output)
    assert list(tmp_path.iterdir()) == [output]


# --- what is told


def test_report(output, tmp_path):
    report = _encode({"a": "abc", "b": "", "c": "", "d": ""}, output, report=tmp_path / "report.json")
    assert str(report).splitlines() == [
        "4 entities: 1 encoded with 8 dimensions, 3 missing",
        "3 inputs could not be used:",
        "  b: its text: is empty",
        "  c: its text: is empty",
        "  d: its text: is empty",
    ]
    assert report.summarize(max_problems=1).splitlines()[2:] == ["  b: its text: is empty", "  ... and 2 more"]
    data = json.loads((tmp_path / "report.json").read_text())
    assert data == report.to_dict()
    assert (data["num_entities"], data["num_encoded"], data["num_missing"]) == (4, 1, 3)
    assert [problem["entity"] for problem in data["problems"]] == ["b", "c", "d"]
    assert data["provenance"]["encoder"] == "letters"


def test_provenance_says_nothing_about_the_time_or_place(output, tmp_path):
    report = _encode(TEXTS, output)
    assert not any(str(tmp_path) in value for value in report.provenance.values())
    assert report.provenance["modality"] == "textual"
    assert report.provenance["batch_size"] == "3"


@pytest.mark.parametrize("progress", [True, False])
def test_progress(output, capsys, progress):
    _encode(TEXTS, output, progress=progress)
    assert ("8/8" in capsys.readouterr().err) == progress


def test_no_message_without_reason(output, caplog):
    with caplog.at_level(logging.WARNING):
        _encode(TEXTS, output)
    assert not caplog.records
