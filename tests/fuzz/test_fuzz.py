"""Short runs of the fuzzer, and that it notices what it is for."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from .__main__ import main
from .running import FINE, fuzz, to_table
from .target import Target
from .targets import TARGETS


def _run(num_files: int, seed: int, failures: Path) -> None:
    counts = fuzz(num_files, seed, failures=failures)
    assert counts.total() == num_files
    why = [path.read_text() for path in failures.rglob("why.txt")]
    assert all(outcome in FINE for _, outcome in counts), to_table(counts) + "\n" + "".join(why)


def test_changed_files(tmp_path):
    _run(2 * len(TARGETS), seed=0, failures=tmp_path)


@pytest.mark.slow
def test_more_changed_files(tmp_path):
    _run(40 * len(TARGETS), seed=1, failures=tmp_path)


def test_record(tmp_path):
    """What is recorded is not read again, and counts."""
    options = ["--target", "configuration .json", "--seed", "5", "--record", str(tmp_path / "x.jsonl")]
    options += ["--failures", str(tmp_path / "failures")]
    first = CliRunner().invoke(main, [*options, "--files", "3"], catch_exceptions=False)
    (line,) = (tmp_path / "x.jsonl").read_text().splitlines()
    content = json.loads(line)
    assert sum(content["counts"].values()) == 3
    content["counts"] = {"configuration .json: read": 1000}
    (tmp_path / "x.jsonl").write_text(json.dumps(content) + "\n")
    second = CliRunner().invoke(main, [*options, "--files", "3"], catch_exceptions=False)
    assert "1000" not in first.stdout
    assert "1000" in second.stdout


class _Text(Target):
    def make(self, directory):
        path = directory / "x.txt"
        path.write_text("some text")
        return path


class _Unclear(_Text):
    def read(self, path):
        return {}[path.read_bytes()] if path.read_bytes() != b"some text" else None


class _Nameless(_Text):
    def read(self, path):
        if path.read_bytes() != b"some text":
            raise ValueError("something is wrong")


class _Executing(_Text):
    def read(self, path):
        if path.read_bytes() != b"some text":
            exec("1")


class _Importing(_Text):
    def read(self, path):
        if path.read_bytes() != b"some text":
            sys.modules.pop("this_module_is_not_there", None)
            try:
                import this_module_is_not_there  # noqa: F401
            except ImportError as error:
                raise ValueError(str(path)) from error


class _Outside(_Text):
    def read(self, path):
        if path.read_bytes() != b"some text":
            return Path("/proc/self/status").read_bytes()
        return None


class _Crashing(_Text):
    def read(self, path):
        if path.read_bytes() != b"some text":
            import os

            os._exit(3)


class _Changed(_Text):
    has_checksums = True

    def read(self, path):
        return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (_Unclear, "unclear error"),
        (_Nameless, "file not named"),
        (_Executing, "execution"),
        (_Importing, "import"),
        (_Outside, "outside"),
        (_Crashing, "crashed"),
        (_Changed, "wrong"),
    ],
)
def test_failures_are_noticed(tmp_path, monkeypatch, kind, outcome):
    monkeypatch.setitem(TARGETS, "own", kind("own"))
    counts = fuzz(4, 0, ["own"], failures=tmp_path)
    assert counts["own", outcome]
    kept = next(tmp_path.iterdir())
    assert (kept / "x.txt").is_file()
    assert outcome in (kept / "why.txt").read_text()
