"""The patches for PyKEEN apply to the installed version, and repair what they say."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pykeen
import pytest

PATCHES = sorted((Path(__file__).parents[2] / "docs" / "patches").glob("*.patch"))
PAGE = Path(__file__).parents[2] / "docs" / "pykeen" / "upstream.md"
PYKEEN = Path(pykeen.__file__).parent


def apply(patch: Path, directory: Path) -> None:
    """Apply a patch to ``pykeen`` in a directory."""
    subprocess.run(["git", "apply", "-p2", str(patch)], cwd=directory, check=True, timeout=60)


def copy_files(patch: Path, directory: Path) -> list[Path]:
    """Copy the files that a patch changes."""
    names = [line.removeprefix("+++ b/src/") for line in patch.read_text().splitlines() if line.startswith("+++ ")]
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PYKEEN.parent / name, directory / name)
    return [directory / name for name in names]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.stem)
def test_applies(patch, tmp_path):
    files = copy_files(patch, tmp_path)
    before = [path.read_text() for path in files]
    apply(patch, tmp_path)
    for path, text in zip(files, before, strict=True):
        assert path.read_text() != text
        compile(path.read_text(), str(path), "exec")
    assert patch.name in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_repairs(tmp_path):
    """Each is wrong in PyKEEN as it is, and right with the patches."""
    for name in ("before", "after"):
        shutil.copytree(PYKEEN, tmp_path / name / "pykeen", ignore=shutil.ignore_patterns("__pycache__"))
    for patch in PATCHES:
        apply(patch, tmp_path / "after")
    plugin = tmp_path / "plugin"
    (plugin / "example-1.dist-info").mkdir(parents=True)
    (plugin / "example-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1\n")
    entry_points = "[pykeen.models]\nupstreamexample = upstream_example:UpstreamExample\n"
    (plugin / "example-1.dist-info" / "entry_points.txt").write_text(entry_points)
    (plugin / "upstream_example.py").write_text(
        "from pykeen.models import ERModel\n\n\nclass UpstreamExample(ERModel):\n    pass\n"
    )
    results = {name: run_checks([tmp_path / name, plugin]) for name in ("before", "after")}
    assert len(results["after"]) == len(PATCHES)
    assert all(value is True for value in results["after"].values()), results["after"]
    assert all(value is not True for value in results["before"].values()), results["before"]


def run_checks(path: list[Path]) -> dict[str, object]:
    """Run all checks in a process with these directories in front of its path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    script = Path(__file__).with_name("upstream.py")
    result = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=600, check=True
    )
    checks: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return checks
