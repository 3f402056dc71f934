"""Full disks, and runs that get in each other's way."""

import os

import pytest
from click.testing import CliRunner

from pykeen_adamf.cli import main
from pykeen_adamf.encoders import EncodingError, encode, encoding, partial
from pykeen_adamf.encoders.partial import PartialResult

from .cases import LetterEncoder, make_folder

TEXTS = {f"e{i}": "abc" * i for i in range(20)}

IDENTITY = {"encoder": "x"}


@pytest.fixture
def output(tmp_path):
    return tmp_path / "features.safetensors"


def _encode(output, **kwargs):
    return encode(TEXTS, LetterEncoder(), output, batch_size=3, progress=False, **kwargs)


@pytest.mark.parametrize("limit", [10, 500, 900])
def test_no_space(output, tmp_path, limit):
    """While the journal, the rows, or the output are written; the limit is one for all files of the process."""
    resource = pytest.importorskip("resource", reason="the size of files cannot be limited here")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(EncodingError) as info:
            _encode(output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"Cannot write {output}: File too large. Free space" in str(info.value)
    assert "run the same command again: it continues" in str(info.value)
    assert not output.exists()
    (tmp_path / "fresh").mkdir()
    fresh = tmp_path / "fresh" / output.name
    _encode(fresh)
    report = _encode(output)
    assert (report.num_resumed > 0) == (limit > 10)
    assert output.read_bytes() == fresh.read_bytes()


def test_no_space_for_reduced_rows(output, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encoding, "reduce_rows", fail)
    with pytest.raises(EncodingError, match=r"No space left on device\. Free space"):
        _encode(output, dim=2)


def test_no_space_for_the_report(output, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encoding.EncodingReport, "write", fail)
    with pytest.raises(EncodingError, match=r"No space left on device\. The features are complete"):
        _encode(output, report=tmp_path / "report.json")
    assert output.exists()


def test_command(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    make_folder(tmp_path / "images")
    monkeypatch.setattr(PartialResult, "_write", fail)
    arguments = ["encode", tmp_path / "images", "--output", tmp_path / "f.safetensors", "--encoder", "descriptor"]
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 1
    assert "Error: Cannot write" in result.output
    assert "Free space" in result.output


# --- two runs


def test_files_are_closed_if_resuming_fails(output, monkeypatch):
    def fail(self, identity):
        raise RuntimeError

    with monkeypatch.context() as context:
        context.setattr(PartialResult, "_resume", fail)
        with pytest.raises(RuntimeError) as info:
            PartialResult(output, IDENTITY, bytes_per_row=4)
    # even while the object is still there, as part of the traceback
    assert info.value.__traceback__ is not None
    PartialResult(output, IDENTITY, bytes_per_row=4).remove()


def test_another_run_starts_while_files_are_removed(output, monkeypatch):
    """It is kept out until they are, and then has a directory of its own."""
    refused = []
    rmtree = partial.shutil.rmtree

    def start_another(path, **kwargs):
        with pytest.raises(EncodingError, match="Another run"):
            PartialResult(output, IDENTITY, bytes_per_row=4)
        refused.append(path)
        rmtree(path, **kwargs)

    first = PartialResult(output, IDENTITY, bytes_per_row=4)
    with monkeypatch.context() as context:
        context.setattr(partial.shutil, "rmtree", start_another)
        first.remove()
    assert refused == [first.directory]
    other = PartialResult(output, IDENTITY, bytes_per_row=4)
    assert other.rows_path.exists()
    # the first one has nothing to say any more
    first.close()
    with pytest.raises(EncodingError, match="Another run"):
        PartialResult(output, IDENTITY, bytes_per_row=4)
    other.remove()
    assert not list(output.parent.iterdir())


def test_a_lock_that_has_been_removed_is_none(output, monkeypatch):
    """Another run has finished after its lock has been opened, and before it has been taken over."""
    fcntl = pytest.importorskip("fcntl", reason="files are locked in another way here")
    first = PartialResult(output, IDENTITY, bytes_per_row=4)
    flock, calls = fcntl.flock, []

    def finish_first(file, operation):
        if operation & fcntl.LOCK_EX:
            calls.append(operation)
            if len(calls) == 1:
                first.remove()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", finish_first)
    second = PartialResult(output, IDENTITY, bytes_per_row=4)
    assert len(calls) == 2
    assert second.rows_path.exists()
    with pytest.raises(EncodingError, match="Another run"):
        PartialResult(output, IDENTITY, bytes_per_row=4)
    second.remove()


def test_what_a_killed_process_has_left_is_removed(output, tmp_path):
    """While it was removing files, for instance."""
    (tmp_path / f".{output.name}.lock").touch()
    PartialResult.directory_of(output).mkdir()
    (PartialResult.directory_of(output) / "rows").write_bytes(b"123")
    (tmp_path / f".{output.name}.x").mkdir()
    _encode(output)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".{output.name}.x", output.name]


def test_output_is_on_disk_before_it_is_moved(output, monkeypatch):
    """Or else a power failure could leave an empty file instead of the older one."""
    synced = []
    fsync, replace = os.fsync, type(output).replace

    def remember(number):
        synced.append(os.fstat(number).st_ino)
        fsync(number)

    def check(self, target):
        assert self.stat().st_ino in synced
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", remember)
    monkeypatch.setattr(type(output), "replace", check)
    _encode(output)
    assert output.exists()
