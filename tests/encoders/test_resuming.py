"""Interrupted runs continue where they have stopped, and give what uninterrupted ones do."""

import json
import logging
import os
import shutil

import pytest
import torch

from pykeen_adamf.encoders import EncodingError, encode, partial, read_folder
from pykeen_adamf.encoders.partial import PartialResult

from .cases import CASES, LetterEncoder, PixelEncoder, make_folder, make_items, save_image

TEXTS = {f"e{i}": f"{'abc' * i}" for i in range(20)}


@pytest.fixture
def output(tmp_path):
    return tmp_path / "features.safetensors"


def _encode(output, encoder=None, texts=TEXTS, **kwargs):
    kwargs = {"batch_size": 3, "progress": False, **kwargs}
    return encode(texts, encoder or LetterEncoder(), output, **kwargs)


@pytest.fixture
def expected(tmp_path):
    """Return what an uninterrupted run writes."""
    (tmp_path / "uninterrupted").mkdir()
    path = tmp_path / "uninterrupted" / "features.safetensors"
    _encode(path)
    return path.read_bytes()


class Interrupted(LetterEncoder):
    """Is interrupted at some batch."""

    def __init__(self, at: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        super().__init__()
        self.at = at
        self.error = error

    def encode(self, inputs):
        if len(self.batches) == self.at:
            raise self.error
        return super().encode(inputs)


def _interrupt(output, at=3, **kwargs):
    with pytest.raises(KeyboardInterrupt):
        _encode(output, Interrupted(at), **kwargs)


# --- interrupted


@pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_encoder(cls, request, tmp_path, output, dtype, monkeypatch):
    """Batches are the same as in an uninterrupted run, on which the last digits depend."""
    encoder = CASES[cls].make(request)
    items = make_items(cls, tmp_path)
    kwargs = dict(batch_size=2, dtype=dtype, progress=False)
    encode(items, encoder, tmp_path / "fresh.safetensors", **kwargs)
    function, calls = encoder.encode, []

    def interrupted(inputs):
        calls.append(len(inputs))
        if len(calls) in {3, 5}:
            raise KeyboardInterrupt
        return function(inputs)

    monkeypatch.setattr(encoder, "encode", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            encode(items, encoder, output, **kwargs)
    report = encode(items, encoder, output, **kwargs)
    assert report.num_resumed >= 2
    assert output.read_bytes() == (tmp_path / "fresh.safetensors").read_bytes()


@pytest.mark.parametrize("at", range(7))
def test_interrupted_at_any_batch(output, expected, at):
    _interrupt(output, at)
    encoder = LetterEncoder()
    report = _encode(output, encoder)
    assert output.read_bytes() == expected
    assert report.num_resumed == 3 * at
    assert len(encoder.batches) == 7 - at


def test_interrupted_again_and_again(output, expected):
    for _ in range(6):
        _interrupt(output, at=1)
    assert _encode(output).num_resumed == 18
    assert output.read_bytes() == expected


def test_message(output, caplog):
    with caplog.at_level(logging.WARNING):
        _interrupt(output)
    assert "Interrupted after 9 of 20 entities. Run the same again" in caplog.text


def test_progress_continues(output, capsys):
    _interrupt(output)
    _encode(output, progress=True)
    assert "9/20" in capsys.readouterr().err


def test_report_tells(output):
    _interrupt(output)
    assert "9 of them had been done by an earlier run" in str(_encode(output))


def test_errors_of_encoders_can_be_resumed_from(output, expected):
    with pytest.raises(torch.OutOfMemoryError):
        _encode(output, Interrupted(2, error=torch.OutOfMemoryError))
    assert _encode(output).num_resumed == 6
    assert output.read_bytes() == expected


def test_an_older_output_stays_until_there_is_a_new_one(output):
    _encode(output, texts={"other": "x"})
    before = output.read_bytes()
    _interrupt(output)
    assert output.read_bytes() == before


def test_form_of_the_output_may_change(output, tmp_path):
    """Only rows are kept, thus others may be made of them."""
    _encode(tmp_path / "fresh.safetensors", dim=2)
    _interrupt(output)
    assert _encode(output, dim=2).num_resumed == 9
    assert output.read_bytes() == (tmp_path / "fresh.safetensors").read_bytes()


# --- what must not be resumed


@pytest.mark.parametrize(
    ("encoder", "kwargs", "reason"),
    [
        (LetterEncoder(), {"texts": {**TEXTS, "e1": "changed"}}, "another inputs"),
        (LetterEncoder(), {"texts": dict(reversed(TEXTS.items()))}, "another inputs"),
        (LetterEncoder(), {"texts": {**TEXTS, "more": "x"}}, "another inputs"),
        (LetterEncoder(dim=9), {}, "another encoder"),
        (LetterEncoder(), {"batch_size": 4}, "another batch size"),
        (LetterEncoder(), {"dtype": "float16"}, "another data type"),
        (LetterEncoder(dim=9), {"batch_size": 4}, "another batch size, another encoder"),
    ],
)
def test_other_runs_start_afresh(output, tmp_path, caplog, encoder, kwargs, reason):
    _encode(tmp_path / "fresh.safetensors", encoder, **kwargs)
    _interrupt(output)
    with caplog.at_level(logging.WARNING):
        report = _encode(output, encoder, **kwargs)
    assert report.num_resumed == 0
    assert f"Starting afresh: what is left of an earlier run to {output} has {reason}." in caplog.text
    assert output.read_bytes() == (tmp_path / "fresh.safetensors").read_bytes()


@pytest.mark.parametrize("change", ["content", "time", "removed", "elsewhere"])
def test_changed_images(tmp_path, output, change, monkeypatch):
    folder = make_folder(tmp_path / "images")
    kwargs = dict(batch_size=2, progress=False)
    calls = []

    def interrupt(self, inputs):
        calls.append(inputs)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return torch.zeros(len(inputs), self.dim)

    with monkeypatch.context() as context:
        context.setattr(PixelEncoder, "encode", interrupt)
        with pytest.raises(KeyboardInterrupt):
            encode(read_folder(folder, "visual"), PixelEncoder(), output, **kwargs)
    if change == "content":
        save_image(folder / "e6.png", seed=77)
    elif change == "time":
        os.utime(folder / "e6.png", (1, 1))
    elif change == "removed":
        (folder / "e1" / "2.jpg").unlink()
    else:
        folder = shutil.copytree(folder, tmp_path / "copy")
    encode(read_folder(folder, "visual"), PixelEncoder(), tmp_path / "fresh.safetensors", **kwargs)
    report = encode(read_folder(folder, "visual"), PixelEncoder(), output, **kwargs)
    assert report.num_resumed == 0
    assert output.read_bytes() == (tmp_path / "fresh.safetensors").read_bytes()


def test_unchanged_images_by_another_path(tmp_path, output, monkeypatch):
    """It is no other folder because it is called by its relative path."""
    folder = make_folder(tmp_path / "images")
    with monkeypatch.context() as context:
        context.setattr(partial.PartialResult, "remove", lambda self: self.close())
        encode(read_folder(folder, "visual"), PixelEncoder(), output, batch_size=2, progress=False)
    monkeypatch.chdir(tmp_path)
    report = encode(read_folder("images", "visual"), PixelEncoder(), output, batch_size=2, progress=False)
    assert report.num_resumed == report.num_entities


# --- damage


def _truncate(path, size):
    content = path.read_bytes()
    path.write_bytes(content[:size])


DAMAGES = {
    "no rows": (lambda d: (d / "rows").unlink(), 0),
    "no journal": (lambda d: (d / "journal").unlink(), 0),
    "fewer rows": (lambda d: _truncate(d / "rows", 5 * 8 * 4), 3),
    "half a row": (lambda d: _truncate(d / "rows", 6 * 8 * 4 + 1), 6),
    "more rows": (lambda d: (d / "rows").write_bytes((d / "rows").read_bytes() + b"123"), 9),
    "half a line": (lambda d: _truncate(d / "journal", -3), 6),
    "no JSON": (lambda d: (d / "journal").write_bytes(b"x" + (d / "journal").read_bytes()), 0),
    "other JSON": (lambda d: (d / "journal").write_bytes(b"[1]\n" + (d / "journal").read_bytes()), 0),
    "other line": (lambda d: (d / "journal").write_bytes((d / "journal").read_bytes() + b"3\n[3, 4]\n"), 9),
    "empty": (lambda d: (d / "journal").write_bytes(b""), 0),
    "older version": (
        lambda d: (d / "journal").write_bytes((d / "journal").read_bytes().replace(b'"version": 1', b'"version": 0')),
        0,
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage(output, expected, damage):
    """What has become of the partial result changes how much is computed again, and nothing else."""
    _interrupt(output)
    change, num_resumed = DAMAGES[damage]
    change(PartialResult.directory_of(output))
    assert _encode(output).num_resumed == num_resumed
    assert output.read_bytes() == expected
    assert not PartialResult.directory_of(output).exists()


def test_two_runs_at_once(output, expected):
    class Nested(LetterEncoder):
        def encode(self, inputs):
            with pytest.raises(EncodingError, match="Another run is writing to"):
                _encode(output)
            return super().encode(inputs)

    _encode(output, Nested())
    assert output.read_bytes() == expected


@pytest.mark.slow
def test_memory_is_not_filled_with_features(tmp_path):
    """The rows of all entities are never in memory together."""
    import tracemalloc

    class Wide(LetterEncoder):
        def encode(self, inputs):
            return torch.ones(len(inputs), self.dim)

    texts = {str(i): "x" for i in range(2000)}
    output = tmp_path / "features.safetensors"
    tracemalloc.start()
    try:
        _encode(output, Wide(dim=4096), texts, batch_size=8)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert output.stat().st_size > 32_000_000
    assert peak < 8_000_000


def test_journal_is_small(output):
    _interrupt(output)
    first, *lines = (PartialResult.directory_of(output) / "journal").read_text().splitlines()
    assert set(json.loads(first)) == {"version", "encoder", "inputs", "batch size", "data type"}
    assert [json.loads(line) for line in lines] == [
        [[0, 1, 1], [["e0", "its text", "is empty"]]],
        [[1, 1, 1], []],
        [[1, 1, 1], []],
    ]
