"""Runs that are killed, by a signal that cannot be caught, continue as interrupted ones do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pykeen_adamf.encoders import encode, read_folder
from pykeen_adamf.encoders.partial import PartialResult

from .cases import PixelEncoder, make_folder
from .killed import BATCH_SIZE, POINTS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Return a folder with what processes have left that were killed while encoding a folder of images."""
    if not hasattr(os, "fork"):
        pytest.skip("processes cannot be forked here")
    root = tmp_path_factory.mktemp("killed")
    (root / "outputs").mkdir()
    make_folder(root / "images", num_entities=9)
    result = subprocess.run(
        [sys.executable, "-m", "tests.encoders.killed", root / "images", root / "outputs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    return root


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_killed(killed, point, tmp_path):
    """At any point, by a signal that cannot be caught."""
    items = read_folder(killed / "images", "visual")
    fresh = tmp_path / "fresh.safetensors"
    kwargs = dict(batch_size=BATCH_SIZE, progress=False)
    encode(items, PixelEncoder(), fresh, **kwargs)
    output = killed / "outputs" / f"{point}.safetensors"
    # a file is either complete, or not there
    assert not output.exists() or output.read_bytes() == fresh.read_bytes()
    assert output.exists() == (point == "after it is moved")
    assert PartialResult.directory_of(output).is_dir()
    report = encode(items, PixelEncoder(), output, **kwargs)
    assert output.read_bytes() == fresh.read_bytes()
    assert not PartialResult.directory_of(output).exists()
    assert (report.num_resumed > 0) == (list(POINTS).index(point) > 3)
    # problems are remembered, too
    assert [problem.entity for problem in report.problems] == ["broken"]
